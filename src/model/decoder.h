/* The pre-norm decoder layer that the text models of several families share: RMSNorm, grouped-query attention with rotary positions, SwiGLU.
 * (Qwen2VLDecoderLayer, LlamaDecoderLayer) */
#ifndef MPA_MODEL_DECODER_H
#define MPA_MODEL_DECODER_H

#include "layer/layer.h"
#include "tensor/checkpoint.h"

typedef struct {
    RmsNorm input_norm, post_norm;
    Linear q, k, v, o, gate, up, down;
    Attention attention;
} DecoderLayer;

/* D model width, F hidden width, H heads, K key/value heads. */
typedef struct {
    int64_t width, hidden, heads, kv_heads;
    float eps;
    bool qkv_bias;
} DecoderSizes;

/* Loads PREFIX.input_layernorm.weight and so on. */
Status decoder_layer_load(DecoderLayer *l, Checkpoint *c, const char *prefix, const DecoderSizes *sizes, Error *e);
/* x [N,D] -> [N,D], as layer `index` of the cache. */
Mat *decoder_layer(Run *run, const DecoderLayer *l, Mat *x, const Rope *r, const Seqs *seqs, KvCache *cache, int64_t index);

#endif
