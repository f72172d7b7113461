/* Asking a model about pictures: files and texts in, texts out. */
#ifndef MPA_GENERATE_ANSWER_H
#define MPA_GENERATE_ANSWER_H

#include "generate/generate.h"

/* One answer. Owned: answer_free. */
typedef struct {
    Text text; /* special tokens dropped, valid UTF-8 (NUL characters are possible) */
    Ids ids;   /* new tokens, end token included */
    int64_t prompt_tokens;
} Answer;
void answer_free(Answer *a);

/* Answers the questions as one batch; answers[count] zeroed by the caller. */
Status answer_questions(const Vlm *vlm, const Question *questions, int64_t count,
                        const PictureOptions *options, const Decoding *d, Answer *answers, Error *e);

#endif
