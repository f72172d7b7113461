/* SigLIP's vision tower with positions for pictures of any grid (SiglipVisionTransformer,
 * Idefics3VisionTransformer). */
#ifndef MPA_MODEL_BLOCK_SIGLIP_H
#define MPA_MODEL_BLOCK_SIGLIP_H

#include "base/json.h"
#include "model/block/vision.h"

/* Sizes of vision_config; a picture of image x image pixels has side x side patches. */
typedef struct {
    int64_t width, hidden, layers, heads, image, patch;
    /* The tower ends before its last layer: that is not on disk, and the last norm is, but unused.
     * Patches have the rows of the table in their order. */
    bool truncated;
    bool rest_on_disk; /* that layer is on disk after all, and the pooling head too; neither is used */
} SiglipSizes;

typedef struct {
    Vision vision;
    int64_t patch, side, image; /* image: side of a picture in pixels */
    bool ordered;               /* patches have the rows of the table in their order */
} Siglip;

/* Reads config.json's vision_config (absent fields: `defaults`) and asks for the weights of the
 * tower NAME. scale: scale x scale patches make a token. */
Status siglip_load(Siglip *v, Vlm *vlm, const Json *config, const char *name, const SiglipSizes *defaults,
                   int64_t scale, Error *e);

/* The patches of all frames of some pictures. Arena memory of the run; NULL after a failure. */
const VisionRows *siglip_rows(Run *run, const Siglip *v, const Picture *const *pictures, int64_t count);

/* The rows or columns of the table's grid, 0 to side - 1, in which `count` patches along an edge
 * fall (torch.bucketize of float32 fractions, with its roundings). */
void siglip_buckets(int32_t *bucket, int64_t count, int64_t side);

#endif
