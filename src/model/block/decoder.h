/* The text model: embedding with the pictures' rows put in, a stack of causal layers, a last norm.
 * (LlamaModel, Qwen2VLModel) */
#ifndef MPA_MODEL_BLOCK_DECODER_H
#define MPA_MODEL_BLOCK_DECODER_H

#include "base/json.h"
#include "model/batch.h"
#include "model/block/transformer.h"

/* What a family's decoder is: its names, and sizes that start as the family's defaults. */
typedef struct {
    const char *embedding, *layers, *norm; /* names below the module's */
    const char *head;                      /* the whole name */
    int64_t vocab, positions;
    double rope_theta;
    bool spliced; /* the public code splices pictures in, so a probe shows the embeddings of text alone */
    TransformerShape layer;
} DecoderShape;

typedef struct {
    const char *name; /* of its module: "model", "model.text_model"; borrowed */
    DecoderShape shape;
    Param *table; /* [V,D], the embedding */
    Transformer layers;
    Norm norm;
} Decoder;

/* Llama's names of a layer, which other families took over; and with biases of q, k and v. */
extern const LayerName decoder_names[], decoder_names_biased[];

/* Reads the sizes from object `o` of config.json, called `where` in messages. Absent fields keep
 * what *z holds (kv_heads 0: as many as heads). BAD_INPUT: what the formulas here do not do, which
 * is another activation than SiLU and sliding windows; `scaling`: the family reads rope_scaling
 * itself, else it must be absent. */
Status decoder_sizes(DecoderShape *z, const Json *config, const json_t *o, const char *where, bool scaling,
                     Error *e);
/* Asks for the weights of the module NAME and the head (or the embedding when `tied`); fills in
 * vlm's sizes. */
Status decoder_load(Decoder *d, Vlm *vlm, const char *name, const DecoderShape *z, bool tied, Error *e);
/* All channels of a head turn, all by the first row of positions. */
RotaryRule decoder_rotary(const DecoderShape *z);

/* Its lines of `describe`. */
Status decoder_describe(const Decoder *d, const Vlm *vlm, Text *text, Error *e);

/* The last hidden rows [rows, D] of a batch, whose rows turn by `rope` (NULL, a failure: NULL). picture_rows (NULL without pictures) replace the
 * embeddings of token `image`, in their order. */
Mat *decoder(Run *run, const Decoder *d, const Batch *b, KvCache *cache, const Rope *rope, Mat *picture_rows,
             int32_t image);

#endif
