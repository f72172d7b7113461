/* What a family of models offers: one row of facts and functions.
 *
 * A family is one folder, family/NAME/, with everything that is peculiar to it, and its row in
 * family/families.c. Nothing else names it. */
#ifndef MPA_MODEL_FAMILY_H
#define MPA_MODEL_FAMILY_H

#include "base/json.h"
#include "image/image.h"
#include "model/batch.h"

enum { MAX_TYPES = 4, MAX_TEMPLATES = 4 };

/* A model_type of config.json. */
struct ModelType {
    const char *name;
    /* chat_template_hash of each template whose text the family's chat() writes; 0: no more */
    uint64_t template[MAX_TEMPLATES + 1];
};

/* Tensors whose name starts with `from` are known with `to` in its place. */
typedef struct {
    const char *from, *to;
} Rename;

struct Family {
    ModelType type[MAX_TYPES + 1]; /* name NULL: no more */
    const Rename *renames;         /* newer names of tensors that become the older; from NULL: no more */
    /* ends of the names of tensors that are no parameters, which newer transformers writes as
     * buffers; NULL: no more */
    const char *const *ignorable;

    /* Generation starts from embeddings, so that a repetition penalty sees new tokens only. */
    bool penalty_skips_prompt;

    /* Reads config.json and preprocessor_config.json and asks the checkpoint for each parameter,
     * with c->part set to what it belongs to. Fills in the sizes of vlm; may change
     * vlm->generation, which is read already. */
    Status (*load)(Vlm *vlm, const Json *config, Error *e);
    Status (*picture)(const Vlm *vlm, Picture *out, const Image *rgb, const PictureOptions *options,
                      Error *e);
    /* Where the patch stands on the picture: that is its row. */
    PatchPlace (*place)(const Vlm *vlm, const Picture *p, int64_t patch);
    /* Pixels of the smallest picture: a tile, or a token's patches; *fixed: every picture has as many. */
    int64_t (*tile)(const Vlm *vlm, bool *fixed);
    /* Pixel limits of the published trainer (level.recipe) are meant for this family. */
    bool trainer_limits;
    /* chat() takes pictures within the text (q->before), and goes on where ids hold earlier turns. */
    bool conversations;
    /* Appends the chat text of one user turn (pictures[q->n_images] first) up to where the answer
     * starts, which *answer_at becomes; with q->answer also that answer and its end, as training
     * sees them. */
    Status (*chat)(const Vlm *vlm, Ids *ids, int64_t *answer_at, const Picture *pictures, const Question *q,
                   const ChatOptions *options, Error *e);
    /* Fills in position and next_position from ids. */
    Status (*positions)(const Vlm *vlm, Sample *sample, Error *e);
    /* The rows that replace the picture tokens of the text, in their order: [sum of tokens, D]. */
    Mat *(*vision)(Run *run, const Vlm *vlm, const Picture *const *pictures, int64_t count);
    /* The last hidden rows [rows, D], after the final norm. cache may be NULL, and picture_rows
     * in a batch without pictures. */
    Mat *(*text)(Run *run, const Vlm *vlm, const Batch *batch, KvCache *cache, Mat *picture_rows);
    /* A few lines, each with its end: what the model is made of. */
    Status (*describe)(const Vlm *vlm, Text *text, Error *e);
    /* Puts the values of a single sample that no layer produces (positions, pixel values, grids)
     * into run->probe. */
    void (*probe_inputs)(Run *run, const Vlm *vlm, const Sample *sample);
};

/* All rows; NULL at the end. (family/families.c) */
extern const Family *const families[];

#endif
