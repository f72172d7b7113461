/* Growing a list of questions. A Question borrows its strings, and arrays that grow move: so the
 * pointers into `file` are set anew whenever it has grown. */
#include "job/questions.h"

#include "data/items.h"

#include <stdlib.h>

void questions_free(Questions *q)
{
    for (int64_t i = 0; i < q->count; i++) {
        free(q->file[i]);
        free(q->text[i]);
        free(q->id[i]);
    }
    free(q->question);
    free(q->file);
    free(q->text);
    free(q->id);
    free(q->row);
    *q = (Questions){0};
}

/* array := memory_grow(array, capacity); it stays as it is after a failure. */
static void *grown(void *array, int64_t capacity, size_t size, Error *e)
{
    void *more = memory_grow(array, capacity, size, e);
    return more ? more : array;
}

static Status reserve(Questions *q, Error *e)
{
    const int64_t capacity = q->capacity * 2 + 64;
    if (e->status != OK || q->count < q->capacity)
        return e->status;
    q->question = grown(q->question, capacity, sizeof *q->question, e);
    q->file = grown(q->file, capacity, sizeof *q->file, e);
    q->text = grown(q->text, capacity, sizeof *q->text, e);
    q->id = grown(q->id, capacity, sizeof *q->id, e);
    q->row = grown(q->row, capacity, sizeof *q->row, e);
    if (e->status == OK)
        q->capacity = capacity;
    for (int64_t i = 0; i < q->count && e->status == OK; i++)
        q->question[i].images = (const char *const *)&q->file[i];
    return e->status;
}

Status questions_add(Questions *q, int64_t row, const json_t *id, char *file, const char *text,
                     const char *suffix, const char *answer, Error *e)
{
    Text whole = {0};
    Text name = {0};
    reserve(q, e);
    text_format(&whole, e, "%s%s", text ? text : "", suffix ? suffix : "");
    id_text(&name, id, e);
    if (e->status != OK) {
        text_free(&whole);
        text_free(&name);
        free(file);
        return e->status;
    }
    const int64_t i = q->count;
    q->file[i] = file;
    q->text[i] = whole.data;
    q->id[i] = name.data;
    q->row[i] = row;
    q->question[i] = (Question){.images = (const char *const *)&q->file[i],
                                .n_images = file != NULL,
                                .text = whole.data,
                                .answer = answer,
                                .id = answer ? name.data : NULL}; /* an error of a pair names it */
    q->count++;
    return OK;
}
