/* From the order of the questions back to the rows that they are about. */
#include "job/answerer.h"

#include "base/folder.h"

#include <stdlib.h>

Status answerer_ask(Answerer *a, const Questions *q, char **texts, Error *e)
{
    char **answers = memory_new(q->count, sizeof *answers, e);
    if (answers)
        a->answer(a, q, answers, e);
    for (int64_t i = 0; i < q->count && e->status == OK; i++) {
        free(texts[q->row[i]]);
        texts[q->row[i]] = answers[i];
        answers[i] = NULL;
    }
    names_free(answers, q->count);
    return e->status;
}
