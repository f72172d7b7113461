/* Answers of a model on this machine: opened when the first question has to be asked, batches of
 * the journal's size, decoded as generation_config.json says. */
#include "job/answerer.h"

#include "base/memory.h"
#include "generate/answer.h"
#include "job/cost.h"
#include "job/fingerprint.h"
#include "job/journal.h"
#include "tensor/gemm.h"

#include <stdlib.h>

typedef struct {
    const Answerer *a;
    const Job *job;
    Vlm vlm;
    bool open;
} LocalModel;

/* What the model says depends on its files, how pictures are read, how many tokens it may write,
 * the arithmetic, and the seed where it samples. */
static Status describe(void *who, json_t *context, Error *e)
{
    const LocalModel *m = who;
    const Config *c = &m->job->config;
    char arithmetic[GEMM_DESCRIPTION];
    bool samples = false;
    vlm_samples(m->a->source, &samples, e);
    json_put(context, "model", fingerprint_model(m->job, m->a->source, e), e);
    if (m->a->adapter && *m->a->adapter)
        json_put(context, "adapter", fingerprint_model(m->job, m->a->adapter, e), e);
    json_put(context, "max_new_tokens", json_integer(m->a->max_new_tokens), e);
    json_put(context, "seed", samples ? json_integer(c->run.seed) : json_null(), e);
    fingerprint_sight(m->job, context, e);
    json_put(context, "arithmetic", json_string(gemm_description(arithmetic)), e);
    return e->status;
}

int64_t answerer_group(const Job *j, const Vlm *vlm, int64_t rows, int64_t max_new_tokens)
{
    const uint64_t half = job_memory(j) / 2;
    int64_t batch = j->config.annotate.batch;
    if (batch)
        return batch;
    batch = 32;
    while (batch > 1 && half && (uint64_t)generate_bytes(vlm, batch, rows, max_new_tokens) > half)
        batch /= 2;
    return batch;
}

/* The group for questions like the first. */
static Status choose_batch(const LocalModel *m, const Question *q, int64_t *batch, Error *e)
{
    const PictureOptions options = job_picture_options(m->job);
    const int64_t answer = m->a->max_new_tokens;
    Samples first;
    samples_load(&first, &m->vlm, q, 1, &options, NULL, e);
    const int64_t rows = e->status == OK ? first.sample->count : 0;
    samples_free(&first);
    *batch = answerer_group(m->job, &m->vlm, rows, answer);
    return job_check_memory(m->job, generate_bytes(&m->vlm, *batch, rows, answer), "a group of answers", e);
}

static Status begin(void *who, const Question *q, int64_t *batch, Error *e)
{
    LocalModel *m = who;
    if (job_open_model(m->job, &m->vlm, m->a->source, m->a->adapter, e) != OK)
        return e->status;
    m->open = true;
    return *batch ? OK : choose_batch(m, q, batch, e);
}

/* The answer as a string: NUL characters, which a JSON reader may refuse, are left out. Owned. */
static char *without_nul(const Text *t, Error *e)
{
    char *out = memory_copy_bytes(text_string(t), t->count, e);
    size_t kept = 0;
    for (size_t i = 0; out && i < t->count; i++)
        if (t->data[i]) {
            out[kept] = t->data[i];
            kept++;
        }
    if (out)
        out[kept] = 0;
    return out;
}

/* No stop flag: a group that was begun is finished. */
static Status answer_group(void *who, const Question *questions, const uint64_t *keys, int64_t count,
                           char **texts, Error *e)
{
    const LocalModel *m = who;
    const PictureOptions options = job_picture_options(m->job);
    const Decoding d = {.config = &m->vlm.generation,
                        .max_new_tokens = m->a->max_new_tokens,
                        .seed = (uint64_t)m->job->config.run.seed,
                        .streams = keys};
    Answer *answers = memory_new(count, sizeof *answers, e);
    if (!answers)
        return e->status;
    answer_questions(&m->vlm, questions, count, &options, &d, answers, e);
    for (int64_t i = 0; i < count; i++) {
        cost_add(m->job, answers[i].prompt_tokens, answers[i].ids.count, e);
        texts[i] = without_nul(&answers[i].text, e);
        answer_free(answers + i);
    }
    free(answers);
    return e->status;
}

static Status answer_by_model(Answerer *a, const Questions *q, char **texts, Error *e)
{
    LocalModel m = {.a = a, .job = a->job};
    const GroupWork work = {&m, describe, begin, answer_group};
    if (q->count)
        journal_run(a->job, a->journal, q, &work, texts, e);
    if (m.open)
        vlm_close(&m.vlm);
    return e->status;
}

Answerer answerer_model(const Job *j, const char *folder, const char *journal, int64_t max_new_tokens)
{
    return (Answerer){.answer = answer_by_model,
                      .looks = true,
                      .source = folder,
                      .job = j,
                      .journal = journal,
                      .max_new_tokens = max_new_tokens};
}
