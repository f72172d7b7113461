/* How fast a model answers here. A small model is asked as many questions as a group has: that is what
 * a run does. With a large one that would take minutes; so its time is put together of
 *
 *   one question read, picture and all      measured once
 *   a step of decoding for a whole group    from steps of 1 and of SEVERAL answers to a question without
 *                                           a picture: step(n) = step(1) + slope (n - 1)
 *   the number of steps                     tokens of the one answer, if it ends in time
 */
#include "command/plan.h"

#include "base/memory.h"
#include "base/number.h"
#include "generate/answer.h"
#include "job/answerer.h"

#include <stdlib.h>

/* Asks q[count] and says how long it took, and the tokens of the longest answer. */
static double ask(const Job *j, const Vlm *vlm, const Question *q, int64_t count, int64_t max_new_tokens,
                  char **said, int64_t *tokens, Error *e)
{
    const PictureOptions options = job_picture_options(j);
    const Decoding d = {
        .config = &vlm->generation, .max_new_tokens = max_new_tokens, .seed = (uint64_t)j->config.run.seed};
    const double begin = clock_seconds();
    Answer *answers = memory_new(count, sizeof *answers, e);
    *tokens = 0;
    if (e->status == OK && *j->stop)
        error_set(e, INTERRUPTED, "interrupted");
    answer_questions(vlm, q, count, &options, &d, answers, e);
    for (int64_t i = 0; answers && i < count; i++) {
        *tokens = max_i64(*tokens, answers[i].ids.count);
        if (said)
            said[i] = memory_copy(text_string(&answers[i].text), e);
        answer_free(answers + i);
    }
    free(answers);
    return clock_seconds() - begin;
}

/* Seconds of a step of decoding with n answers at once. */
static double step_seconds(const Job *j, const Vlm *vlm, int64_t n, Error *e)
{
    enum { STEPS = 4 };
    Question q[PLAN_MOST];
    int64_t tokens;
    for (int64_t i = 0; i < n; i++)
        q[i] = (Question){.text = "Describe what can be seen."};
    const double read = ask(j, vlm, q, n, 1, NULL, &tokens, e);
    const double more = ask(j, vlm, q, n, 1 + STEPS, NULL, &tokens, e);
    return more > read && tokens > 1 ? (more - read) / (double)(tokens - 1) : 0;
}

/* Seconds per answer of a large model, whose questions take `read` seconds each to be read. */
static double large_model(const Job *j, const Vlm *vlm, const Question *q, const PlanSpeed *s, double read,
                          int64_t max_new_tokens, char **said, Error *e)
{
    enum { SEVERAL = 8 };
    const double patience = 10;
    const double one = step_seconds(j, vlm, 1, e);
    const double several = s->group > 1 ? step_seconds(j, vlm, SEVERAL, e) : one;
    const double slope = several > one ? (several - one) / (SEVERAL - 1) : 0;
    const double step = one + slope * (double)(s->group - 1);
    int64_t length = max_new_tokens;
    if (one > 0 && one * (double)max_new_tokens > patience)
        length = max_i64(1, (int64_t)(patience / one));
    ask(j, vlm, q, 1, length, said, &length, e);
    return read + step * (double)length / (double)s->group;
}

Status plan_group(PlanSpeed *s, const Job *j, const Vlm *vlm, const Question *q, int64_t max_new_tokens,
                  Error *e)
{
    const PictureOptions options = job_picture_options(j);
    Samples first;
    *s = (PlanSpeed){.seconds = -1};
    samples_load(&first, vlm, q, 1, &options, NULL, e);
    if (e->status == OK) {
        const int64_t rows = first.sample->count;
        s->group = answerer_group(j, vlm, rows, max_new_tokens);
        s->bytes = generate_bytes(vlm, s->group, rows, max_new_tokens);
    }
    samples_free(&first);
    return e->status;
}

Status plan_speed(PlanSpeed *s, const Job *j, const Vlm *vlm, const Question *q, int64_t count,
                  int64_t max_new_tokens, char **said, Error *e)
{
    const double cheap = 0.2; /* seconds to read a question, below which a whole group is asked */
    const double budget = 3;  /* seconds for that group, reading alone */
    int64_t tokens;
    double read = ask(j, vlm, q, 1, 1, NULL, &tokens, e);
    if (read < 5 * cheap) /* the first time the weights were read from the disk as well */
        read = ask(j, vlm, q, 1, 1, NULL, &tokens, e);
    if (e->status != OK)
        return e->status;
    if (read > cheap) {
        s->seconds = large_model(j, vlm, q, s, read, max_new_tokens, said, e);
        s->answers = 1;
    } else {
        s->answers = min_i64(min_i64(count, PLAN_MOST), 1 + (int64_t)(budget / read));
        s->seconds = 0;
        for (int64_t i = 0; i < s->answers && e->status == OK; i += s->group)
            s->seconds +=
                ask(j, vlm, q + i, min_i64(s->group, s->answers - i), max_new_tokens, said + i, &tokens, e) /
                (double)s->answers;
    }
    return e->status;
}
