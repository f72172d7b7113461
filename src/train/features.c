#include "train/features.h"

#include "base/memory.h"
#include "model/batch.h"

#include <stdlib.h>

Status features_init(Features *f, int64_t count, Error *e)
{
    *f = (Features){.pair = memory_new(count, sizeof *f->pair, e), .count = count};
    return e->status;
}

void features_forget(Features *f)
{
    for (int64_t i = 0; f->pair && i < f->count; i++) {
        free(f->pair[i]);
        f->pair[i] = NULL;
    }
    f->bytes = 0;
}

void features_free(Features *f)
{
    features_forget(f);
    free(f->pair);
    *f = (Features){0};
}

/* Points the pictures to where their features are, or are put. How many values these have. */
static int64_t place(const float *features, const Vlm *vlm, Picture *pictures, int64_t count)
{
    int64_t values = 0;
    for (int64_t i = 0; i < count; i++) {
        pictures[i].features = features ? features + values : NULL;
        values += pictures[i].tokens * vlm->width;
    }
    return values;
}

Status features_use(Features *f, Run *run, const Vlm *vlm, int64_t pair, Picture *pictures, int64_t count,
                    int64_t room)
{
    const int64_t values = place(f->pair[pair], vlm, pictures, count);
    const int64_t bytes = values * (int64_t)sizeof(float);
    if (f->pair[pair] || !values)
        return run->error->status;
    const bool kept = bytes <= room;
    float *features =
        kept ? memory_new(values, sizeof *features, run->error) : run_alloc(run, values, sizeof *features);
    float *out = features;
    for (int64_t i = 0; i < count && run->error->status == OK; i++) {
        vlm_features(run, vlm, pictures + i, out);
        out += pictures[i].tokens * vlm->width;
    }
    place(features, vlm, pictures, count);
    if (kept && features) {
        f->pair[pair] = features;
        f->bytes += bytes;
    }
    return run->error->status;
}
