/* The table of families that tests on whole models run through. */
#include "model/family/internvl2/row.h"
#include "model/family/qwen2vl/row.h"
#include "model/family/smolvlm/row.h"
#include "model/family/tinyllava/row.h"

const TestFamily *const test_families[] = {&test_qwen2vl,   &test_smolvlm,           &test_internvl2,
                                           &test_tinyllava, &test_tinyllava_factory, NULL};
