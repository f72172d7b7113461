#include "job/answerer.h"

#include "base/memory.h"

#include <stdlib.h>

void reply_free(Reply *r)
{
    text_free(&r->text);
    ids_free(&r->ids);
    *r = (Reply){0};
}

/* Prompts and their pictures while they are being answered. */
typedef struct {
    Sample *prompts;
    Picture *pictures;
    int64_t n_prompts, n_pictures;
} Prompts;

static Status load(const Vlm *vlm, Prompts *p, const Question *q, int64_t count, const PictureLimits *limits,
                   Error *e)
{
    int64_t pictures = 0;
    for (int64_t i = 0; i < count; i++)
        pictures += q[i].n_images;
    p->prompts = memory_new(count, sizeof *p->prompts, e);
    p->pictures = memory_new(pictures, sizeof *p->pictures, e);
    Status status = p->prompts && p->pictures ? OK : NO_MEMORY;
    for (int64_t i = 0; i < count && status == OK; i++) {
        const Picture *first = p->pictures + p->n_pictures;
        for (int64_t k = 0; k < q[i].n_images && status == OK; k++)
            status = vlm_picture(vlm, p->pictures + p->n_pictures++, q[i].images[k], limits, e);
        if (status == OK)
            status = vlm_prompt(vlm, p->prompts + p->n_prompts++, first, q[i].n_images, q[i].text, e);
    }
    return status;
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

Status answer_questions(const Vlm *vlm, const Question *questions, int64_t count, const PictureLimits *limits,
                        const Decoding *d, Reply *replies, Error *e)
{
    Prompts p = {0};
    Ids *ids = memory_new(count, sizeof *ids, e);
    Status status = ids ? load(vlm, &p, questions, count, limits, e) : NO_MEMORY;
    if (status == OK)
        status = generate(vlm, p.prompts, count, d, ids, e);
    for (int64_t i = 0; i < count && status == OK; i++) {
        replies[i].ids = ids[i];
        ids[i] = (Ids){0};
        status = finish(vlm, replies + i, p.prompts[i].count, e);
    }
    for (int64_t i = 0; ids && i < count; i++)
        ids_free(ids + i);
    for (int64_t i = 0; i < p.n_prompts; i++)
        sample_free(p.prompts + i);
    for (int64_t i = 0; i < p.n_pictures; i++)
        picture_free(p.pictures + i);
    free(ids);
    free(p.prompts);
    free(p.pictures);
    return status;
}
