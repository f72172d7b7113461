/* Attention forward for one row of every sequence, as in decoding: keys and values are read
 * once, as the cache holds them, for all query heads that share them. */
#include "layer/attention_kernels.h"

#include "base/parallel.h"

void attention_decode(Run *run, const AttentionArrays *x)
{
    const Attention *a = x->a;
    const int64_t E = a->width;
    const int64_t group = a->heads / a->kv_heads;
    const int64_t size = group * attention_longest(x);
    float *scratch = run_alloc(run, size * parallel_threads(), sizeof *scratch);
    if (!scratch)
        return;
#pragma omp parallel for schedule(dynamic) if (parallel_worth(x->seqs->count * a->kv_heads * size * E / 4))
    for (int64_t i = 0; i < x->seqs->count * a->kv_heads; i++) {
        const int64_t s = i / a->kv_heads;
        const int64_t g = i % a->kv_heads;
        const Keys *k = x->keys + s;
        float *scores = scratch + size * parallel_index();
        kernels->scores(scores, k->count, x->q + s * x->q_stride + g * group * E, k->key + g * k->head,
                        k->key_stride, group, k->count, E);
        for (int64_t j = 0; j < group * k->count; j++)
            scores[j] *= a->scale;
        for (int64_t h = 0; h < group; h++)
            attention_softmax(scores + h * k->count, k->count);
        kernels->mix(x->o + s * x->o_stride + g * group * E, E, scores, k->count, k->value + g * k->head,
                     k->value_stride, group, k->count, E);
    }
}
