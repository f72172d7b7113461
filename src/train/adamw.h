/* AdamW with decoupled weight decay, per parameter group (torch.optim.AdamW). */
#ifndef MPA_TRAIN_ADAMW_H
#define MPA_TRAIN_ADAMW_H

#include "train/train.h"

/* One trained parameter with its state. Owned by the optimiser; p is borrowed. */
typedef struct {
    Param *p;
    float *mean, *square; /* running means of the gradient and its square */
    double rate;          /* peak learning rate of its group */
    bool decays;
} Trained;

typedef struct {
    Trained *trained;
    int64_t count;
    int64_t step; /* updates made so far */
} Optimiser;

/* Makes every parameter that is not frozen trainable and gives it a cleared gradient and state.
 * Owned: optimiser_free, which also takes the gradients away. */
Status optimiser_init(Optimiser *a, const Checkpoint *c, const LevelConfig *o, Error *e);
void optimiser_free(Optimiser *a);
void optimiser_clear_gradients(Optimiser *a);
/* Global norm of all gradients, in double and in a fixed order. */
double optimiser_norm(const Optimiser *a);
/* Name of the first parameter whose gradient is not finite; NULL: none. */
const char *optimiser_not_finite(const Optimiser *a);
/* One update: gradients times `scale`, learning rates times `factor`. */
void optimiser_update(Optimiser *a, const LevelConfig *o, double scale, double factor);

/* p[n] -= rate * decay * p;  m += (1 - b1)(g - m);  v = b2 v + (1 - b2) g^2;  p -= rate / (1 -
 * b1^t) * m / (sqrt(v / (1 - b2^t)) + eps), for step t from 1 */
void adamw_update(float *p, float *m, float *v, const float *g, int64_t n, double scale, double rate,
                  double decay, const LevelConfig *o, int64_t t);

#endif
