/* Qwen2-VL: what a model of the family is made of, and the family's row for families.c. */
#ifndef MPA_MODEL_FAMILY_QWEN2VL_QWEN2VL_H
#define MPA_MODEL_FAMILY_QWEN2VL_QWEN2VL_H

#include "model/block/decoder.h"
#include "model/family.h"
#include "model/family/qwen2vl/picture.h"
#include "model/family/qwen2vl/vision.h"

enum { QWEN2VL_SECTIONS = 3 }; /* of M-RoPE: time, row, column */

/* Vlm.model of this family. */
typedef struct {
    Decoder decoder;
    int64_t section[QWEN2VL_SECTIONS]; /* frequencies of each */
    RotaryRule rotary;
    int32_t vision_start, vision_end; /* token ids */
    Qwen2VLVision vision;
    Qwen2VLPictures pictures;
} Qwen2VL;

extern const Family family_qwen2vl;

#endif
