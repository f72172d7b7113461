/* SmolVLM: the family's rows in families.c. Its checkpoints say idefics3, those of its second
 * edition smolvlm; they differ in what config.json leaves out. */
#ifndef MPA_MODEL_FAMILY_SMOLVLM_SMOLVLM_H
#define MPA_MODEL_FAMILY_SMOLVLM_SMOLVLM_H

#include "model/family.h"

extern const Family family_idefics3, family_smolvlm;

#endif
