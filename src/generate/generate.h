/* Batched generation with a key/value cache. */
#ifndef MPA_GENERATE_GENERATE_H
#define MPA_GENERATE_GENERATE_H

#include "model/batch.h"

/* The next token's distribution as transformers' `generate` forms it (models.md 0.6): repetition
 * penalty over `seen`, then when sampling temperature, top-k (ties kept), top-p. logits[V] is
 * changed in place: what is filtered out becomes -infinity. seen[V]: ids that occurred so far. */
void filter_logits(float *logits, int64_t V, const GenerationConfig *g, const bool *seen, void *scratch);
int64_t filter_scratch_bytes(int64_t V); /* of `scratch` */
/* Picks from filtered logits: the first largest without sampling, else by u in [0, 1). */
int32_t pick_token(const float *logits, int64_t V, const GenerationConfig *g, double u);

typedef struct {
    const GenerationConfig *config; /* borrowed */
    int64_t max_new_tokens;
    uint64_t seed; /* of sampling; the stream of sample i is (seed, first_index + i, token) */
    uint64_t first_index;
    const volatile int *stop; /* NULL, or a flag that ends the work with INTERRUPTED */
} Decoding;

/* Continues each of `count` prompts; answers[i] (zeroed by the caller) receives the new tokens,
 * the end token included. The batch is computed together; a finished sequence leaves it. Owned
 * by the caller: ids_free each. */
Status generate(const Vlm *vlm, const Sample *prompts, int64_t count, const Decoding *d, Ids *answers,
                Error *e);
/* Bytes that `generate` will need at most besides the weights. */
int64_t generate_bytes(const Vlm *vlm, int64_t prompts, int64_t prompt_tokens, int64_t max_new_tokens);

#endif
