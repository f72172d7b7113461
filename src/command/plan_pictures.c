/* A plan's look at the pictures: how many there are, which are the same, how many tokens they take. */
#include "command/plan.h"

#include "base/number.h"
#include "base/progress.h"
#include "image/image.h"
#include "job/fingerprint.h"

#include <stdlib.h>

static int by_value(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a;
    const uint64_t y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* How many of the files have the bytes of another. */
static int64_t count_duplicates(const Job *j, const Items *items, Error *e)
{
    int64_t n = 0;
    int64_t same = 0;
    uint64_t *hash = memory_new(items->count, sizeof *hash, e);
    for (int64_t i = 0; i < items->count && e->status == OK; i++)
        if (items->item[i].file) {
            progress_inside(-1, "reads picture %lld of %lld", (long long)i + 1, (long long)items->count);
            hash[n] = fingerprint_file(j, items->item[i].file, e);
            n++;
        }
    if (hash && n)
        qsort(hash, (size_t)n, sizeof *hash, by_value);
    for (int64_t i = 1; i < n; i++)
        same += hash[i] == hash[i - 1];
    free(hash);
    return same;
}

/* How many of the pictures do not stand upright. */
static int64_t count_turned(const Items *items, Error *e)
{
    int64_t turned = 0;
    for (int64_t i = 0; i < items->count && e->status == OK; i++) {
        ImageHeader header = {0};
        if (items->item[i].file && image_header(&header, items->item[i].file, e) == OK)
            turned += header.orientation > 1;
    }
    return turned;
}

Status plan_pictures(PlanPictures *p, const Job *j, const Items *items, bool read, Error *e)
{
    *p = (PlanPictures){
        .skipped = items->skipped, .foreign = items->foreign_count, .turned = -1, .duplicates = -1};
    for (int64_t i = 0; i < items->count; i++)
        p->readable += items->item[i].file != NULL;
    if (read) {
        p->turned = count_turned(items, e);
        p->duplicates = count_duplicates(j, items, e);
    }
    return e->status;
}

Status plan_tokens(PlanTokens *t, const Vlm *vlm, const PictureOptions *o, char *const *files, int64_t count,
                   Error *e)
{
    enum { SOME = 48 };
    const double most_seconds = 3;
    const double begin = clock_seconds();
    uint64_t tokens[SOME];
    *t = (PlanTokens){0};
    while (t->looked < min_i64(count, SOME) && e->status == OK && clock_seconds() - begin < most_seconds) {
        Picture p;
        progress_inside(-1, "looks at picture %lld", (long long)t->looked + 1);
        vlm_picture(vlm, &p, files[t->looked * count / min_i64(count, SOME)], o, e);
        tokens[t->looked] = (uint64_t)p.tokens;
        t->looked++;
        picture_free(&p);
    }
    if (e->status != OK || !t->looked)
        return e->status;
    qsort(tokens, (size_t)t->looked, sizeof *tokens, by_value);
    t->least = (int64_t)tokens[0];
    t->median = (int64_t)tokens[t->looked / 2];
    t->most = (int64_t)tokens[t->looked - 1];
    return OK;
}
