/* From questions to samples: the family writes the chat text and the positions; labels, limits
 * and ownership are the same for all. Invariant: a sample that a function here returned has ids,
 * positions and (with an answer) labels of the same count. */
#include "model/sample.h"

#include "base/progress.h"
#include "model/family.h"

#include <stdlib.h>

void sample_free(Sample *s)
{
    free(s->ids);
    free(s->labels);
    free(s->position);
    *s = (Sample){0};
}

static void set_positions(const Vlm *vlm, Sample *s, Error *e)
{
    s->position = memory_new(3 * s->count, sizeof *s->position, e);
    if (!s->position || vlm->family->positions(vlm, s, e) != OK)
        return;
    if (s->next_position > vlm->max_positions)
        error_set(e, BAD_INPUT,
                  "a prompt of %lld positions; the model has %lld (max_position_embeddings): use smaller or "
                  "fewer pictures",
                  (long long)s->next_position, (long long)vlm->max_positions);
}

static void set_labels(Sample *s, int64_t answer_at, Error *e)
{
    s->labels = e->status == OK ? memory_new(s->count, sizeof *s->labels, e) : NULL;
    for (int64_t i = 0; s->labels && i < s->count; i++)
        s->labels[i] = i < answer_at ? LABEL_NONE : s->ids[i];
}

Status vlm_sample(const Vlm *vlm, Sample *out, const Picture *pictures, const Question *q,
                  const ChatOptions *options, Error *e)
{
    Ids ids = {0};
    int64_t answer_at = 0;
    *out = (Sample){0};
    if (e->status != OK)
        return e->status;
    if (vlm->family->chat(vlm, &ids, &answer_at, pictures, q, options, e) != OK) {
        ids_free(&ids);
        return e->status;
    }
    *out = (Sample){.ids = ids.data, .count = ids.count, .pictures = pictures, .n_pictures = q->n_images};
    set_positions(vlm, out, e);
    if (q->answer)
        set_labels(out, answer_at, e);
    if (e->status != OK)
        sample_free(out);
    return e->status;
}

int64_t vlm_answer_tokens(const Vlm *vlm, const Question *q, const ChatOptions *options, Error *e)
{
    Ids ids = {0};
    int64_t answer_at = 0;
    Question bare = *q;
    bare.n_images = 0;
    if (e->status != OK)
        return 0;
    vlm->family->chat(vlm, &ids, &answer_at, NULL, &bare, options, e);
    int64_t count = e->status == OK ? ids.count - answer_at : 0;
    ids_free(&ids);
    return count;
}

int64_t samples_labels(const Sample *samples, int64_t count)
{
    int64_t labels = 0;
    for (int64_t s = 0; s < count; s++)
        for (int64_t i = 1; samples[s].labels && i < samples[s].count; i++)
            labels += samples[s].labels[i] != LABEL_NONE;
    return labels;
}

void samples_free(Samples *s)
{
    for (int64_t i = 0; i < s->count; i++)
        sample_free(s->sample + i);
    for (int64_t i = 0; i < s->pictures; i++)
        picture_free(s->picture + i);
    free(s->sample);
    free(s->picture);
    *s = (Samples){0};
}

Status samples_load(Samples *s, const Vlm *vlm, const Question *q, int64_t count,
                    const PictureOptions *picture, const ChatOptions *chat, Error *e)
{
    *s = (Samples){0};
    if (e->status != OK)
        return e->status;
    int64_t pictures = 0;
    for (int64_t i = 0; i < count; i++)
        pictures += q[i].n_images;
    s->sample = memory_new(count, sizeof *s->sample, e);
    s->picture = memory_new(pictures, sizeof *s->picture, e);
    for (int64_t i = 0; i < count && e->status == OK; i++) {
        const Picture *first = s->picture + s->pictures;
        if (count > 1)
            progress_inside(-1, "reads picture %lld of %lld", (long long)i + 1, (long long)count);
        for (int64_t k = 0; k < q[i].n_images && e->status == OK; k++) {
            vlm_picture(vlm, s->picture + s->pictures, q[i].images[k], picture, e);
            s->pictures++;
        }
        vlm_sample(vlm, s->sample + i, first, q + i, chat, e);
        s->count++;
        if (q[i].id)
            error_prefix(e, "pair %s", q[i].id);
    }
    if (e->status != OK)
        samples_free(s);
    return e->status;
}
