/* Qwen2-VL's vision tower and merger (Qwen2VisionTransformerPretrainedModel). */
#ifndef MPA_MODEL_FAMILY_QWEN2VL_VISION_H
#define MPA_MODEL_FAMILY_QWEN2VL_VISION_H

#include "base/json.h"
#include "model/picture.h"

typedef struct {
    LayerNorm norm1, norm2;
    Linear qkv, proj, fc1, fc2;
} VisionBlock;

typedef struct {
    int64_t depth, width, heads, hidden, merge, out, patch_values;
    Attention attention;
    Linear patch_embed;
    VisionBlock *block; /* [depth] */
    LayerNorm merger_norm;
    Linear merger_fc1, merger_fc2;
} Qwen2VLVision;

/* Reads config.json's vision_config and binds visual.*; out: the text model's width. */
Status qwen2vl_vision_load(Qwen2VLVision *v, Vlm *vlm, const Json *config, int64_t out, Error *e);
/* The rows of all pictures, one after another: [sum of rows / merge^2, out]. Chains the stages
 * below. */
Mat *qwen2vl_vision(Run *run, const Qwen2VLVision *v, const Picture *const *pictures, int64_t count);

/* Where the patches of some pictures stand: rotary angles by row and column, and where each
 * picture's rows start. */
typedef struct {
    const Rope *rope;
    Seqs seqs;
} VisionPlaces;
/* Arena memory of the run; NULL after a failure. */
const VisionPlaces *qwen2vl_vision_places(Run *run, const Qwen2VLVision *v, const Picture *const *pictures,
                                          int64_t count);
/* Block i: x [patches, width] -> the same. */
Mat *qwen2vl_vision_block(Run *run, const Qwen2VLVision *v, int64_t i, const VisionPlaces *places, Mat *x);
/* [patches, width] -> [patches / merge^2, out] */
Mat *qwen2vl_vision_merger(Run *run, const Qwen2VLVision *v, Mat *x);

#endif
