/* All prompts in one pass, then one row per prompt and pass, with keys and values of the past in
 * the cache: token k of an answer is at the prompt's next position + k on all three axes.
 * Invariant: a prompt's slot in the cache, its `seen` row and its answer have its index, while
 * `active` lists the prompts that have not ended, in order: so what is drawn never depends on who
 * has ended. (GenerationMixin.generate) */
#include "generate/generate.h"

#include "base/number.h"
#include "base/progress.h"
#include "base/random.h"
#include "model/family.h"

#include <math.h>
#include <string.h>

/* The batch while it is being continued. Arrays are indexed by prompt; memory of the run. */
typedef struct {
    const Vlm *vlm;
    const Sample *prompts;
    const Decoding *d;
    Ids *answers;
    KvCache *cache;
    int64_t *active, n_active; /* the prompts that have not ended */
    bool *seen;                /* [count, V]: ids that a repetition penalty sees, of prompt and answer */
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
    const int64_t V = g->vlm->vocab;
    int64_t *capacity = run_alloc(run, count, sizeof *capacity);
    g->active = run_alloc(run, count, sizeof *g->active);
    g->seen = run_alloc(run, count * V, sizeof *g->seen);
    g->scratch = run_alloc(run, filter_scratch_bytes(V), 1);
    if (run->error->status != OK)
        return run->error->status;
    memset(g->seen, 0, (size_t)(count * V) * sizeof *g->seen);
    for (int64_t i = 0; i < count; i++) {
        const Sample *s = g->prompts + i;
        capacity[i] = s->count + g->d->max_new_tokens;
        g->active[i] = i;
        for (int64_t n = 0; n < s->count && !g->vlm->family->penalty_skips_prompt; n++)
            g->seen[i * V + s->ids[n]] = true;
    }
    g->n_active = count;
    g->cache = kv_cache_new(run, g->vlm->layers, g->vlm->kv_width, capacity, count);
    return run->error->status;
}

/* Row of the last token of every sequence of the batch. */
static const int64_t *last_rows(Run *run, const Batch *b)
{
    int64_t *at = b ? run_alloc(run, b->seqs.count, sizeof *at) : NULL;
    for (int64_t s = 0; at && s < b->seqs.count; s++)
        at[s] = b->seqs.start[s + 1] - 1;
    return at;
}

/* Appends prompt i's next token to its answer, by its logits[V]. */
static Status choose(Run *run, Generation *g, int64_t i, float *logits)
{
    const int64_t V = g->vlm->vocab;
    const Decoding *d = g->d;
    for (int64_t v = 0; v < V; v++)
        if (!isfinite(logits[v]))
            return error_set(
                run->error, FAILED,
                "%s: logit %lld of prompt %lld is not finite; the weights are damaged or overflow",
                g->vlm->folder, (long long)v, (long long)i);
    filter_logits(logits, V, d->config, g->seen + i * V, g->scratch);
    const uint64_t stream = d->streams ? d->streams[i] : (uint64_t)i;
    double u = random_unit(d->seed, stream, (uint64_t)g->answers[i].count);
    int32_t id = pick_token(logits, V, d->config, u);
    ids_add(&g->answers[i], id, run->error);
    g->seen[i * V + id] = true;
    return run->error->status;
}

/* Runs the batch, chooses a token for each active prompt, drops those that have ended. */
static Status generation_step(Run *run, Generation *g, const Batch *b)
{
    int64_t left = 0;
    Mat *hidden = vlm_forward(run, g->vlm, b, g->cache);
    Mat *logits = vlm_logits(run, g->vlm, gather_rows(run, hidden, last_rows(run, b), g->n_active));
    for (int64_t a = 0; logits && a < g->n_active; a++) {
        int64_t i = g->active[a];
        if (choose(run, g, i, logits->data + a * logits->cols) != OK)
            break;
        if (!is_end(g->d->config, g->answers[i].data[g->answers[i].count - 1])) {
            g->active[left] = i;
            left++;
        }
    }
    g->n_active = left;
    return run->error->status;
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
    progress_inside(0, "reads %lld prompts", (long long)count);
    generation_step(run, g, batch_pack(run, g->prompts, count));
    for (int64_t n = 1; run->error->status == OK && g->n_active && n < g->d->max_new_tokens; n++) {
        arena_release(run->arena, mark);
        progress_inside((double)(count - g->n_active), "token %lld of %lld answers", (long long)n + 1,
                        (long long)g->n_active);
        if (g->d->stop && *g->d->stop)
            error_set(run->error, INTERRUPTED, "interrupted");
        else
            generation_step(run, g, next_batch(run, g));
    }
    return run->error->status;
}

Status generate(const Vlm *vlm, const Sample *prompts, int64_t count, const Decoding *d, Ids *answers,
                Error *e)
{
    if (e->status != OK || !count || !d->max_new_tokens)
        return e->status;
    Arena arena;
    arena_init(&arena);
    Run run = {.arena = &arena, .error = e};
    Generation g = {.vlm = vlm, .prompts = prompts, .d = d, .answers = answers};
    generation_loop(&run, &g, count);
    arena_free(&arena);
    return e->status;
}

int64_t generate_bytes(const Vlm *vlm, int64_t prompts, int64_t prompt_tokens, int64_t max_new_tokens)
{
    int64_t rows = prompts * prompt_tokens;
    int64_t cached = prompts * (prompt_tokens + max_new_tokens);
    int64_t logits = prompts * vlm->vocab * (int64_t)(2 * sizeof(float) + sizeof(bool));
    return kv_cache_bytes(vlm->layers, vlm->kv_width, cached) + logits +
           rows * (vlm->text_row.forward + vlm->picture_row.forward) +
           max_i64(rows_scratch(&vlm->text_row, rows, prompt_tokens, false),
                   rows_scratch(&vlm->picture_row, rows, prompt_tokens, false));
}
