/* The next token from its logits z[V]:
 *
 *     penalty c      z = z < 0 ? z c : z / c, once for each id that occurred
 *     temperature T  z = z / T
 *     top-k          keeps z >= the k-th largest, ties too
 *     top-p          drops the least likely while their probabilities add up to at most 1 - p
 *
 * then the first of the largest, or when sampling an id with probability softmax(z). Invariant: at
 * least one logit stays. (RepetitionPenaltyLogitsProcessor, TemperatureLogitsWarper,
 * TopKLogitsWarper, TopPLogitsWarper) */
#include "generate/generate.h"

#include "base/elementary.h"

#include <math.h>
#include <stdlib.h>

typedef struct {
    float value;
    int64_t id;
} Entry;

/* Ascending. Of equal values the higher id comes later, and so stays longer, as with torch.sort on
 * the CPU. */
static int entry_order(const void *a, const void *b)
{
    const Entry *x = a;
    const Entry *y = b;
    if (x->value < y->value || x->value > y->value)
        return x->value < y->value ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

/* Descending. */
static int value_order(const void *a, const void *b)
{
    float x = *(const float *)a;
    float y = *(const float *)b;
    return x < y ? 1 : x > y ? -1 : 0;
}

static void filter_top_k(float *logits, int64_t V, int64_t k, float *scratch)
{
    if (k <= 0 || k >= V)
        return;
    float bound = logits[0];
    if (k == 1) { /* the published checkpoints' setting: needs no sort */
        for (int64_t v = 1; v < V; v++)
            bound = logits[v] > bound ? logits[v] : bound;
    } else {
        for (int64_t v = 0; v < V; v++)
            scratch[v] = logits[v];
        qsort(scratch, (size_t)V, sizeof *scratch, value_order);
        bound = scratch[k - 1];
    }
    for (int64_t v = 0; v < V; v++)
        if (logits[v] < bound)
            logits[v] = -INFINITY;
}

static void filter_top_p(float *logits, int64_t V, double p, Entry *entry)
{
    int64_t n = 0;
    for (int64_t v = 0; v < V; v++)
        if (logits[v] > -INFINITY) {
            entry[n] = (Entry){logits[v], v};
            n++;
        }
    if (p >= 1 || n < 2)
        return;
    qsort(entry, (size_t)n, sizeof *entry, entry_order);
    double max = (double)entry[n - 1].value;
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += exact_exp((double)entry[i].value - max);
    double below = 0;
    for (int64_t i = 0; i < n - 1; i++) { /* the last one always stays */
        below += exact_exp((double)entry[i].value - max) / sum;
        if (below > 1 - p)
            break;
        logits[entry[i].id] = -INFINITY;
    }
}

int64_t filter_scratch_bytes(int64_t V)
{
    return V * (int64_t)sizeof(Entry);
}

void filter_logits(float *logits, int64_t V, const GenerationConfig *g, const bool *seen, void *scratch)
{
    float penalty = (float)g->repetition_penalty;
    float temperature = (float)g->temperature;
    if (g->repetition_penalty < 1 || g->repetition_penalty > 1)
        for (int64_t v = 0; v < V; v++)
            if (seen[v])
                logits[v] = logits[v] < 0 ? logits[v] * penalty : logits[v] / penalty;
    if (!g->do_sample)
        return;
    for (int64_t v = 0; v < V; v++)
        logits[v] /= temperature;
    filter_top_k(logits, V, g->top_k, scratch);
    filter_top_p(logits, V, g->top_p, scratch);
}

int32_t pick_token(const float *logits, int64_t V, const GenerationConfig *g, double u)
{
    int64_t best = 0;
    for (int64_t v = 1; v < V; v++)
        if (logits[v] > logits[best])
            best = v;
    if (!g->do_sample)
        return (int32_t)best;
    double sum = 0;
    for (int64_t v = 0; v < V; v++)
        sum += exact_exp((double)logits[v] - (double)logits[best]);
    double below = 0;
    for (int64_t v = 0; v < V; v++) {
        below += exact_exp((double)logits[v] - (double)logits[best]);
        if (u * sum < below)
            return (int32_t)v;
    }
    return (int32_t)best;
}
