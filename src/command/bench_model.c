/* A model's speed: each measurement is one plain use of the engine with a clock around it. Prefill has
 * PROMPT tokens, training FIRST, those of a picture, and ANSWER, which count in the loss; decoding makes
 * STEPS tokens after CONTEXT. */
#include "command/bench.h"

#include "base/log.h"
#include "base/number.h"
#include "base/random.h"
#include "model/family.h"
#include "model/loss.h"
#include "model/adapter.h"
#include "train/adamw.h"
#include "train/estimate.h"
#include "train/offload.h"

#include <stdio.h>
#include <string.h>

enum { PROMPT = 512, FIRST = 8, ANSWER = 440, CONTEXT = 64, STEPS = 8 };

static Run run_new(Bench *b)
{
    return (Run){.arena = &b->arena, .error = b->error};
}

/* How much of the model each use touches. */
typedef struct {
    int64_t text_values;   /* of the matrices that every token is multiplied with, without the head */
    int64_t stream_bytes;  /* of those and the head, as stored: what one decoding step reads */
    int64_t vision_values; /* of the matrices of vision tower and merger */
} ModelSize;

static ModelSize model_size(const Vlm *vlm)
{
    const Param *head = vlm->head.weight;
    ModelSize m = {.stream_bytes = head->count * (int64_t)dtype_size(head->weight.type)};
    for (int64_t i = 0; i < vlm->checkpoint.params; i++) {
        const Param *p = vlm->checkpoint.param[i];
        const bool table = strstr(p->name, "embed") && p->ndim == 2;
        if (p->ndim < 2 || p == head || table || p->unused)
            continue;
        if (p->part == PART_TEXT) {
            m.text_values += p->count;
            m.stream_bytes += p->count * (int64_t)dtype_size(p->weight.type);
        } else {
            m.vision_values += p->count;
        }
    }
    return m;
}

/* `count` random ids, those from FIRST on of a picture (NULL: none). Arena memory. */
static Status make_sample(Bench *b, Sample *s, int64_t count, const Picture *picture)
{
    const int64_t end = FIRST + (picture ? picture->tokens : 0);
    *s = (Sample){.ids = arena_alloc(&b->arena, count, sizeof *s->ids, b->error),
                  .position = arena_alloc(&b->arena, 3 * count, sizeof *s->position, b->error),
                  .labels = arena_alloc(&b->arena, count, sizeof *s->labels, b->error),
                  .count = count,
                  .pictures = picture,
                  .n_pictures = picture != NULL};
    if (b->error->status != OK)
        return b->error->status;
    for (int64_t i = 0; i < count; i++) {
        const int32_t id = (int32_t)(random_u64(0, 1, (uint64_t)i) % (uint64_t)b->vlm.vocab);
        const bool looks = i >= FIRST && i < end;
        s->ids[i] = looks ? b->vlm.image : id == b->vlm.image ? 0 : id;
        s->labels[i] = i >= end && i >= count - ANSWER ? s->ids[i] : LABEL_NONE;
    }
    return b->vlm.family->positions(&b->vlm, s, b->error);
}

/* Keeps only the last frame of a picture. */
static void keep_last_frame(Picture *p)
{
    const int64_t rows = p->grid[1] * p->grid[2];
    if (p->grid[0] <= 1)
        return;
    memmove(p->pixels, p->pixels + (p->rows - rows) * p->cols, (size_t)(rows * p->cols) * sizeof *p->pixels);
    p->tokens /= p->grid[0];
    p->rows = rows;
    p->grid[0] = 1;
    p->tiles[0] = p->tiles[1] = 0;
}

/* A picture of noise. Owned: picture_free. */
static Status make_picture(Bench *b, Picture *p, int64_t width, int64_t height)
{
    Image im = {width, height, arena_alloc(&b->arena, 3 * width * height, 1, b->error)};
    *p = (Picture){0};
    if (b->error->status != OK)
        return b->error->status;
    for (int64_t i = 0; i < 3 * width * height; i++)
        im.data[i] = (unsigned char)random_u64(0, 2, (uint64_t)i);
    return b->vlm.family->picture(&b->vlm, p, &im, NULL, b->error);
}

/* --------------------------------------------------------------------------------------- prefill */

static Status prefill(Bench *b, void *what, double *seconds)
{
    const Sample *s = what;
    const int64_t last = s->count - 1;
    Run run = run_new(b);
    const double begin = clock_seconds();
    KvCache *cache = kv_cache_new(&run, b->vlm.layers, b->vlm.kv_width, &s->count, 1);
    Mat *hidden = cache ? vlm_forward(&run, &b->vlm, batch_pack(&run, s, 1), cache) : NULL;
    vlm_logits(&run, &b->vlm, gather_rows(&run, hidden, &last, 1));
    *seconds = clock_seconds() - begin;
    return b->error->status;
}

void bench_prefill(Bench *b)
{
    Sample s;
    if (make_sample(b, &s, PROMPT, NULL) == OK)
        bench_add(b, "prefill, 512 tokens", "token", PROMPT, bench_median(b, prefill, &s),
                  2 * (double)model_size(&b->vlm).text_values * PROMPT, b->flops);
}

/* -------------------------------------------------------------------------------------- decoding */

typedef struct {
    Sample sample;
    KvCache *cache;
    int64_t sequences;
    int32_t done; /* steps after the context */
} Decode;

/* One new row per sequence. */
static Batch *next_rows(Run *run, const Decode *d)
{
    int32_t *ids = run_alloc(run, d->sequences, sizeof *ids);
    int32_t *position = run_alloc(run, d->sequences, sizeof *position);
    if (!ids || !position)
        return NULL;
    for (int64_t i = 0; i < d->sequences; i++) {
        ids[i] = d->sample.ids[i % d->sample.count];
        position[i] = d->sample.next_position + d->done;
        d->cache->slot[i] = i;
    }
    return batch_rows(run, ids, position, d->sequences);
}

/* Seconds of one of STEPS steps. */
static Status decode(Bench *b, void *what, double *seconds)
{
    Decode *d = what;
    Run run = run_new(b);
    const double begin = clock_seconds();
    for (int n = 0; n < STEPS; n++) {
        const ArenaMark mark = arena_mark(&b->arena);
        Mat *hidden = vlm_forward(&run, &b->vlm, next_rows(&run, d), d->cache);
        vlm_logits(&run, &b->vlm, hidden);
        arena_release(&b->arena, mark);
        d->done++;
    }
    *seconds = (clock_seconds() - begin) / STEPS;
    return b->error->status;
}

/* The context in the cache of every sequence, with room for what bench_median() adds. */
static Status fill_cache(Bench *b, Decode *d)
{
    Run run = run_new(b);
    int64_t *capacity = run_alloc(&run, d->sequences, sizeof *capacity);
    Sample *samples = run_alloc(&run, d->sequences, sizeof *samples);
    if (!capacity || !samples)
        return b->error->status;
    for (int64_t i = 0; i < d->sequences; i++) {
        samples[i] = d->sample;
        capacity[i] = CONTEXT + (BENCH_REPEATS + 1) * STEPS;
    }
    d->cache = kv_cache_new(&run, b->vlm.layers, b->vlm.kv_width, capacity, d->sequences);
    if (d->cache) {
        const ArenaMark mark = arena_mark(&b->arena);
        vlm_forward(&run, &b->vlm, batch_pack(&run, samples, d->sequences), d->cache);
        arena_release(&b->arena, mark);
    }
    return b->error->status;
}

void bench_decoding(Bench *b)
{
    static const struct {
        int64_t sequences;
        const char *name;
    } batches[] = {{1, "decode, batch 1"}, {8, "decode, batch 8"}, {32, "decode, batch 32"}};
    const double bytes = (double)model_size(&b->vlm).stream_bytes;
    for (size_t i = 0; i < sizeof batches / sizeof *batches; i++) {
        Decode d = {.sequences = batches[i].sequences};
        if (make_sample(b, &d.sample, CONTEXT, NULL) == OK && fill_cache(b, &d) == OK)
            bench_add(b, batches[i].name, "token", (double)d.sequences, bench_median(b, decode, &d), bytes,
                      b->bytes);
    }
}

/* ---------------------------------------------------------------------------------------- vision */

static Status look(Bench *b, void *what, double *seconds)
{
    const Picture *p = what;
    Run run = run_new(b);
    const double begin = clock_seconds();
    b->vlm.family->vision(&run, &b->vlm, &p, 1);
    *seconds = clock_seconds() - begin;
    return b->error->status;
}

void bench_vision(Bench *b)
{
    const double values = (double)model_size(&b->vlm).vision_values;
    Picture p;
    if (make_picture(b, &p, 672, 448) == OK) {
        Figure *f = bench_add(b, "vision, 672x448", "picture", 1, bench_median(b, look, &p),
                              2 * values * (double)p.rows, b->flops);
        snprintf(f->note, sizeof f->note, "%lld patches, %lld tokens", (long long)p.rows,
                 (long long)p.tokens);
        f->part = 0; /* most of its work is attention */
    }
    picture_free(&p);
}

/* -------------------------------------------------------------------------------------- training */

static const LevelConfig defaults = {.learning_rate = 1e-6,
                                     .vision_learning_rate = 1e-6,
                                     .merger_learning_rate = 1e-6,
                                     .beta1 = 0.9,
                                     .beta2 = 0.999,
                                     .epsilon = 1e-8};

typedef struct {
    LevelConfig settings;
    TrainFiles files; /* with offload */
    bool recompute;
    Sample sample;
    Optimiser optimiser;
    Arena arena; /* its own, as in fine-tuning: empty between steps, it becomes one block */
} Training;

/* One update; with offload a state, whose logs are not there. */
static Status update(Training *t, double scale, Error *e)
{
    StateWriter next = {0};
    if (e->status != OK)
        return e->status;
    if (!optimiser_offloads(&t->settings)) {
        optimiser_update(&t->optimiser, &t->settings, scale, 1);
        return OK;
    }
    offload_update(&t->optimiser, &t->settings, scale, 1, &t->files, &next, e);
    return state_end(&next, &t->optimiser, &t->files, e);
}

static Status train_step(Bench *b, void *what, double *seconds)
{
    Training *t = what;
    Run run = {.arena = &t->arena, .error = b->error, .recompute = t->recompute};
    const ArenaMark mark = arena_mark(&t->arena);
    LossSum sum = {0};
    const double begin = clock_seconds();
    run.tape = tape_new(&run);
    optimiser_clear_gradients(&t->optimiser);
    vlm_loss(&run, &b->vlm, &t->sample, 1, 1 / (double)samples_labels(&t->sample, 1), &sum);
    arena_release(&t->arena, mark);
    const double norm = optimiser_norm(&t->optimiser);
    update(t, norm > 1 ? 1 / norm : 1, b->error);
    *seconds = clock_seconds() - begin;
    return b->error->status;
}

/* t: what decides how the step trains. */
static void measure_steps(Bench *b, const char *name, const Picture *p, int64_t tokens, Training *t)
{
    const ModelSize size = model_size(&b->vlm);
    if (make_sample(b, &t->sample, tokens, p) != OK ||
        optimiser_init(&t->optimiser, &b->vlm, &t->settings, b->error) != OK)
        return;
    const int64_t labels = samples_labels(&t->sample, 1);
    const double head = (double)b->vlm.head.weight->count * (double)labels;
    const double text = (double)size.text_values * (double)tokens;
    const double vision = (double)size.vision_values * (double)p->rows;
    /* forward, and twice as much backward; with adapters no gradient of the weights, and none in the tower */
    const double work = b->vlm.adapter.count ? 4 * (head + text) + 2 * vision : 6 * (head + text + vision);
    Figure *f = bench_add(b, name, "token", (double)tokens, bench_median(b, train_step, t), work, b->flops);
    snprintf(f->note, sizeof f->note, "%lld tokens, %lld of a picture, loss on %lld%s", (long long)tokens,
             (long long)p->tokens, (long long)labels, t->recompute ? ", recomputed" : "");
    if (b->offload)
        state_remove_all(t->files.state_folder, b->error);
    optimiser_free(&t->optimiser);
    arena_free(&t->arena);
}

static void bench_steps(Bench *b, const char *name)
{
    const double gib = 1073741824;
    const int64_t room = (int64_t)memory_available();
    Training t = {.settings = defaults};
    Text states = {0};
    Picture p;
    if (make_picture(b, &p, 224, 224) != OK)
        return;
    keep_last_frame(&p);
    t.settings.offload = b->offload ? b->offload : "";
    text_format(&states, b->error, "%s/mpa-bench", t.settings.offload);
    t.files = (TrainFiles){text_string(&states), "", "", ""};
    const int64_t least = FIRST + p.tokens + 2;
    const int64_t tokens = b->tokens ? max_i64(b->tokens, least) : FIRST + p.tokens + ANSWER;
    const PassSize size = {tokens, p.tokens, p.tokens, tokens, estimate_idle(&b->vlm, &t.settings)};
    const int64_t state = estimate_state(&b->vlm, &t.settings);
    t.recompute = estimate_recompute(estimate_pass(&b->vlm, size, false), room, state);
    const int64_t need = state + estimate_pass(&b->vlm, size, t.recompute);
    if (room && need > room) {
        Figure *f = bench_add(b, name, "token", 0, 0, 0, 1);
        snprintf(f->note, sizeof f->note, "needs %.1f GiB, %.1f are available", (double)need / gib,
                 (double)room / gib);
    } else {
        measure_steps(b, name, &p, tokens, &t);
    }
    text_free(&states);
    picture_free(&p);
}

void bench_training(Bench *b)
{
    bench_steps(b, "training step");
}

/* Adapters on every product of the text model's layers. */
void bench_lora(Bench *b)
{
    const AdapterOptions o = {.rank = LORA_RANK, .alpha = LORA_RANK, .target = ""};
    if (adapter_make(&b->vlm, &o, b->error) == OK)
        bench_steps(b, "LoRA step, rank 64");
    adapter_free(&b->vlm);
}
