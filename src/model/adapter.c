/* Which modules an adapter is on, and its values at the start. Invariant: the factors of a module hang
 * on its weight (Param.lora), and vlm->adapter lists them in the order of the checkpoint's parameters;
 * so training and saving meet them in one order. (peft.LoraConfig, peft.tuners.lora.LoraLayer) */
#include "model/adapter.h"

#include "base/hash.h"
#include "base/number.h"
#include "base/parallel.h"
#include "base/random.h"
#include "base/word.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ----------------------------------------------------------------------------------- which modules */

/* The length of the name of the module that the parameter is the weight of; 0: it is no weight. */
static size_t module_length(const Param *p)
{
    return ends_with(p->name, ".weight") ? strlen(p->name) - strlen(".weight") : 0;
}

/* Whether the module's name is the word or ends in "." and the word. */
static bool is_named(const Param *p, const char *word, size_t length)
{
    const size_t n = module_length(p);
    const char *at = p->name + n - length;
    return length && n >= length && !memcmp(at, word, length) && (n == length || at[-1] == '.');
}

static bool is_named_by(const Param *p, const char *words)
{
    bool named = false;
    for (words += strspn(words, " ,"); *words && !named; words += strspn(words, " ,")) {
        const size_t length = strcspn(words, " ,");
        named = is_named(p, words, length);
        words += length;
    }
    return named;
}

/* Whether the parameter is the weight of a module that the options name. */
static bool is_target(const Vlm *vlm, const Param *p, const AdapterOptions *o)
{
    if (p->unused || o->freeze & 1u << p->part)
        return false;
    if (*o->target)
        return is_named_by(p, o->target);
    return p->linear && p->part == PART_TEXT && p != vlm->head.weight;
}

Status adapter_unmatched(const Vlm *vlm, const char *words, Text *out, Error *e)
{
    for (words += strspn(words, " ,"); *words; words += strspn(words, " ,")) {
        const size_t length = strcspn(words, " ,");
        bool found = false;
        for (int64_t i = 0; i < vlm->checkpoint.params; i++)
            found |= is_named(vlm->checkpoint.param[i], words, length);
        if (!found)
            text_format(out, e, "%s%.*s", out->count ? " " : "", (int)length, words);
        words += length;
    }
    return e->status;
}

bool adapter_is_named_by(const Vlm *vlm, const char *words)
{
    for (int64_t i = 0; i < vlm->checkpoint.params; i++) {
        const Param *p = vlm->checkpoint.param[i];
        if (!p->unused && is_named_by(p, words) != (p->lora != NULL))
            return false;
    }
    return true;
}

/* ---------------------------------------------------------------------------------------- factors */

/* A parameter of the adapter: "base_model.model.MODULE.lora_A.weight", as PEFT calls it. */
static Status make_factor(Param *p, const Param *w, char letter, Error *e)
{
    Text name = {0};
    text_format(&name, e, "base_model.model.%.*s.lora_%c.weight", (int)module_length(w), w->name, letter);
    p->name = name.data;
    p->part = w->part;
    p->stored = F32;
    p->count = 1;
    for (int i = 0; i < p->ndim; i++)
        p->count *= p->dim[i];
    p->master = memory_new(p->count, sizeof *p->master, e);
    p->weight = (Weight){p->master, F32, p->count / p->dim[0], NULL};
    return e->status;
}

Lora *adapter_new_factors(const Adapter *a, Param *w, Error *e)
{
    Lora *l = memory_new(1, sizeof *l, e);
    if (!l)
        return NULL;
    l->a.ndim = w->ndim;
    l->b.ndim = w->ndim;
    for (int i = 0; i < w->ndim; i++) {
        l->a.dim[i] = i ? w->dim[i] : a->rank;
        l->b.dim[i] = i ? 1 : w->dim[0];
    }
    l->b.dim[1] = a->rank;
    l->scale = (float)(a->alpha / (a->rslora ? sqrt((double)a->rank) : (double)a->rank));
    l->dropout = (float)a->dropout;
    make_factor(&l->a, w, 'A', e);
    make_factor(&l->b, w, 'B', e);
    l->key = hash_bytes(HASH_START, w->name, module_length(w));
    w->lora = l;
    return e->status == OK ? l : NULL;
}

static void free_factors(Lora *l)
{
    free((char *)(uintptr_t)l->a.name);
    free((char *)(uintptr_t)l->b.name);
    free(l->a.master);
    free(l->b.master);
    free(l);
}

Status adapter_collect(Vlm *vlm, Error *e)
{
    Adapter *a = &vlm->adapter;
    a->lora = memory_new(vlm->checkpoint.params, sizeof *a->lora, e);
    for (int64_t i = 0; a->lora && i < vlm->checkpoint.params; i++)
        if (vlm->checkpoint.param[i]->lora) {
            a->lora[a->count] = vlm->checkpoint.param[i]->lora;
            a->count++;
        }
    return e->status;
}

/* Not by the list, which a failure may have kept from being made. */
void adapter_free(Vlm *vlm)
{
    for (int64_t i = 0; i < vlm->checkpoint.params; i++) {
        Lora *l = vlm->checkpoint.param[i]->lora;
        if (l)
            free_factors(l);
        vlm->checkpoint.param[i]->lora = NULL;
    }
    free(vlm->adapter.lora);
    free(vlm->adapter.target);
    vlm->adapter = (Adapter){0};
}

/* ------------------------------------------------------------------------------------- a new adapter */

/* Kaiming's uniform distribution with a = sqrt 5, whose bound is 1 / sqrt(I). Numbers depend on seed,
 * module and element alone. */
static void start_values(Param *p, uint64_t seed, uint64_t key)
{
    const double bound = 1 / sqrt((double)p->weight.stride);
    for (int64_t i = 0; i < p->count; i++)
        p->master[i] = (float)((2 * random_unit(seed, key, (uint64_t)i) - 1) * bound);
}

/* The last component of the names of the model's products, each once, for a message. */
static void list_modules(const Vlm *vlm, Text *out, Error *e)
{
    for (int64_t i = 0; i < vlm->checkpoint.params && e->status == OK; i++) {
        const Param *p = vlm->checkpoint.param[i];
        const size_t n = module_length(p);
        size_t from = n;
        while (from && p->name[from - 1] != '.')
            from--;
        Text padded = {0};
        text_format(&padded, e, "%.*s, ", (int)(n - from), p->name + from);
        if (p->linear && !strstr(text_string(out), text_string(&padded)))
            text_add(out, text_string(&padded), e);
        text_free(&padded);
    }
    if (out->count)
        out->data[out->count - 2] = 0;
}

static Status nothing_named(const Vlm *vlm, const AdapterOptions *o, Error *e)
{
    Text list = {0};
    list_modules(vlm, &list, e);
    error_set(e, BAD_USAGE,
              "level.lora_target = %s: no module that is trained has such a name; names of modules here end "
              "in: %s",
              o->target, text_string(&list));
    text_free(&list);
    return e->status;
}

static Status add_factors(Vlm *vlm, Param *p, const AdapterOptions *o, Error *e)
{
    if (!p->linear)
        return error_set(e, BAD_USAGE,
                         "level.lora_target: %.*s is no linear layer; an adapter is on products alone%s",
                         (int)module_length(p), p->name,
                         p == vlm->head.weight ? " (this embedding is the head's weight too)" : "");
    const Lora *l = adapter_new_factors(&vlm->adapter, p, e);
    if (l)
        start_values(&p->lora->a, o->seed, l->key);
    return e->status;
}

Status adapter_make(Vlm *vlm, const AdapterOptions *o, Error *e)
{
    Adapter *a = &vlm->adapter;
    int64_t found = 0;
    if (e->status != OK)
        return e->status;
    *a = (Adapter){.rank = o->rank, .alpha = o->alpha, .dropout = o->dropout};
    a->target = *o->target ? memory_copy(o->target, e) : NULL;
    for (int64_t i = 0; i < vlm->checkpoint.params && e->status == OK; i++)
        if (is_target(vlm, vlm->checkpoint.param[i], o)) {
            add_factors(vlm, vlm->checkpoint.param[i], o, e);
            found++;
        }
    if (e->status == OK && !found)
        nothing_named(vlm, o, e);
    return adapter_collect(vlm, e);
}

/* ---------------------------------------------------------------------------------------- merging */

/* Columns from, from + 1, ... of row o of w + scale B A; the sum over the rank in double. */
static void merged_row(float *out, const Param *p, int64_t o, int64_t from, int64_t count)
{
    enum { COLUMNS = 256 };
    const Lora *l = p->lora;
    const int64_t R = l->a.dim[0];
    const int64_t I = p->weight.stride;
    for (int64_t i = 0; i < count; i += COLUMNS) {
        const int64_t columns = min_i64(count - i, COLUMNS);
        double sum[COLUMNS] = {0};
        for (int64_t r = 0; r < R; r++) {
            const double b = (double)l->b.master[o * R + r];
            const float *a = l->a.master + r * I + from + i;
            for (int64_t k = 0; k < columns; k++)
                sum[k] += b * (double)a[k];
        }
        dtype_widen(out + i, weight_at(&p->weight, o, from + i), p->weight.type, columns);
        for (int64_t k = 0; k < columns; k++)
            out[i + k] = (float)((double)out[i + k] + (double)l->scale * sum[k]);
    }
}

void adapter_merged(float *out, const void *param, int64_t first, int64_t count)
{
    const Param *p = param;
    const int64_t I = p->weight.stride;
#pragma omp parallel for if (parallel_worth(count * p->lora->a.dim[0]))
    for (int64_t o = first / I; o <= (first + count - 1) / I; o++) {
        const int64_t begin = max_i64(first, o * I);
        const int64_t end = min_i64(first + count, (o + 1) * I);
        merged_row(out + begin - first, p, o, begin - o * I, end - begin);
    }
}
