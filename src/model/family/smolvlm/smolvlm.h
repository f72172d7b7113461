/* SmolVLM: what a model of the family is made of, and the family's row for families.c. */
#ifndef MPA_MODEL_FAMILY_SMOLVLM_SMOLVLM_H
#define MPA_MODEL_FAMILY_SMOLVLM_SMOLVLM_H

#include "model/block/decoder.h"
#include "model/block/siglip.h"
#include "model/family.h"
#include "model/family/smolvlm/picture.h"

/* Vlm.model of this family. */
typedef struct {
    Decoder decoder;
    RotaryRule rotary;
    Siglip vision;
    int64_t scale; /* of the pixel shuffle */
    Linear connector;
    SmolVLMPictures pictures;
} SmolVLM;

extern const Family family_smolvlm;

#endif
