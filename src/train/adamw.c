/* AdamW. Source: torch.optim.AdamW, with the parameter groups of transformers' Trainer.
 *
 * For update t = 1, 2, ... of a parameter p with gradient g:
 *   p -= rate decay p
 *   m += (1 - b1) (g - m)
 *   v  = b2 v + (1 - b2) g^2
 *   p -= rate / (1 - b1^t) * m / (sqrt(v / (1 - b2^t)) + epsilon)
 *
 * Everything is float32: p is the parameter's master copy, which was widened from the checkpoint
 * once; a weight in bfloat16 would lose small updates. Results do not depend on the number of
 * threads: each element has one thread, and sums are over blocks of a fixed size. */
#include "train/adamw.h"

#include "base/elementary.h"
#include "base/memory.h"
#include "base/number.h"
#include "base/parallel.h"
#include "base/word.h"
#include "kernel/kernels.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = ADAMW_BLOCK }; /* elements that a thread takes at a time */

/* Biases do not decay; nor does a LayerNorm's weight, which unlike an RMSNorm's has a bias beside
 * it. */
static bool is_bias_or_layernorm(const Checkpoint *c, const Param *p)
{
    if (ends_with(p->name, ".bias"))
        return true;
    if (p->ndim != 1 || !ends_with(p->name, ".weight"))
        return false;
    size_t stem = strlen(p->name) - strlen("weight");
    for (int64_t i = 0; i < c->params; i++) {
        const char *name = c->param[i]->name;
        if (!strncmp(name, p->name, stem) && !strcmp(name + stem, "bias"))
            return true;
    }
    return false;
}

bool optimiser_offloads(const LevelConfig *o)
{
    return o->offload && *o->offload;
}

/* Cleared values, all of whose memory is taken now: what is still available is then true. Owned. */
static float *values_new(int64_t count, Error *e)
{
    float *x = memory_grow(NULL, count, sizeof *x, e);
    if (x)
        parallel_clear(x, count);
    return x;
}

static Status train_param(Optimiser *a, const Checkpoint *c, Param *p, const LevelConfig *o, Error *e)
{
    const double rate[] = {[PART_TEXT] = o->learning_rate,
                           [PART_VISION] = o->vision_learning_rate,
                           [PART_MERGER] = o->merger_learning_rate};
    if (checkpoint_make_trainable(p, e) != OK)
        return e->status;
    Trained *t = a->trained + a->count;
    a->count++;
    *t = (Trained){
        .p = p, .rate = rate[p->part], .decays = o->decay == DECAY_ALL || !is_bias_or_layernorm(c, p)};
    p->grad = values_new(p->count, e);
    if (!optimiser_offloads(o)) {
        t->mean = values_new(p->count, e);
        t->square = values_new(p->count, e);
    }
    return e->status;
}

/* Parameters that could be trained: the adapter's, or the model's own. */
static int64_t param_count(const Vlm *vlm)
{
    return vlm->adapter.count ? 2 * vlm->adapter.count : vlm->checkpoint.params;
}

static Param *param_at(const Vlm *vlm, int64_t i)
{
    Lora *const *lora = vlm->adapter.lora;
    return !vlm->adapter.count ? vlm->checkpoint.param[i] : i % 2 ? &lora[i / 2]->b : &lora[i / 2]->a;
}

/* The i-th of them; NULL: it is not trained. */
static Param *trained_param(const Vlm *vlm, const LevelConfig *o, int64_t i)
{
    Param *p = param_at(vlm, i);
    return o->freeze & 1u << p->part || p->unused ? NULL : p;
}

int64_t optimiser_values(const Vlm *vlm, const LevelConfig *o, unsigned parts)
{
    int64_t values = 0;
    for (int64_t i = 0; i < param_count(vlm); i++) {
        const Param *p = trained_param(vlm, o, i);
        values += p && parts & 1u << p->part ? p->count : 0;
    }
    return values;
}

Status optimiser_init(Optimiser *a, const Vlm *vlm, const LevelConfig *o, Error *e)
{
    *a = (Optimiser){0};
    if (e->status != OK)
        return e->status;
    a->trained = memory_new(param_count(vlm), sizeof *a->trained, e);
    for (int64_t i = 0; i < param_count(vlm) && e->status == OK; i++) {
        Param *p = trained_param(vlm, o, i);
        if (p)
            train_param(a, &vlm->checkpoint, p, o, e);
    }
    if (!a->count)
        error_set(e, BAD_USAGE, "level.freeze: everything is frozen; nothing is left to train");
    if (e->status != OK)
        optimiser_free(a);
    return e->status;
}

void optimiser_free(Optimiser *a)
{
    for (int64_t i = 0; i < a->count; i++) {
        Trained *t = a->trained + i;
        free(t->p->grad);
        t->p->grad = NULL;
        free(t->mean);
        free(t->square);
    }
    free(a->trained);
    *a = (Optimiser){0};
}

void optimiser_clear_gradients(Optimiser *a)
{
    for (int64_t i = 0; i < a->count; i++)
        parallel_clear(a->trained[i].p->grad, a->trained[i].p->count);
}

/* total + the sum of g[count]^2. */
static double add_squares(double total, const float *g, int64_t count)
{
    enum { MAX_BLOCKS = 256 };
    int64_t block = max_i64(BLOCK, count / MAX_BLOCKS + 1);
    double part[MAX_BLOCKS] = {0};
#pragma omp parallel for if (parallel_worth(count))
    for (int64_t first = 0; first < count; first += block)
        part[first / block] = kernels->square_sum(g + first, min_i64(block, count - first));
    for (int k = 0; k < MAX_BLOCKS; k++)
        total += part[k];
    return total;
}

double optimiser_norm(const Optimiser *a)
{
    double total = 0;
    for (int64_t i = 0; i < a->count; i++)
        total = add_squares(total, a->trained[i].p->grad, a->trained[i].p->count);
    return sqrt(total);
}

double clip_scale(double norm, double clip)
{
    double scale = clip / (norm + 1e-6);
    return clip > 0 && scale < 1 ? scale : 1;
}

const char *optimiser_not_finite(const Optimiser *a)
{
    static const Part order[] = {PART_TEXT, PART_MERGER, PART_VISION}; /* of backward */
    for (size_t k = 0; k < sizeof order / sizeof *order; k++)
        for (int64_t i = a->count; i-- > 0;) {
            const Param *p = a->trained[i].p;
            if (p->part == order[k] && !isfinite(add_squares(0, p->grad, p->count)))
                return p->name;
        }
    return NULL;
}

const char *weight_not_finite(const Vlm *vlm)
{
    enum { PIECE = 4096 };
    float values[PIECE];
    const Checkpoint *c = &vlm->checkpoint;
    for (int64_t k = 0; k < c->params + param_count(vlm); k++) {
        const bool base = k < c->params;
        const Param *p = base ? c->param[k] : param_at(vlm, k - c->params);
        for (int64_t i = 0; i < p->count; i += PIECE) {
            const int64_t n = min_i64(PIECE, p->count - i);
            dtype_widen(values, weight_at(&p->weight, 0, i), p->weight.type, n);
            for (int64_t v = 0; v < n; v++)
                if (!isfinite(values[v]))
                    return p->name;
        }
    }
    return NULL;
}

void adamw_update(float *p, float *m, float *v, const float *g, int64_t n, double scale, double rate,
                  double decay, const LevelConfig *o, int64_t t)
{
    double power1 = o->beta1 > 0 ? exact_pow(o->beta1, (double)t) : 0;
    double power2 = o->beta2 > 0 ? exact_pow(o->beta2, (double)t) : 0;
    const AdamW numbers = {.scale = (float)scale,
                           .b1 = (float)(1 - o->beta1),
                           .b2 = (float)(1 - o->beta2),
                           .keep = (float)(1 - rate * decay),
                           .step = (float)(rate / (1 - power1)),
                           .root = (float)(1 / sqrt(1 - power2)),
                           .epsilon = (float)o->epsilon};
#pragma omp parallel for if (parallel_worth(4 * n))
    for (int64_t first = 0; first < n; first += BLOCK)
        kernels->adamw(p + first, m + first, v + first, g + first, min_i64(BLOCK, n - first), &numbers);
}

void trained_update(const Optimiser *a, const Trained *t, int64_t first, int64_t n, float *mean,
                    float *square, const LevelConfig *o, double scale, double factor)
{
    const double decay = t->decays ? o->weight_decay : 0;
    adamw_update(t->p->master + first, mean, square, t->p->grad + first, n, scale, t->rate * factor, decay, o,
                 a->step);
}

void optimiser_update(Optimiser *a, const LevelConfig *o, double scale, double factor)
{
    a->step++;
    for (int64_t i = 0; i < a->count; i++) {
        const Trained *t = a->trained + i;
        trained_update(a, t, 0, t->p->count, t->mean, t->square, o, scale, factor);
    }
}
