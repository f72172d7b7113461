#include "generate/generate.h"

#include "base/random.h"

#include <math.h>
#include <string.h>

/* The batch while it is being continued. All arrays are indexed by prompt; `active` lists the
 * prompts that have not ended. */
typedef struct {
    const Vlm *vlm;
    const Sample *prompts;
    const Decoding *d;
    Ids *answers;
    KvCache *cache;
    int64_t *active, n_active;
    bool *seen; /* [count, V] */
    void *scratch;
} Generation;

static bool is_end(const GenerationConfig *g, int32_t id)
{
    for (int i = 0; i < g->n_eos; i++)
        if (g->eos[i] == id)
            return true;
    return false;
}

static Status generation_init(Run *run, Generation *g, int64_t count)
{
    int64_t V = g->vlm->vocab;
    int64_t *capacity = run_alloc(run, count, sizeof *capacity);
    g->active = run_alloc(run, count, sizeof *g->active);
    g->seen = run_alloc(run, count * V, sizeof *g->seen);
    g->scratch = run_alloc(run, filter_scratch_bytes(V), 1);
    if (!capacity || !g->active || !g->seen || !g->scratch)
        return NO_MEMORY;
    memset(g->seen, 0, (size_t)(count * V) * sizeof *g->seen);
    for (int64_t i = 0; i < count; i++) {
        capacity[i] = g->prompts[i].count + g->d->max_new_tokens;
        g->active[i] = i;
        for (int64_t n = 0; n < g->prompts[i].count; n++)
            g->seen[i * V + g->prompts[i].ids[n]] = true;
    }
    g->n_active = count;
    g->cache = kv_cache_new(run, g->vlm->layers, g->vlm->kv_width, capacity, count);
    return g->cache ? OK : NO_MEMORY;
}

/* Row of the last token of every sequence of the batch. */
static const int64_t *last_rows(Run *run, const Batch *b)
{
    int64_t *at = b ? run_alloc(run, b->seqs.count, sizeof *at) : NULL;
    for (int64_t s = 0; at && s < b->seqs.count; s++)
        at[s] = b->seqs.start[s + 1] - 1;
    return at;
}

/* Runs the batch, picks a token for each active prompt, drops those that ended. */
static Status generation_step(Run *run, Generation *g, const Batch *b)
{
    int64_t V = g->vlm->vocab, left = 0;
    Mat *hidden = vlm_forward(run, g->vlm, b, g->cache);
    Mat *logits = vlm_logits(run, g->vlm, gather_rows(run, hidden, last_rows(run, b), g->n_active));
    if (!logits)
        return run->error->status;
    for (int64_t a = 0; a < g->n_active; a++) {
        int64_t i = g->active[a];
        float *row = logits->data + a * V;
        for (int64_t v = 0; v < V; v++)
            if (!isfinite(row[v]))
                return error_set(
                    run->error, FAILED,
                    "%s: logit %lld of prompt %lld is not finite; the weights are damaged or overflow",
                    g->vlm->folder, (long long)v, (long long)i);
        filter_logits(row, V, g->d->config, g->seen + i * V, g->scratch);
        double u = random_unit(g->d->seed, g->d->first_index + (uint64_t)i, (uint64_t)g->answers[i].count);
        int32_t id = pick_token(row, V, g->d->config, u);
        if (!ids_add(&g->answers[i], id, run->error))
            return NO_MEMORY;
        g->seen[i * V + id] = true;
        if (!is_end(g->d->config, id))
            g->active[left++] = i;
    }
    g->n_active = left;
    return OK;
}

/* One new row for each active prompt: its last token. */
static const Batch *next_batch(Run *run, Generation *g)
{
    int32_t *ids = run_alloc(run, g->n_active, sizeof *ids);
    int32_t *position = run_alloc(run, g->n_active, sizeof *position);
    if (!ids || !position)
        return NULL;
    for (int64_t a = 0; a < g->n_active; a++) {
        int64_t i = g->active[a];
        int64_t done = g->answers[i].count;
        ids[a] = g->answers[i].data[done - 1];
        position[a] = g->prompts[i].next_position + (int32_t)(done - 1);
        g->cache->slot[a] = i;
    }
    return batch_rows(run, ids, position, g->n_active);
}

static Status generation_loop(Run *run, Generation *g, int64_t count)
{
    if (generation_init(run, g, count) != OK)
        return run->error->status;
    ArenaMark mark = arena_mark(run->arena);
    Status status = generation_step(run, g, batch_pack(run, g->prompts, count));
    for (int64_t n = 1; status == OK && g->n_active && n < g->d->max_new_tokens; n++) {
        arena_release(run->arena, mark);
        if (g->d->stop && *g->d->stop)
            return error_set(run->error, INTERRUPTED, "interrupted");
        status = generation_step(run, g, next_batch(run, g));
    }
    return status;
}

Status generate(const Vlm *vlm, const Sample *prompts, int64_t count, const Decoding *d, Ids *answers,
                Error *e)
{
    if (!count || !d->max_new_tokens)
        return OK;
    Arena arena;
    arena_init(&arena);
    Run run = {.arena = &arena, .error = e};
    Generation g = {.vlm = vlm, .prompts = prompts, .d = d, .answers = answers};
    Status status = e->status == OK ? generation_loop(&run, &g, count) : e->status;
    arena_free(&arena);
    return status;
}

int64_t generate_bytes(const Vlm *vlm, int64_t prompts, int64_t prompt_tokens, int64_t max_new_tokens)
{
    int64_t rows = prompts * prompt_tokens,
            logits = prompts * vlm->vocab * (int64_t)(2 * sizeof(float) + sizeof(bool));
    return kv_cache_bytes(vlm->layers, vlm->kv_width, prompts * (prompt_tokens + max_new_tokens)) + logits +
           rows * (vlm->row_bytes + vlm->picture_row_bytes);
}
