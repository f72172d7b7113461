/* SigLIP's vision tower with positions for pictures of any grid (Idefics3VisionTransformer). */
#ifndef MPA_MODEL_FAMILY_SMOLVLM_SIGLIP_H
#define MPA_MODEL_FAMILY_SMOLVLM_SIGLIP_H

#include "base/json.h"
#include "model/picture.h"

typedef struct {
    LayerNorm norm1, norm2;
    Linear q, k, v, out, fc1, fc2;
} SiglipLayer;

typedef struct {
    const char *name; /* of its module: "model.vision_model" */
    /* side: patches along one side of the picture that position_embedding was made for */
    int64_t depth, width, hidden, patch, side;
    Attention attention;
    Linear patch_embedding;
    Param *position_embedding; /* [side * side, width] */
    SiglipLayer *layer;        /* [depth] */
    LayerNorm post_layernorm;
} Siglip;

/* Reads config.json's vision_config and binds NAME.*. */
Status siglip_load(Siglip *v, Vlm *vlm, const Json *config, const char *name, Error *e);

/* The patches of all frames of some pictures: where each frame's rows start, and the row of
 * position_embedding for each patch. */
typedef struct {
    Seqs seqs;
    const int32_t *position;
} SiglipPlaces;
/* Arena memory of the run; NULL after a failure. */
const SiglipPlaces *siglip_places(Run *run, const Siglip *v, const Picture *const *pictures, int64_t count);

/* Patches [rows, 3 * patch^2] -> [rows, width], rows of all frames one after another. Chains the
 * stages below. */
Mat *siglip(Run *run, const Siglip *v, const SiglipPlaces *places, Mat *patches);
Mat *siglip_embeddings(Run *run, const Siglip *v, const SiglipPlaces *places, Mat *patches);
Mat *siglip_layer(Run *run, const Siglip *v, int64_t i, const SiglipPlaces *places, Mat *x);

/* The rows or columns of positions, 0 to side - 1, that `count` patches along an edge fall in
 * (torch.bucketize of float32 fractions, its roundings included). */
void siglip_buckets(int32_t *bucket, int64_t count, int64_t side);

#endif
