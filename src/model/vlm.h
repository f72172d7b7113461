/* A vision-language model, opened from a checkpoint folder.
 *
 * Order of use: vlm_open (this file); samples_load makes samples of questions (sample.h); a batch
 * of them runs forward (batch.h), and on to a loss and backward (loss.h), or answers are
 * generated (generate/). What families offer is in family.h. */
#ifndef MPA_MODEL_VLM_H
#define MPA_MODEL_VLM_H

#include "layer/layer.h"
#include "tensor/checkpoint.h"
#include "text/tokenizer.h"

/* Settings of generation_config.json with transformers' defaults. */
enum { MAX_EOS = 16 };
typedef struct {
    bool do_sample;
    double temperature, top_p, repetition_penalty;
    int64_t top_k;
    int32_t eos[MAX_EOS];
    int n_eos;
} GenerationConfig;

/* Memory that a row takes on its way through a tower, in bytes, at most. In the vision tower a row
 * is the patches of one picture token. */
typedef struct {
    int64_t layers;
    int64_t input;    /* x between two layers */
    int64_t forward;  /* what a layer's forward pass takes */
    int64_t kept;     /* the part of it that is kept for the backward pass */
    int64_t backward; /* what a layer's backward pass takes besides */
    int64_t around;   /* in training, what is before the first layer and after the last */
    /* what decides how much threads take of their own (rows_scratch) */
    int64_t rows;     /* of the tower in a row: 1, or patches */
    int64_t together; /* rows of the tower that see each other, at most; 0: any */
    int64_t slice;    /* rows of the tower that go through it at a time, at least; 0: all of them */
    int64_t heads, head_width;
    int64_t widest; /* values that a product sums up, at most */
} RowBytes;

/* Bytes that all threads take of their own in a layer, at most, for so many rows, of which `longest` follow one another in a
 * sequence. */
int64_t rows_scratch(const RowBytes *r, int64_t rows, int64_t longest, bool backward);

/* The low-rank factors of a model (adapter.h). */
typedef struct {
    Lora **lora; /* [count], in the order of their parameters; owned, as their names and values */
    int64_t count;
    int64_t rank;
    double alpha, dropout;
    bool rslora;  /* scale = alpha / sqrt(rank) instead of alpha / rank */
    char *target; /* the words that chose the modules; NULL: none did; owned */
} Adapter;

typedef struct Family Family;
typedef struct ModelType ModelType;

/* Owned: vlm_close. */
typedef struct {
    const Family *family;
    const ModelType *type; /* which of the family's */
    char *folder;
    void *model; /* the family's own struct; in arena */
    Arena arena; /* what lives as long as the model */
    Checkpoint checkpoint;
    Adapter adapter; /* count 0: none */
    Tokenizer *tokenizer;
    GenerationConfig generation;
    char warning[300]; /* not empty: something the user should be told (an unknown chat template) */
    /* sizes that others need, filled in by the family */
    int64_t layers, width, kv_width, vocab, max_positions;
    int32_t image; /* the token that a picture's rows replace */
    RowBytes text_row, picture_row;
    Linear head; /* rows to logits */
} Vlm;

/* Opens FOLDER: config.json, weights, tokenizer.json, generation_config.json,
 * preprocessor_config.json, chat template. *vlm is empty after a failure. */
Status vlm_open(Vlm *vlm, const char *folder, Error *e);
/* A model of the shape that the file CONFIG says, with random weights stored as bfloat16 and
 * without a tokenizer: to measure speed and memory. preprocessor_config.json is read from the
 * same folder. *vlm is empty after a failure. */
Status vlm_invent(Vlm *vlm, const char *config, Error *e);
/* The same without values, to look at sizes: fast, and in little memory. */
Status vlm_shape(Vlm *vlm, const char *config, Error *e);
void vlm_close(Vlm *vlm);
/* Whether generation_config.json of FOLDER asks for random choices; with top_k 1 none is left. A
 * folder without one does not. */
Status vlm_samples(const char *folder, bool *samples, Error *e);

#endif
