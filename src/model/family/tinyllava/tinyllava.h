/* TinyLLaVA: what a model of the family is made of, and the family's row for families.c. */
#ifndef MPA_MODEL_FAMILY_TINYLLAVA_TINYLLAVA_H
#define MPA_MODEL_FAMILY_TINYLLAVA_TINYLLAVA_H

#include "model/block/decoder.h"
#include "model/block/siglip.h"
#include "model/family.h"
#include "model/family/tinyllava/picture.h"

/* Vlm.model of this family. */
typedef struct {
    Decoder decoder;
    RotaryRule rotary;
    Siglip vision;
    Linear fc1, fc2; /* mm_projector, "mlp2x_gelu" */
    TinyLlavaPictures pictures;
} TinyLlava;

extern const Family family_tinyllava;

#endif
