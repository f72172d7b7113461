/* Asking a model about pictures: files and texts in, texts out. */
#ifndef MPA_JOB_ANSWERER_H
#define MPA_JOB_ANSWERER_H

#include "generate/generate.h"

/* One answer. Owned: reply_free. */
typedef struct {
    Text text; /* special tokens dropped, valid UTF-8 (NUL characters are possible) */
    Ids ids;   /* new tokens, end token included */
    int64_t prompt_tokens;
} Reply;
void reply_free(Reply *r);

/* Answers the questions as one batch; replies[count] zeroed by the caller. */
Status answer_questions(const Vlm *vlm, const Question *questions, int64_t count,
                        const PictureOptions *options, const Decoding *d, Reply *replies, Error *e);

#endif
