/* Samples: one user turn, pictures and text, as token ids with positions; in training with its
 * answer and labels, and maybe further turns. */
#ifndef MPA_MODEL_SAMPLE_H
#define MPA_MODEL_SAMPLE_H

#include "model/picture.h"

enum { LABEL_NONE = -100 };

typedef struct {
    int32_t *ids;      /* [count]; owned */
    int32_t *labels;   /* [count]: the id where it counts in the loss, else LABEL_NONE; NULL in a
                        * prompt; owned */
    int32_t *position; /* [3, count] (time, row, column); owned */
    int64_t count;
    int32_t next_position;   /* of the first token after the sample */
    const Picture *pictures; /* [n_pictures]; borrowed */
    int64_t n_pictures;
} Sample;

/* Pictures and text of one turn, and in training its answer. Borrowed. */
typedef struct Question Question;
struct Question {
    const char *const *images; /* [n_images] files */
    int64_t n_images;
    const char *text;   /* behind the last picture */
    const char *answer; /* NULL: a prompt */
    const char *id;     /* for messages; NULL: none */
    /* Of families that take conversations (family.h): */
    const char *const *before; /* [n_images] the text before each picture; NULL: none before any */
    const Question *next;      /* the turn that follows in the same conversation; NULL: none */
};

/* How the chat text may differ from the checkpoint's own. A family reads what concerns it.
 * Functions take NULL for all defaults. */
typedef struct {
    bool newline; /* one more "\n" before each end of turn, as a published trainer had it */
} ChatOptions;

/* The chat text of q and the turns that follow, whose pictures are loaded already: those of all turns,
 * borrowed by the sample. Without an answer the sample ends where the answer starts; with one, the
 * answer of each turn and its end are labels, and nothing else is. Owned: sample_free. BAD_INPUT: more
 * positions than the model has; a text that holds the picture token; a conversation of which the
 * family takes one turn only. */
Status vlm_sample(const Vlm *vlm, Sample *out, const Picture *pictures, const Question *q,
                  const ChatOptions *options, Error *e);
void sample_free(Sample *s);

/* How many label tokens q will have, known without its pictures. 0 after a failure. */
int64_t vlm_answer_tokens(const Vlm *vlm, const Question *q, const ChatOptions *options, Error *e);
/* How many tokens of some samples count in a loss. */
int64_t samples_labels(const Sample *samples, int64_t count);

/* Samples with their pictures, loaded from files. Owned: samples_free. */
typedef struct {
    Sample *sample; /* [count] */
    int64_t count;
    Picture *picture; /* [pictures], in the order of the samples */
    int64_t pictures;
} Samples;
/* Loads the pictures of q[count] and makes the samples. An error of a question with an id starts
 * with "pair ID: "; *s is then empty. */
Status samples_load(Samples *s, const Vlm *vlm, const Question *q, int64_t count,
                    const PictureOptions *picture, const ChatOptions *chat, Error *e);
void samples_free(Samples *s);

#endif
