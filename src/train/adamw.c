#include "train/adamw.h"

#include "base/elementary.h"
#include "base/parallel.h"
#include "kernel/kernels.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 65536 };

/* Biases do not decay; nor does a LayerNorm's weight, which unlike an RMSNorm's gain has a bias
 * beside it. */
static bool is_bias_or_layernorm(const Checkpoint *c, const Param *p)
{
    size_t n = strlen(p->name), stem = n - strlen("weight");
    if (n > 5 && !strcmp(p->name + n - 5, ".bias"))
        return true;
    for (int64_t i = 0; p->ndim == 1 && i < c->params; i++)
        if (!strncmp(c->param[i]->name, p->name, stem) && !strcmp(c->param[i]->name + stem, "bias"))
            return true;
    return false;
}

static Status add_param(Optimiser *a, const Checkpoint *c, Param *p, const LevelConfig *o, Error *e)
{
    const double rate[] = {[PART_TEXT] = o->learning_rate,
                           [PART_VISION] = o->vision_learning_rate,
                           [PART_MERGER] = o->merger_learning_rate};
    if (o->freeze & 1u << p->part)
        return OK;
    Trained *t = a->trained + a->count;
    *t = (Trained){
        .p = p, .rate = rate[p->part], .decays = o->decay == DECAY_ALL || !is_bias_or_layernorm(c, p)};
    if (checkpoint_make_trainable(p, e) != OK)
        return e->status;
    a->count++;
    p->grad = memory_new(p->count, sizeof *p->grad, e);
    t->mean = memory_new(p->count, sizeof *t->mean, e);
    t->square = memory_new(p->count, sizeof *t->square, e);
    return p->grad && t->mean && t->square ? OK : NO_MEMORY;
}

Status optimiser_init(Optimiser *a, const Checkpoint *c, const LevelConfig *o, Error *e)
{
    *a = (Optimiser){0};
    Status status = (a->trained = memory_new(c->params, sizeof *a->trained, e)) ? OK : NO_MEMORY;
    for (int64_t i = 0; i < c->params && status == OK; i++)
        status = add_param(a, c, c->param[i], o, e);
    if (status == OK && !a->count)
        status = error_set(e, BAD_USAGE, "level.freeze: everything is frozen; nothing is left to train");
    if (status != OK)
        optimiser_free(a);
    return status;
}

void optimiser_free(Optimiser *a)
{
    for (int64_t i = 0; i < a->count; i++) {
        free(a->trained[i].p->grad);
        a->trained[i].p->grad = NULL;
        free(a->trained[i].mean);
        free(a->trained[i].square);
    }
    free(a->trained);
    *a = (Optimiser){0};
}

void optimiser_clear_gradients(Optimiser *a)
{
    for (int64_t i = 0; i < a->count; i++)
        parallel_clear(a->trained[i].p->grad, a->trained[i].p->count);
}

double optimiser_norm(const Optimiser *a)
{
    double total = 0;
    for (int64_t i = 0; i < a->count; i++) {
        enum { MOST = 256 };
        const float *g = a->trained[i].p->grad;
        /* at most MOST blocks */
        int64_t count = a->trained[i].p->count, block = count / MOST < BLOCK ? BLOCK : count / MOST + 1;
        double part[MOST + 1] = {0};
#pragma omp parallel for if (parallel_worth(count))
        for (int64_t first = 0; first < count; first += block)
            part[first / block] =
                kernels->square_sum(g + first, count - first < block ? count - first : block);
        for (int k = 0; k <= MOST; k++)
            total += part[k];
    }
    return sqrt(total);
}

const char *optimiser_not_finite(const Optimiser *a)
{
    for (int64_t i = 0; i < a->count; i++)
        for (int64_t n = 0; n < a->trained[i].p->count; n++)
            if (!isfinite(a->trained[i].p->grad[n]))
                return a->trained[i].p->name;
    return NULL;
}

void adamw_update(float *p, float *m, float *v, const float *g, int64_t n, double scale, double rate,
                  double decay, const LevelConfig *o, int64_t t)
{
    double power1 = o->beta1 > 0 ? exact_pow(o->beta1, (double)t) : 0,
           power2 = o->beta2 > 0 ? exact_pow(o->beta2, (double)t) : 0;
    const AdamW numbers = {.scale = (float)scale,
                           .b1 = (float)(1 - o->beta1),
                           .b2 = (float)(1 - o->beta2),
                           .keep = (float)(1 - rate * decay),
                           .step = (float)(rate / (1 - power1)),
                           .root = (float)(1 / sqrt(1 - power2)),
                           .epsilon = (float)o->epsilon};
#pragma omp parallel for if (parallel_worth(4 * n))
    for (int64_t first = 0; first < n; first += BLOCK)
        kernels->adamw(p + first, m + first, v + first, g + first, n - first < BLOCK ? n - first : BLOCK,
                       &numbers);
}

void optimiser_update(Optimiser *a, const LevelConfig *o, double scale, double factor)
{
    a->step++;
    for (int64_t i = 0; i < a->count; i++) {
        Trained *t = a->trained + i;
        adamw_update(t->p->master, t->mean, t->square, t->p->grad, t->p->count, scale, t->rate * factor,
                     t->decays ? o->weight_decay : 0, o, a->step);
    }
}
