/* Chat text as token ids. Invariant: the picture token comes into ids only by a family's own hand,
 * once for each row of a picture, never out of a user's text. */
#include "model/chat.h"

#include "tensor/probe.h"

#include <string.h>

Status chat_add(const Vlm *vlm, Ids *ids, const char *text, Error *e)
{
    return e->status == OK ? tokenizer_encode(vlm->tokenizer, ids, text, strlen(text), e) : e->status;
}

Status chat_add_user(const Vlm *vlm, Ids *ids, const char *text, Error *e)
{
    int64_t before = ids->count;
    chat_add(vlm, ids, text, e);
    for (int64_t i = before; e->status == OK && i < ids->count; i++)
        if (ids->data[i] == vlm->image)
            error_set(e, BAD_INPUT, "the text holds the picture token itself (at token %lld); remove it",
                      (long long)(i - before));
    return e->status;
}

Status positions_in_order(const Vlm *vlm, Sample *s, Error *e)
{
    int64_t tokens = 0;
    int64_t found = 0;
    for (int64_t i = 0; i < s->n_pictures; i++)
        tokens += s->pictures[i].tokens;
    for (int64_t i = 0; i < s->count; i++) {
        found += s->ids[i] == vlm->image;
        for (int axis = 0; axis < 3; axis++)
            s->position[axis * s->count + i] = (int32_t)i;
    }
    s->next_position = (int32_t)s->count;
    if (found != tokens)
        error_set(e, BAD_INPUT, "the text has %lld picture tokens, its pictures fill %lld", (long long)found,
                  (long long)tokens);
    return e->status;
}

void probe_ids(Run *run, const Sample *s)
{
    probe_array(run, s->ids, I32, 2, (int64_t[]){1, s->count}, "input_ids");
}
