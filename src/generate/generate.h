/* Batched generation with a key/value cache, and the choice of the next token. */
#ifndef MPA_GENERATE_GENERATE_H
#define MPA_GENERATE_GENERATE_H

#include "model/batch.h"

/* The next token's distribution as transformers' `generate` has it: repetition penalty, then, when
 * sampling, temperature, top-k (ties are kept), top-p. logits[V] is changed in place: what is
 * filtered out becomes -infinity. seen[V]: whether an id occurred so far. scratch:
 * filter_scratch_bytes(V). */
void filter_logits(float *logits, int64_t V, const GenerationConfig *g, const bool *seen, void *scratch);
int64_t filter_scratch_bytes(int64_t V);
/* Chooses from filtered logits: the first of the largest, or when sampling by u in [0, 1). */
int32_t pick_token(const float *logits, int64_t V, const GenerationConfig *g, double u);

typedef struct {
    const GenerationConfig *config; /* borrowed */
    int64_t max_new_tokens;
    uint64_t seed;            /* of sampling: prompt i draws from (seed, streams[i], token) */
    const uint64_t *streams;  /* of each prompt; NULL: 0, 1, ...; borrowed */
    const volatile int *stop; /* NULL, or a flag that ends the work with INTERRUPTED */
} Decoding;

/* Continues `count` prompts as one batch; a prompt that has ended leaves it. answers[i] (zeroed by
 * the caller) receives the new tokens, the end token included. Owned by the caller: ids_free each.
 * FAILED: a logit that is not finite. */
Status generate(const Vlm *vlm, const Sample *prompts, int64_t count, const Decoding *d, Ids *answers,
                Error *e);
/* Bytes that `generate` needs at most, besides the weights. */
int64_t generate_bytes(const Vlm *vlm, int64_t prompts, int64_t prompt_tokens, int64_t max_new_tokens);

#endif
