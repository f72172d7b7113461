/* A list of questions with everything that they own: what stages make of their pictures, pairs
 * and items, and what an answerer takes. */
#ifndef MPA_JOB_QUESTIONS_H
#define MPA_JOB_QUESTIONS_H

#include "base/json.h"
#include "model/sample.h"

/* Owned: questions_free. A zeroed one is empty. */
typedef struct {
    Question *question; /* [count]; their strings are in the arrays below */
    char **file, **text, **id;
    int64_t *row; /* [count]: which of the caller's rows each question is about */
    int64_t count, capacity;
} Questions;
void questions_free(Questions *q);

/* Appends a question about one picture. `file` (NULL: no picture) is taken over, also after a
 * failure; its text is `text` and `suffix` (each may be NULL); the answer is borrowed. */
Status questions_add(Questions *q, int64_t row, const json_t *id, char *file, const char *text,
                     const char *suffix, const char *answer, Error *e);

#endif
