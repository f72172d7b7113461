/* Qwen2-VL: the family's row for families.c. */
#ifndef MPA_MODEL_FAMILY_QWEN2VL_QWEN2VL_H
#define MPA_MODEL_FAMILY_QWEN2VL_QWEN2VL_H

#include "model/family.h"

extern const Family family_qwen2vl;

#endif
