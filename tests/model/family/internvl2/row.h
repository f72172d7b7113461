/* InternVL2 for the tests: its row for families.c, and the fields of its folder to spoil. */
#ifndef MPA_TESTS_MODEL_FAMILY_INTERNVL2_ROW_H
#define MPA_TESTS_MODEL_FAMILY_INTERNVL2_ROW_H

#include "fixture/model_family.h"

extern const WrongField internvl2_wrong_fields[];
extern const TestFamily test_internvl2;

#endif
