/* Vision towers: patch embedding, a class token and positions from a table where there are any, a
 * stack of layers in which each row sees all rows of its frame, a last norm where there is one.
 * (Idefics3VisionTransformer, Qwen2VisionTransformerPretrainedModel, InternVisionModel) */
#ifndef MPA_MODEL_BLOCK_VISION_H
#define MPA_MODEL_BLOCK_VISION_H

#include "model/block/transformer.h"
#include "model/picture.h"

/* What a family's tower is. Names are below the tower's. */
typedef struct {
    const char *patch; /* NAME.weight: the convolution, as a matrix [D, values of a patch] */
    bool patch_bias;
    int patch_dims; /* of the convolution on disk */
    int64_t patch_dim[5];
    const char *class_token; /* NAME [1, 1, D], which becomes the first row of each frame; NULL: none */
    const char *positions;   /* NAME [(1,) rows, D], a table; NULL: none */
    int positions_dims;
    int64_t positions_dim[3];
    const char *layers;
    const char *post_norm; /* NULL: none */
    bool post_norm_unused; /* it is on disk, but the tower ends before it */
    const char *embedded;  /* what a probe calls the rows before the first layer */
    bool by_frame;         /* a probe shows [frames, rows of each, D]; else all rows in one */
    TransformerShape layer;
} VisionShape;

typedef struct {
    const char *name; /* borrowed */
    VisionShape shape;
    Linear patch;
    Param *class_token, *positions; /* or NULL */
    Transformer layers;
    Norm post_norm;
} Vision;

/* The rows of some pictures, their patches and class tokens: which see each other, their angles, and
 * their row in the table of positions (NULL where the tower has none). */
typedef struct {
    Rows rows;
    const int32_t *position;
} VisionRows;

/* Asks for the weights of the tower NAME. `patches`: how many of them make a token. Fills in vlm's
 * sizes. */
Status vision_load(Vision *v, Vlm *vlm, const char *name, const VisionShape *z, int64_t patches, Error *e);

/* Where each frame's rows start: the rows of all frames of all pictures, one after another, each
 * frame's `extra` rows and then its patches. Arena memory; start NULL after a failure. */
Seqs vision_frames(Run *run, const Picture *const *pictures, int64_t count, int64_t extra);
/* Patches [patches, values] -> [rows, D], before the first layer. */
Mat *vision_embedded(Run *run, const Vision *v, const VisionRows *rows, Mat *patches);
/* x without the first row of each frame. */
Mat *vision_drop_first(Run *run, const Seqs *frames, Mat *x);
/* The whole tower: [patches, values] -> [patches, D], class tokens left out. rows NULL (a failure):
 * NULL. */
Mat *vision(Run *run, const Vision *v, const VisionRows *rows, Mat *patches);

/* Pixel shuffle: scale x scale neighbouring patches of a frame become one row, theirs one after
 * another, row by row: [rows, D] -> [rows / scale^2, scale^2 * D]. */
Mat *vision_shuffle(Run *run, const Picture *const *pictures, int64_t count, int64_t scale, Mat *x);

#endif
