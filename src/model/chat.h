/* Chat text as token ids: what the families' chat() is made of. */
#ifndef MPA_MODEL_CHAT_H
#define MPA_MODEL_CHAT_H

#include "model/sample.h"

/* Appends the ids of text that belongs to the chat itself. */
Status chat_add(const Vlm *vlm, Ids *ids, const char *text, Error *e);
/* The same with text that a user wrote, or that holds a user's. BAD_INPUT: the picture token is in
 * it, which would be taken for a picture. */
Status chat_add_user(const Vlm *vlm, Ids *ids, const char *text, Error *e);

/* Family.positions of a model whose tokens are at 0, 1, 2, ... BAD_INPUT: the ids have not as many
 * picture tokens as the pictures have rows. */
Status positions_in_order(const Vlm *vlm, Sample *s, Error *e);
/* Puts input_ids [1, count] into run->probe. */
void probe_ids(Run *run, const Sample *s);

#endif
