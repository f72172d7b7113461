/* AdamW with decoupled weight decay (torch.optim.AdamW), a learning rate for each part of the
 * model, over every parameter that is trained. */
#ifndef MPA_TRAIN_ADAMW_H
#define MPA_TRAIN_ADAMW_H

#include "config/config.h"
#include "model/vlm.h"

/* One trained parameter with its state. */
typedef struct {
    Param *p;      /* borrowed, but its gradient is owned by the optimiser */
    float *mean;   /* [p->count], running mean of the gradient; owned. NULL: it is in files (offload.h) */
    float *square; /* [p->count], running mean of its square; owned, or NULL */
    double rate;   /* peak learning rate */
    bool decays;
} Trained;

typedef struct {
    Trained *trained; /* [count], owned */
    int64_t count;
    int64_t step; /* updates made so far */
} Optimiser;

/* Whether the moments are in files (level.offload). */
bool optimiser_offloads(const LevelConfig *o);
/* Makes every parameter that o does not freeze trainable and gives it a cleared gradient and, unless
 * they are in files, cleared moments; in a model with an adapter those of the adapter alone. Owned: optimiser_free; empty after a
 * failure. BAD_USAGE: everything is frozen. */
Status optimiser_init(Optimiser *a, const Vlm *vlm, const LevelConfig *o, Error *e);
/* How many values they have, in the parts 1u << Part; all: ~0u. */
int64_t optimiser_values(const Vlm *vlm, const LevelConfig *o, unsigned parts);
/* Frees the gradients too. The trained values stay: they are the model's. */
void optimiser_free(Optimiser *a);
void optimiser_clear_gradients(Optimiser *a);
/* The norm of all gradients together, summed in a fixed order: squares in float32, their sums over
 * short blocks in double. */
double optimiser_norm(const Optimiser *a);
/* What gradients of this norm are multiplied by, so that their norm is at most `clip` (0: no limit).
 * Source: torch.nn.utils.clip_grad_norm_. */
double clip_scale(double norm, double clip);
/* Name of the parameter that makes the norm not finite to which backward came first; NULL: none. */
const char *optimiser_not_finite(const Optimiser *a);
/* Name of the first weight of the model, or of its adapter, that has a number that is not finite; NULL:
 * none. */
const char *weight_not_finite(const Vlm *vlm);
/* One update: gradients times `scale`, learning rates times `factor`. */
void optimiser_update(Optimiser *a, const LevelConfig *o, double scale, double factor);
/* Its part of a->step: values first .. first + n - 1 of one parameter, with their moments. `first` is a
 * multiple of ADAMW_BLOCK, and n too unless the values end there: so the bits are those of the whole. */
enum { ADAMW_BLOCK = 65536 };
void trained_update(const Optimiser *a, const Trained *t, int64_t first, int64_t n, float *mean,
                    float *square, const LevelConfig *o, double scale, double factor);

/* Update t, from 1, of p[n] with state m[n], v[n] and gradient g[n] * scale. Betas and epsilon
 * are o's. */
void adamw_update(float *p, float *m, float *v, const float *g, int64_t n, double scale, double rate,
                  double decay, const LevelConfig *o, int64_t t);

#endif
