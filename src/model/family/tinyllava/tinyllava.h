/* TinyLLaVA: what a model of the family is made of, and the family's row for families.c. */
#ifndef MPA_MODEL_FAMILY_TINYLLAVA_TINYLLAVA_H
#define MPA_MODEL_FAMILY_TINYLLAVA_TINYLLAVA_H

#include "model/block/decoder.h"
#include "model/block/siglip.h"
#include "model/family.h"
#include "model/family/tinyllava/picture.h"

/* What the parts are called on disk, and what else differs between the two code bases. */
typedef struct {
    const char *section; /* of config.json, with the decoder's sizes; "": the root */
    const char *decoder, *head, *tower, *projector;
    const char *aspect; /* image_aspect_ratio where config.json has none */
    bool factory;
} TinyLlavaLayout;

/* Vlm.model of this family. */
typedef struct {
    const TinyLlavaLayout *layout;
    Decoder decoder;
    RotaryRule rotary;
    Siglip vision;
    Linear fc1, fc2; /* mm_projector, "mlp2x_gelu" */
    TinyLlavaPictures pictures;
} TinyLlava;

extern const Family family_tinyllava;

#endif
