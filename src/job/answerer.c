#include "job/answerer.h"

#include "base/memory.h"
#include "base/utf8.h"

#include <stdlib.h>

void reply_free(Reply *r)
{
    text_free(&r->text);
    ids_free(&r->ids);
    *r = (Reply){0};
}

static Status finish(const Vlm *vlm, Reply *r, int64_t prompt_tokens, Error *e)
{
    Text raw = {0};
    Status status = tokenizer_decode(vlm->tokenizer, &raw, r->ids.data, r->ids.count, true, e);
    if (status == OK && !utf8_repair(&r->text, text_string(&raw), raw.count, e))
        status = NO_MEMORY;
    text_free(&raw);
    r->prompt_tokens = prompt_tokens;
    return status;
}

Status answer_questions(const Vlm *vlm, const Question *questions, int64_t count,
                        const PictureOptions *options, const Decoding *d, Reply *replies, Error *e)
{
    Samples prompts = {0};
    Ids *ids = memory_new(count, sizeof *ids, e);
    Status status = samples_load(&prompts, vlm, questions, count, options, NULL, e);
    if (status == OK)
        status = generate(vlm, prompts.sample, count, d, ids, e);
    for (int64_t i = 0; i < count && status == OK; i++) {
        replies[i].ids = ids[i];
        ids[i] = (Ids){0};
        status = finish(vlm, replies + i, prompts.sample[i].count, e);
    }
    for (int64_t i = 0; ids && i < count; i++)
        ids_free(ids + i);
    free(ids);
    samples_free(&prompts);
    return status;
}
