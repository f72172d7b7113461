/* Qwen2-VL for the tests: its row for families.c, and the fields of its folder to spoil. */
#ifndef MPA_TESTS_MODEL_FAMILY_QWEN2VL_ROW_H
#define MPA_TESTS_MODEL_FAMILY_QWEN2VL_ROW_H

#include "fixture/model_family.h"

extern const WrongField qwen2vl_wrong_fields[];
extern const TestFamily test_qwen2vl;

#endif
