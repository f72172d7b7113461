/* Asking a model about pictures: files and texts in, texts out. */
#ifndef MPA_JOB_ANSWERER_H
#define MPA_JOB_ANSWERER_H

#include "generate/generate.h"

/* Pictures and text of one prompt. Borrowed. */
typedef struct {
    const char *const *images;
    int64_t n_images;
    const char *text;
} Question;

/* One answer. Owned: reply_free. */
typedef struct {
    Text text; /* special tokens dropped, valid UTF-8 (NUL characters are possible) */
    Ids ids;   /* new tokens, end token included */
    int64_t prompt_tokens;
} Reply;
void reply_free(Reply *r);

/* Answers the questions as one batch; replies[count] zeroed by the caller. */
Status answer_questions(const Vlm *vlm, const Question *questions, int64_t count, const PictureLimits *limits,
                        const Decoding *d, Reply *replies, Error *e);

#endif
