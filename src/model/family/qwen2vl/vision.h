/* Qwen2-VL's vision tower and merger (Qwen2VisionTransformerPretrainedModel). */
#ifndef MPA_MODEL_FAMILY_QWEN2VL_VISION_H
#define MPA_MODEL_FAMILY_QWEN2VL_VISION_H

#include "base/json.h"
#include "model/block/vision.h"

typedef struct {
    Vision tower;
    int64_t patch, temporal, merge;
    int64_t out; /* width of the text */
    Norm merger_norm;
    Linear merger_fc1, merger_fc2;
} Qwen2VLVision;

/* Reads config.json's vision_config and asks for the weights visual.*; out: the text model's
 * width. */
Status qwen2vl_vision_load(Qwen2VLVision *v, Vlm *vlm, const Json *config, int64_t out, Error *e);

/* The patches of some pictures. Arena memory of the run; NULL after a failure. */
const VisionRows *qwen2vl_vision_rows(Run *run, const Qwen2VLVision *v, const Picture *const *pictures,
                                      int64_t count);
/* [patches, D] -> [patches / merge^2, out] */
Mat *qwen2vl_vision_merger(Run *run, const Qwen2VLVision *v, Mat *x);
/* Tower and merger: the rows of all pictures, one after another. */
Mat *qwen2vl_vision(Run *run, const Qwen2VLVision *v, const Picture *const *pictures, int64_t count);

#endif
