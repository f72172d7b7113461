/* Chat text as token ids. Invariant: the picture token comes into ids only by a family's own hand,
 * once for each row of a picture, never out of a user's text. */
#include "model/chat.h"

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
