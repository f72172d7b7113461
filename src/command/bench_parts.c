/* The measurements of `mpa bench`: each is one plain use of the engine, with a clock around it. */
#include "command/bench.h"

#include "base/log.h"
#include "base/parallel.h"
#include "base/random.h"
#include "generate/generate.h"
#include "model/family.h"
#include "model/loss.h"
#include "tensor/gemm.h"
#include "train/adamw.h"
#include "train/estimate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of each measurement the median of REPEATS; PROMPT tokens in prefill and training, of which the
 * last ANSWER count in the loss; decoding: STEPS tokens after CONTEXT. */
enum { REPEATS = 3, PROMPT = 512, ANSWER = 440, CONTEXT = 64, STEPS = 8, SIDE = 1536, MEMORY = 1 << 28 };

typedef Status Work(Bench *b, void *context, double *seconds);

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The median of several runs after one that does not count; 0 after a failure. */
static double median(Bench *b, Work *work, void *context)
{
    double seconds[REPEATS + 1];
    for (int i = 0; i <= REPEATS; i++) {
        ArenaMark mark = arena_mark(&b->arena);
        if (b->error->status != OK || work(b, context, seconds + i) != OK)
            return 0;
        arena_release(&b->arena, mark);
    }
    qsort(seconds + 1, REPEATS, sizeof *seconds, by_size);
    return seconds[1 + REPEATS / 2];
}

/* Whether `name` stands in the list. */
static bool wanted(const Bench *b, const char *name)
{
    size_t length = strlen(name);
    for (const char *at = b->only; at; at = strchr(at, ',')) {
        at += *at == ',';
        if (!strncmp(at, name, length) && (!at[length] || at[length] == ','))
            return true;
    }
    return !b->only;
}

static Run run_new(Bench *b)
{
    return (Run){.arena = &b->arena, .error = b->error};
}

static Figure *add_figure(Bench *b, const char *name, const char *unit, double count, double seconds,
                          double work, double limit)
{
    Figure *f = b->figure + b->figures++;
    *f = (Figure){.name = name, .unit = unit, .seconds = seconds};
    if (seconds > 0) {
        f->value = count / seconds;
        f->part = limit > 0 ? work / seconds / limit : 0;
    }
    return f;
}

/* -------------------------------------------------------------------------------------------------------------------------
 * the machine */

typedef struct {
    float *x, *w, *y;
    bool blas;
} Square;

/* y = x w', by our tiles or by BLAS. */
static Status square_product(Bench *b, void *context, double *seconds)
{
    const Square *s = context;
    Run run = run_new(b);
    double begin = clock_seconds();
    if (s->blas) {
#pragma omp parallel for schedule(dynamic)
        for (int64_t o = 0; o < SIDE; o += SIDE / 8)
            gemm_block(false, true, SIDE, SIDE / 8, SIDE, 1, s->x, SIDE, s->w + o * SIDE, SIDE, 0, s->y + o,
                       SIDE);
    } else {
        gemm_forward(&run, s->y, s->x, &(Weight){s->w, F32, SIDE, NULL}, SIDE, SIDE, SIDE);
    }
    *seconds = clock_seconds() - begin;
    return b->error->status;
}

/* Four places at a time in each thread: one alone does not keep the memory busy. */
static Status read_memory(Bench *b, void *context, double *seconds)
{
    const uint64_t *data = context;
    const int64_t part = 1 << 14;
    uint64_t total = 0;
    double begin = clock_seconds();
#pragma omp parallel for reduction(+ : total)
    for (int64_t i = 0; i < MEMORY / 8; i += 4 * part)
        for (int64_t k = i; k < i + part; k++)
            total += data[k] + data[k + part] + data[k + 2 * part] + data[k + 3 * part];
    *seconds = clock_seconds() - begin;
    return total ? b->error->status : error_set(b->error, FAILED, "memory does not keep what is written");
}

static void measure_machine(Bench *b)
{
    ArenaMark mark = arena_mark(&b->arena);
    Square s = {.x = arena_zero(&b->arena, SIDE * SIDE, sizeof(float), b->error),
                .w = arena_zero(&b->arena, SIDE * SIDE, sizeof(float), b->error)};
    s.y = arena_zero(&b->arena, SIDE * SIDE, sizeof(float), b->error);
    unsigned char *memory = arena_alloc(&b->arena, MEMORY, 1, b->error);
    if (b->error->status == OK) {
        double own = median(b, square_product, &s), blas;
        s.blas = true;
        blas = median(b, square_product, &s);
        b->flops = 2.0 * SIDE * SIDE * SIDE / (own < blas ? own : blas);
        memset(memory, 1, MEMORY); /* pages that were never written to are all the same one */
        b->bytes = MEMORY / median(b, read_memory, memory);
    }
    arena_release(&b->arena, mark);
}

/* ---------------------------------------------------------------------------------------------------------------------------
 * the model */

static void count_matrices(Bench *b)
{
    const Vlm *vlm = &b->vlm;
    const Param *head = vlm->head.weight;
    b->stream_bytes = head->count * (int64_t)dtype_size(head->weight.type);
    for (int64_t i = 0; i < vlm->checkpoint.params; i++) {
        const Param *p = vlm->checkpoint.param[i];
        bool vision = p->part != PART_TEXT, table = strstr(p->name, "embed") && p->ndim == 2;
        if (p->ndim < 2 || p == head || table)
            continue;
        *(vision ? &b->vision_values : &b->text_values) += p->count;
        b->stream_bytes += vision ? 0 : p->count * (int64_t)dtype_size(p->weight.type);
    }
}

/* `count` random ids, the ones from `first` on those of a picture; in arena memory but for the
 * positions. */
static Status make_sample(Bench *b, Sample *s, int64_t count, const Picture *picture)
{
    const int64_t first = 8, tokens = picture ? picture->tokens : 0;
    *s = (Sample){.ids = arena_alloc(&b->arena, count, sizeof *s->ids, b->error),
                  .position = arena_alloc(&b->arena, 3 * count, sizeof *s->position, b->error)};
    s->labels = arena_alloc(&b->arena, count, sizeof *s->labels, b->error);
    if (b->error->status != OK)
        return b->error->status;
    s->count = count;
    s->pictures = picture;
    s->n_pictures = picture != NULL;
    for (int64_t i = 0; i < count; i++) {
        int32_t id = (int32_t)(random_u64(0, 1, (uint64_t)i) % (uint64_t)b->vlm.vocab);
        s->ids[i] = i >= first && i < first + tokens ? b->vlm.image : id == b->vlm.image ? 0 : id;
        s->labels[i] = i >= count - ANSWER ? s->ids[i] : LABEL_NONE;
    }
    return b->vlm.family->positions(&b->vlm, s, b->error);
}

/* A picture of noise. `single`: only its last frame. */
static Status make_picture(Bench *b, Picture *p, int64_t width, int64_t height, bool single)
{
    Image im = {width, height, arena_alloc(&b->arena, 3 * width * height, 1, b->error)};
    for (int64_t i = 0; im.data && i < 3 * width * height; i++)
        im.data[i] = (unsigned char)random_u64(0, 2, (uint64_t)i);
    Status status = im.data ? b->vlm.family->picture(&b->vlm, p, &im, NULL, b->error) : b->error->status;
    if (status == OK && single && p->grid[0] > 1) {
        int64_t rows = p->grid[1] * p->grid[2];
        memmove(p->pixels, p->pixels + (p->rows - rows) * p->cols,
                (size_t)(rows * p->cols) * sizeof *p->pixels);
        p->tokens /= p->grid[0];
        p->rows = rows;
        p->grid[0] = 1;
        p->tiles[0] = p->tiles[1] = 0;
    }
    return status;
}

static Status prefill(Bench *b, void *context, double *seconds)
{
    const Sample *s = context;
    Run run = run_new(b);
    const int64_t last = s->count - 1;
    double begin = clock_seconds();
    KvCache *cache = kv_cache_new(&run, b->vlm.layers, b->vlm.kv_width, &s->count, 1);
    Mat *hidden = cache ? vlm_forward(&run, &b->vlm, batch_pack(&run, s, 1), cache) : NULL;
    vlm_logits(&run, &b->vlm, gather_rows(&run, hidden, &last, 1));
    *seconds = clock_seconds() - begin;
    return b->error->status;
}

/* One new row per sequence, the n-th after the context. */
static Batch *next_rows(Run *run, KvCache *cache, const Sample *s, int64_t sequences, int32_t n)
{
    int32_t *ids = run_alloc(run, sequences, sizeof *ids);
    int32_t *position = run_alloc(run, sequences, sizeof *position);
    if (!ids || !position)
        return NULL;
    for (int64_t i = 0; i < sequences; i++) {
        ids[i] = s->ids[i % s->count];
        position[i] = s->next_position + n;
        cache->slot[i] = i;
    }
    return batch_rows(run, ids, position, sequences);
}

typedef struct {
    Sample sample;
    KvCache *cache;
    int64_t sequences;
    int32_t done; /* steps after the context */
} Decode;

/* Seconds of one of STEPS steps. */
static Status decode(Bench *b, void *context, double *seconds)
{
    Decode *d = context;
    Run run = run_new(b);
    double begin = clock_seconds();
    for (int n = 0; n < STEPS; n++, d->done++) {
        ArenaMark mark = arena_mark(&b->arena);
        Mat *hidden = vlm_forward(&run, &b->vlm, next_rows(&run, d->cache, &d->sample, d->sequences, d->done),
                                  d->cache);
        vlm_logits(&run, &b->vlm, hidden);
        arena_release(&b->arena, mark);
    }
    *seconds = (clock_seconds() - begin) / STEPS;
    return b->error->status;
}

/* The context in the cache of every sequence, with room for what median() makes of it. */
static Status fill_cache(Bench *b, Decode *d)
{
    Run run = run_new(b);
    int64_t *capacity = run_alloc(&run, d->sequences, sizeof *capacity);
    Sample *samples = run_alloc(&run, d->sequences, sizeof *samples);
    for (int64_t i = 0; capacity && samples && i < d->sequences; i++) {
        samples[i] = d->sample;
        capacity[i] = CONTEXT + (REPEATS + 1) * STEPS;
    }
    d->cache = samples ? kv_cache_new(&run, b->vlm.layers, b->vlm.kv_width, capacity, d->sequences) : NULL;
    if (d->cache) {
        ArenaMark mark = arena_mark(&b->arena);
        vlm_forward(&run, &b->vlm, batch_pack(&run, samples, d->sequences), d->cache);
        arena_release(&b->arena, mark);
    }
    return b->error->status;
}

static Status look(Bench *b, void *context, double *seconds)
{
    const Picture *p = context;
    Run run = run_new(b);
    double begin = clock_seconds();
    b->vlm.family->vision(&run, &b->vlm, &p, 1);
    *seconds = clock_seconds() - begin;
    return b->error->status;
}

typedef struct {
    Sample sample;
    Optimiser optimiser;
    /* of its own, as in fine-tuning: empty between steps, it becomes one piece of the right size */
    Arena arena;
} Training;

static const LevelConfig options = {.learning_rate = 1e-6,
                                    .vision_learning_rate = 1e-6,
                                    .merger_learning_rate = 1e-6,
                                    .beta1 = 0.9,
                                    .beta2 = 0.999,
                                    .epsilon = 1e-8};

static Status train_step(Bench *b, void *context, double *seconds)
{
    Training *t = context;
    Run run = {.arena = &t->arena, .error = b->error};
    ArenaMark mark = arena_mark(&t->arena);
    LossSum sum = {0};
    double begin = clock_seconds();
    run.tape = tape_new(&run);
    optimiser_clear_gradients(&t->optimiser);
    vlm_loss(&run, &b->vlm, &t->sample, 1, 1 / (double)samples_labels(&t->sample, 1), &sum);
    arena_release(&t->arena, mark);
    double norm = optimiser_norm(&t->optimiser);
    optimiser_update(&t->optimiser, &options, norm > 1 ? 1 / norm : 1, 1);
    *seconds = clock_seconds() - begin;
    return b->error->status;
}

static void measure_training(Bench *b)
{
    const double gib = 1073741824;
    Training t = {0};
    Picture p = {0};
    if (make_picture(b, &p, 224, 224, true) != OK)
        return;
    int64_t need = estimate_state(&b->vlm) + estimate_pass(&b->vlm, (PassSize){PROMPT, p.tokens}, false);
    if (memory_available() && (uint64_t)need > memory_available()) {
        Figure *f = add_figure(b, "training step", "token", 0, 0, 0, 1);
        snprintf(f->note, sizeof f->note, "needs %.1f GiB, %.1f are available", (double)need / gib,
                 (double)memory_available() / gib);
    } else if (make_sample(b, &t.sample, PROMPT, &p) == OK &&
               optimiser_init(&t.optimiser, &b->vlm.checkpoint, &options, b->error) == OK) {
        double head = (double)b->vlm.head.weight->count * (ANSWER - 1),
               text = (double)b->text_values * PROMPT, vision = (double)b->vision_values * (double)p.rows;
        Figure *f = add_figure(b, "training step", "token", PROMPT, median(b, train_step, &t),
                               6 * (head + text + vision), b->flops);
        snprintf(f->note, sizeof f->note, "%d tokens, %lld of a picture, loss on %d", PROMPT,
                 (long long)p.tokens, ANSWER);
        optimiser_free(&t.optimiser);
        arena_free(&t.arena);
    }
    picture_free(&p);
}

static void measure_decoding(Bench *b)
{
    static const struct {
        int64_t sequences;
        const char *name;
    } batches[] = {{1, "decode, batch 1"}, {8, "decode, batch 8"}, {32, "decode, batch 32"}};
    for (size_t i = 0; i < sizeof batches / sizeof *batches; i++) {
        Decode d = {.sequences = batches[i].sequences};
        if (make_sample(b, &d.sample, CONTEXT, NULL) == OK && fill_cache(b, &d) == OK)
            add_figure(b, batches[i].name, "token", (double)d.sequences, median(b, decode, &d),
                       (double)b->stream_bytes, b->bytes);
    }
}

static void measure_vision(Bench *b)
{
    Picture p = {0};
    if (make_picture(b, &p, 672, 448, false) == OK) {
        Figure *f = add_figure(b, "vision, 672x448", "picture", 1, median(b, look, &p),
                               2 * (double)b->vision_values * (double)p.rows, b->flops);
        snprintf(f->note, sizeof f->note, "%lld patches, %lld tokens", (long long)p.rows,
                 (long long)p.tokens);
        f->part = 0; /* most of its work is attention */
    }
    picture_free(&p);
}

static void measure_prefill(Bench *b)
{
    Sample s;
    if (make_sample(b, &s, PROMPT, NULL) == OK)
        add_figure(b, "prefill, 512 tokens", "token", PROMPT, median(b, prefill, &s),
                   2 * (double)b->text_values * PROMPT, b->flops);
}

static const struct {
    const char *name;
    void (*measure)(Bench *b);
} parts[] = {{"machine", measure_machine},
             {"prefill", measure_prefill},
             {"decode", measure_decoding},
             {"vision", measure_vision},
             {"train", measure_training}};

enum { PARTS = sizeof parts / sizeof *parts };

Status bench_check_parts(const char *only, Error *e)
{
    char known[100] = "";
    for (const char *at = only; at && *at; at += strcspn(at, ","), at += *at == ',') {
        int length = (int)strcspn(at, ","), i = 0;
        while (i < PARTS && (strncmp(at, parts[i].name, (size_t)length) != 0 || parts[i].name[length]))
            i++;
        for (int k = 0; i == PARTS && k < PARTS; k++)
            snprintf(known + strlen(known), sizeof known - strlen(known), "%s%s", k ? ", " : "",
                     parts[k].name);
        if (i == PARTS)
            return error_set(e, BAD_USAGE, "--only: wanted some of %s, with commas, found %.*s", known,
                             length, at);
    }
    return OK;
}

void bench_measure(Bench *b)
{
    count_matrices(b);
    for (int i = 0; i < PARTS; i++)
        if (b->error->status == OK && wanted(b, parts[i].name)) {
            ArenaMark mark = arena_mark(&b->arena);
            parts[i].measure(b);
            arena_release(&b->arena, mark);
        }
}
