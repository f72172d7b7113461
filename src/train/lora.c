/* Where adapters begin. A key of [level] that is set and an adapter that is given must agree: the adapter
 * is not bent to the key, nor the key ignored. */
#include "train/lora.h"

#include "model/adapter.h"

#include <math.h>

/* Keys that are set against the adapter that was loaded. */
static Status check_keys(const Vlm *vlm, const LevelConfig *o, Error *e)
{
    const Adapter *a = &vlm->adapter;
    if (e->status != OK)
        return e->status;
    if (o->lora_rank && o->lora_rank != a->rank)
        return error_set(e, BAD_USAGE,
                         "level.lora_rank = %lld, but the adapter in level.lora_init has rank %lld",
                         (long long)o->lora_rank, (long long)a->rank);
    if (o->lora_alpha > 0 && fabs(o->lora_alpha - a->alpha) > 1e-9 * fabs(a->alpha))
        return error_set(e, BAD_USAGE,
                         "level.lora_alpha = %g, but the adapter in level.lora_init has lora_alpha %g",
                         o->lora_alpha, a->alpha);
    if (*o->lora_target && !adapter_is_named_by(vlm, o->lora_target))
        return error_set(
            e, BAD_USAGE,
            "level.lora_target = %s: these are not the %lld modules of the adapter in level.lora_init",
            o->lora_target, (long long)a->count);
    return OK;
}

/* Training leaves out what its own settings say. */
static void set_dropout(Adapter *a, double dropout)
{
    a->dropout = dropout;
    for (int64_t i = 0; i < a->count; i++)
        a->lora[i]->dropout = (float)dropout;
}

Status lora_start(Vlm *vlm, const LevelConfig *o, uint64_t seed, Error *e)
{
    if (e->status != OK || o->method != METHOD_LORA)
        return e->status;
    if (*o->lora_init) {
        adapter_load(vlm, o->lora_init, e);
        check_keys(vlm, o, e);
        set_dropout(&vlm->adapter, o->lora_dropout);
        return e->status;
    }
    const int64_t rank = o->lora_rank ? o->lora_rank : LORA_RANK;
    return adapter_make(vlm,
                        &(AdapterOptions){.rank = rank,
                                          .alpha = o->lora_alpha > 0 ? o->lora_alpha : (double)rank,
                                          .dropout = o->lora_dropout,
                                          .target = o->lora_target,
                                          .freeze = o->freeze,
                                          .seed = seed},
                        e);
}
