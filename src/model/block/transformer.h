/* Pre-norm transformer layers, of which decoders and vision towers are made:
 *
 *     n = norm1(x),  x += s1 * out(attention(rope(q(n)), rope(k(n)), v(n)))
 *     n = norm2(x),  x += s2 * down(act(up(n))), or with a gate  x += s2 * down(act(gate(n)) * up(n))
 *
 * What differs between families is data: a TransformerShape. D model width, F hidden width, H heads
 * of E channels, K key/value heads; the vectors s1 and s2 are layer scale, which most do without.
 * (LlamaDecoderLayer, Phi3DecoderLayer, StableLmDecoderLayer, Qwen2VLVisionBlock,
 * SiglipEncoderLayer, InternVisionEncoderLayer) */
#ifndef MPA_MODEL_BLOCK_TRANSFORMER_H
#define MPA_MODEL_BLOCK_TRANSFORMER_H

#include "model/block/norm.h"
#include "model/vlm.h"

/* What a layer can be made of. */
typedef enum {
    LAYER_NORM1,
    LAYER_Q,           /* [H*E, D] */
    LAYER_K,           /* [K*E, D] */
    LAYER_V,           /* [K*E, D] */
    LAYER_QKV,         /* in place of these three: [H*E + 2*K*E, D], the rows of q, k, v one after another */
    LAYER_QKV_BY_HEAD, /* the same rows, but for each key/value head its query heads, its k, its v */
    LAYER_OUT,         /* [D, H*E] */
    LAYER_SCALE1,      /* [D] */
    LAYER_NORM2,
    LAYER_GATE,    /* [F, D] */
    LAYER_UP,      /* [F, D] */
    LAYER_GATE_UP, /* in place of these two: [2*F, D], the rows of gate, then those of up */
    LAYER_DOWN,    /* [D, F] */
    LAYER_SCALE2,  /* [D] */
    LAYER_PARTS
} LayerPart;

/* A part, its name below the layer's on disk, and whether a product has a bias. A norm is NAME.weight
 * (and NAME.bias), a product too; a scale is NAME itself. */
typedef struct {
    LayerPart part;
    const char *name;
    bool bias;
} LayerName;

typedef struct {
    int64_t layers, width, hidden;       /* how many; D, F */
    int64_t heads, kv_heads, head_width; /* H, K, E */
    bool causal;
    NormKind norm;
    double eps;                                  /* of the norms */
    Mat *(*activation)(Run *run, Mat *x);        /* of an MLP without a gate; else NULL */
    Mat *(*gated)(Run *run, Mat *gate, Mat *up); /* of one with a gate; else NULL */
    const LayerName *names; /* in the order in which the weights are asked for; name NULL: no more */
} TransformerShape;

typedef struct {
    Norm norm1, norm2;
    Linear q, k, v, qkv, qkv_by_head, out, gate, up, gate_up,
        down;               /* weight NULL: the layer has no such part */
    Param *scale1, *scale2; /* or NULL */
} TransformerLayer;

/* A stack of layers. Layer i is NAME.i on disk and in a probe. */
typedef struct {
    const char *name; /* arena memory of the model, as `layer` */
    TransformerShape shape;
    Attention attention;
    TransformerLayer *layer; /* [shape.layers] */
    int64_t slice; /* rows that go through the stack at a time, if they are more than one sequence; 0: all */
} Transformer;

/* What a pass knows of its rows. */
typedef struct {
    const Rope *rope; /* NULL: heads are not turned */
    Seqs seqs;        /* which rows see each other */
    KvCache *cache;   /* NULL, or the past */
} Rows;

/* Asks for the weights of the layer NAME. */
void transformer_load_layer(TransformerLayer *l, Checkpoint *c, const TransformerShape *shape, Error *e,
                            const char *name, ...) PRINTF_LIKE(5, 6);
/* Asks for the weights of all layers under NAME.i. */
Status transformer_load(Transformer *t, Vlm *vlm, const char *name, const TransformerShape *shape, Error *e);
/* What `rows` rows take. */
RowBytes transformer_row_bytes(const TransformerShape *shape, int64_t rows);

/* Layer i: x [N,D] -> [N,D]. */
Mat *transformer_layer(Run *run, const Transformer *t, int64_t i, const Rows *rows, Mat *x);
/* All layers. Where there are more rows than t->slice, whole sequences of so many at a time go through all of them: then one
 * slice's gradients are there at a time, and with run->recompute one slice's values. Each layer's result is shown in the
 * probe as NAME.i, in `batch` parts (see probe_mat); with a probe there are no slices. */
Mat *transformer(Run *run, const Transformer *t, const Rows *rows, int64_t batch, Mat *x);

#endif
