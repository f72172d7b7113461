/* Questions to answers: load pictures and prompts, generate, decode the new tokens. */
#include "generate/answer.h"

#include "base/memory.h"
#include "base/utf8.h"

#include <stdlib.h>

void answer_free(Answer *a)
{
    text_free(&a->text);
    ids_free(&a->ids);
    *a = (Answer){0};
}

/* The text of the ids that a holds. */
static Status decode(const Vlm *vlm, Answer *a, Error *e)
{
    Text raw = {0};
    tokenizer_decode(vlm->tokenizer, &raw, a->ids.data, a->ids.count, true, e);
    utf8_repair(&a->text, text_string(&raw), raw.count, e);
    text_free(&raw);
    return e->status;
}

Status answer_questions(const Vlm *vlm, const Question *questions, int64_t count,
                        const PictureOptions *options, const Decoding *d, Answer *answers, Error *e)
{
    Samples prompts = {0};
    Ids *ids = memory_new(count, sizeof *ids, e);
    samples_load(&prompts, vlm, questions, count, options, NULL, e);
    generate(vlm, prompts.sample, count, d, ids, e);
    for (int64_t i = 0; i < count && e->status == OK; i++) {
        answers[i].ids = ids[i];
        answers[i].prompt_tokens = prompts.sample[i].count;
        ids[i] = (Ids){0};
        decode(vlm, answers + i, e);
    }
    for (int64_t i = 0; ids && i < count; i++)
        ids_free(ids + i);
    free(ids);
    samples_free(&prompts);
    return e->status;
}
