/* TinyLLaVA for the tests: its row for families.c, and the fields of its folder to spoil. */
#ifndef MPA_TESTS_MODEL_FAMILY_TINYLLAVA_ROW_H
#define MPA_TESTS_MODEL_FAMILY_TINYLLAVA_ROW_H

#include "fixture/model_family.h"

extern const WrongField tinyllava_wrong_fields[];
extern const TestFamily test_tinyllava;

#endif
