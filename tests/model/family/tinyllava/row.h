/* TinyLLaVA for the tests: its rows for families.c, and the fields of their folders to spoil. */
#ifndef MPA_TESTS_MODEL_FAMILY_TINYLLAVA_ROW_H
#define MPA_TESTS_MODEL_FAMILY_TINYLLAVA_ROW_H

#include "fixture/model_family.h"

extern const WrongField tinyllava_wrong_fields[], tinyllava_factory_wrong_fields[];
extern const TestFamily test_tinyllava, test_tinyllava_factory;

#endif
