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
        error_set(
            e, BAD_INPUT,
            "%s: a prompt of %lld positions; the model has %lld (max_position_embeddings): use smaller or "
            "fewer pictures",
            vlm->folder, (long long)s->next_position, (long long)vlm->max_positions);
}

static int64_t picture_count(const Question *q)
{
    int64_t count = 0;
    for (; q; q = q->next)
        count += q->n_images;
    return count;
}

/* Ids and labels of all turns; labels[i] is ids[i] where it is part of an answer. */
static Status add_turns(const Vlm *vlm, Ids *ids, Ids *labels, const Picture *pictures, const Question *q,
                        const ChatOptions *options, Error *e)
{
    if (e->status == OK && !vlm->family->conversations && (q->next || q->before))
        error_set(e, BAD_INPUT, "%s takes one turn, with its pictures in front of the text", vlm->type->name);
    for (; q && e->status == OK; q = q->next) {
        int64_t answer_at = 0;
        vlm->family->chat(vlm, ids, &answer_at, pictures, q, options, e);
        ids_repeat(labels, LABEL_NONE, answer_at - labels->count, e);
        for (int64_t i = answer_at; i < ids->count && e->status == OK; i++)
            ids_add(labels, ids->data[i], e);
        pictures = pictures ? pictures + q->n_images : NULL;
    }
    return e->status;
}

Status vlm_sample(const Vlm *vlm, Sample *out, const Picture *pictures, const Question *q,
                  const ChatOptions *options, Error *e)
{
    Ids ids = {0};
    Ids labels = {0};
    *out = (Sample){0};
    add_turns(vlm, &ids, &labels, pictures, q, options, e);
    *out =
        (Sample){.ids = ids.data, .count = ids.count, .pictures = pictures, .n_pictures = picture_count(q)};
    if (q->answer)
        out->labels = labels.data;
    else
        ids_free(&labels);
    if (e->status == OK)
        set_positions(vlm, out, e);
    if (e->status != OK)
        sample_free(out);
    return e->status;
}

int64_t vlm_answer_tokens(const Vlm *vlm, const Question *q, const ChatOptions *options, Error *e)
{
    Ids ids = {0};
    int64_t count = 0;
    for (; q && e->status == OK; q = q->next) {
        int64_t answer_at = 0;
        Question bare = *q;
        bare.n_images = 0;
        bare.before = NULL;
        vlm->family->chat(vlm, &ids, &answer_at, NULL, &bare, options, e);
        count += ids.count - answer_at;
    }
    ids_free(&ids);
    return e->status == OK ? count : 0;
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
        pictures += picture_count(q + i);
    s->sample = memory_new(count, sizeof *s->sample, e);
    s->picture = memory_new(pictures, sizeof *s->picture, e);
    for (int64_t i = 0; i < count && e->status == OK; i++) {
        const Picture *first = s->picture + s->pictures;
        if (count > 1)
            progress_inside(-1, "reads picture %lld of %lld", (long long)i + 1, (long long)count);
        for (const Question *turn = q + i; turn; turn = turn->next)
            for (int64_t k = 0; k < turn->n_images && e->status == OK; k++) {
                vlm_picture(vlm, s->picture + s->pictures, turn->images[k], picture, e);
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
