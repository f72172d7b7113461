/* The text model that several families share: embedding with the pictures' rows put in, pre-norm
 * layers of RMSNorm, grouped-query attention with rotary positions and SwiGLU, a last RMSNorm.
 * (Qwen2VLModel, LlamaModel) */
#ifndef MPA_MODEL_BLOCK_DECODER_H
#define MPA_MODEL_BLOCK_DECODER_H

#include "base/json.h"
#include "model/batch.h"

typedef struct {
    RmsNorm input_norm, post_norm;
    Linear q, k, v, o, gate, up, down;
    Attention attention;
} DecoderLayer;

/* D model width, F hidden width, H heads of E channels, K key/value heads. */
typedef struct {
    int64_t vocab, width, hidden, layers, heads, kv_heads, head_width, positions;
    double eps, rope_theta;
    bool qkv_bias;
} DecoderSizes;

typedef struct {
    const char *name; /* of its module: "model", "model.text_model" */
    DecoderSizes sizes;
    Param *embed_tokens;
    DecoderLayer *layer; /* [layers] */
    RmsNorm norm;
} Decoder;

/* Reads the sizes from object `o` of config.json, called `where` in messages; fields that are
 * absent keep what *z holds (kv_heads 0: as many as heads). Refuses what the formulas here do
 * not do: other activations, sliding windows, scaled rotary frequencies unless `own_scaling`. */
Status decoder_sizes(DecoderSizes *z, const Json *config, const json_t *o, const char *where,
                     bool own_scaling, Error *e);
/* Binds NAME.embed_tokens, NAME.layers.N, NAME.norm and the head (lm_head, or the embedding when
 * `tied`); fills in vlm's sizes. */
Status decoder_load(Decoder *d, Vlm *vlm, const char *name, const DecoderSizes *sizes, bool tied, Error *e);

/* Its line of `describe`. */
Status decoder_describe(const Decoder *d, const Vlm *vlm, Text *text, Error *e);

/* Layer i alone: x [N,D] -> [N,D]. */
Mat *decoder_layer(Run *run, const Decoder *d, int64_t i, Mat *x, const Rope *r, const Seqs *seqs,
                   KvCache *cache);
/* The last hidden rows of a batch. picture_rows (NULL without pictures) replace the embeddings
 * of token `image` in their order. */
Mat *decoder(Run *run, const Decoder *d, const Batch *b, KvCache *cache, const Rope *r, Mat *picture_rows,
             int32_t image);

#endif
