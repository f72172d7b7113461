/* The table of families: the only file that names them all. */
#include "model/family/internvl2/internvl2.h"
#include "model/family/qwen2vl/qwen2vl.h"
#include "model/family/smolvlm/smolvlm.h"
#include "model/family/tinyllava/tinyllava.h"

const Family *const families[] = {&family_qwen2vl, &family_smolvlm, &family_internvl2, &family_tinyllava,
                                  NULL};
