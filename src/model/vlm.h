/* What every vision-language family offers: load a checkpoint, turn pictures and text into a
 * sample, run the model on a batch of samples.
 *
 * Order of use: vlm_open; vlm_picture and vlm_prompt (or vlm_training_sample) make samples;
 * vlm_forward runs a packed batch of them; the head turns its rows into logits (generation) or a
 * loss (training). A family is one file in this folder and one row in vlm.c's table. */
#ifndef MPA_MODEL_VLM_H
#define MPA_MODEL_VLM_H

#include "base/json.h"
#include "image/image.h"
#include "layer/layer.h"
#include "tensor/checkpoint.h"
#include "tensor/seqs.h"
#include "text/tokenizer.h"

enum { LABEL_NONE = -100 };

/* A picture as the vision tower reads it. */
typedef struct {
    float *pixels; /* [rows, cols]: one patch per row, in the family's order; owned by the picture */
    int64_t rows, cols;
    int64_t grid[3]; /* frames (or tiles), and patches down and across, of one frame */
    /* down and across; the global picture is the last frame. 0, 0: the picture was not cut */
    int64_t tiles[2];
    int64_t tokens; /* how many text positions its rows take */
} Picture;

/* Token ids with their pictures. */
typedef struct {
    int32_t *ids; /* [count], owned */
    /* [count], the id itself where it counts in the loss, else LABEL_NONE; NULL in a prompt;
     * owned */
    int32_t *labels;
    int32_t *position; /* [3, count] (temporal, height, width); owned */
    int64_t count;
    int32_t next_position;   /* of the first token after the sample */
    const Picture *pictures; /* [n_pictures], borrowed */
    int64_t n_pictures;
} Sample;

/* Pixel limits of a picture; 0: the checkpoint's. */
typedef struct {
    int64_t min_pixels, max_pixels;
    bool published; /* Qwen2-VL: resize twice, as the published pipeline does */
} PictureLimits;

/* Settings of generation_config.json with transformers' defaults. */
enum { MAX_EOS = 16 };
typedef struct {
    bool do_sample;
    double temperature, top_p, repetition_penalty;
    int64_t top_k;
    int32_t eos[MAX_EOS];
    int n_eos;
} GenerationConfig;

typedef struct Family Family;

/* A checkpoint folder, opened. Owned: vlm_close. */
typedef struct {
    const Family *family;
    char *folder;
    void *model; /* the family's own struct; in arena */
    Arena arena; /* what lives as long as the model */
    Checkpoint checkpoint;
    Tokenizer *tokenizer;
    GenerationConfig generation;
    char warning[300]; /* not empty: something the user should be told (an unknown chat template) */
    /* sizes that others need, filled in by the family */
    int64_t layers, width, kv_width, vocab, max_positions;
    int32_t image;          /* the token in whose place a picture's rows are put */
    int64_t row_bytes;      /* memory that one text row takes while it passes a decoder layer */
    int64_t picture_layers; /* of the vision tower */
    /* memory that the patches of one picture token take while they pass a layer of the vision
     * tower */
    int64_t picture_row_bytes;
    Linear head; /* rows to logits */
} Vlm;

/* A packed batch: the rows of all samples one after another. */
typedef struct {
    int64_t rows;
    const int32_t *ids;      /* [rows] */
    const int32_t *position; /* [3, rows] */
    Seqs seqs;
    const Picture *const *pictures; /* [n_pictures], in the order in which their tokens stand in ids */
    int64_t n_pictures;
} Batch;

struct Family {
    const char *model_type; /* of config.json */
    Status (*load)(Vlm *vlm, const Json *config, Error *e);
    Status (*picture)(const Vlm *vlm, Picture *out, const Image *rgb, const PictureLimits *limits, Error *e);
    /* Appends the chat text of one user turn (pictures first) up to where the answer starts.
     * extra_newline: one more "\n" before each end of turn. */
    Status (*prompt)(const Vlm *vlm, Ids *ids, const Picture *pictures, int64_t n_pictures, const char *text,
                     bool extra_newline, Error *e);
    /* Appends the answer with its end as training sees it. */
    Status (*answer)(const Vlm *vlm, Ids *ids, const char *text, bool extra_newline, Error *e);
    /* Fills in position and next_position from ids. */
    Status (*positions)(const Vlm *vlm, Sample *sample, Error *e);
    /* The rows that stand for pictures in the text, in their order: [sum of tokens, D]. */
    Mat *(*vision)(Run *run, const Vlm *vlm, const Picture *const *pictures, int64_t count);
    /* The last hidden rows [rows, D], after the final norm. cache may be NULL, and picture_rows
     * in a batch without pictures. */
    Mat *(*text)(Run *run, const Vlm *vlm, const Batch *batch, KvCache *cache, Mat *picture_rows);
    /* A few lines, each with its end: what the model is made of. */
    Status (*describe)(const Vlm *vlm, Text *text, Error *e);
    /* Puts the values of a single sample that no layer produces (pixel values, grids) into
     * run->probe. */
    void (*probe_inputs)(Run *run, const Vlm *vlm, const Sample *sample);
};

/* Opens DIR: config.json, weights, tokenizer.json, generation_config.json,
 * preprocessor_config.json, chat template. */
Status vlm_open(Vlm *vlm, const char *folder, Error *e);
/* A model of the shape that the file CONFIG says, with random weights stored as bfloat16 and
 * without a tokenizer: to measure speed and memory. preprocessor_config.json is read from beside
 * it. */
Status vlm_invent(Vlm *vlm, const char *config, Error *e);
void vlm_close(Vlm *vlm);

/* An image file as the model's picture. Owned: picture_free. */
Status vlm_picture(const Vlm *vlm, Picture *out, const char *path, const PictureLimits *limits, Error *e);
void picture_free(Picture *p);

/* The chat prompt of one user turn: pictures, then text, up to where the answer starts. Owned:
 * sample_free (pictures are borrowed). */
Status vlm_prompt(const Vlm *vlm, Sample *out, const Picture *pictures, int64_t n_pictures, const char *text,
                  Error *e);
/* Prompt and answer, labels on the answer and its end alone. */
Status vlm_training_sample(const Vlm *vlm, Sample *out, const Picture *pictures, int64_t n_pictures,
                           const char *text, const char *answer, bool extra_newline, Error *e);
void sample_free(Sample *s);

/* Packs samples into a batch (arena memory of the run); NULL after a failure. */
Batch *batch_pack(Run *run, const Sample *samples, int64_t count);
/* The rows of the batch whose next token is a label, and those labels; how many, 0 also after a
 * failure. */
int64_t batch_labels(Run *run, const Batch *b, const Sample *samples, const int64_t **rows,
                     const int32_t **labels);
Mat *vlm_forward(Run *run, const Vlm *vlm, const Batch *batch, KvCache *cache);
Mat *vlm_logits(Run *run, const Vlm *vlm, Mat *hidden); /* [rows, V] */

#endif
