/* InternVL2: what a model of the family is made of, and the family's row for families.c. */
#ifndef MPA_MODEL_FAMILY_INTERNVL2_INTERNVL2_H
#define MPA_MODEL_FAMILY_INTERNVL2_INTERNVL2_H

#include "model/block/decoder.h"
#include "model/family.h"
#include "model/family/internvl2/language.h"
#include "model/family/internvl2/picture.h"
#include "model/family/internvl2/vision.h"

/* Vlm.model of this family. */
typedef struct {
    InternVL2Language language;
    InternVL2Vision vision;
    InternVL2Pictures pictures;
    const struct ChatForm *chat;
} InternVL2;

extern const Family family_internvl2;

#endif
