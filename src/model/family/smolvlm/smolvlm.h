/* SmolVLM: the family's row for families.c. */
#ifndef MPA_MODEL_FAMILY_SMOLVLM_SMOLVLM_H
#define MPA_MODEL_FAMILY_SMOLVLM_SMOLVLM_H

#include "model/family.h"

extern const Family family_smolvlm;

#endif
