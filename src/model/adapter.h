/* LoRA adapters: low-rank factors on the weights of a model's products (layer/lora.c), made anew for
 * training (adapter.c) or read and written as PEFT keeps them (adapter_peft.c). */
#ifndef MPA_MODEL_ADAPTER_H
#define MPA_MODEL_ADAPTER_H

#include "model/vlm.h"

/* A new adapter. */
typedef struct {
    int64_t rank;
    double alpha, dropout;
    const char *target; /* words, separated by spaces or commas: the modules whose name is one, or ends in
                         * "." and one; "": the products of the text model's layers */
    unsigned freeze;    /* 1u << each Part whose modules get none */
    uint64_t seed;      /* of A's values: uniform in +-1 / sqrt(I); B is 0 */
} AdapterOptions;

/* Gives every module that the options name its factors. Owned by vlm. BAD_USAGE: they name none, or
 * an embedding or a norm. */
Status adapter_make(Vlm *vlm, const AdapterOptions *o, Error *e);
/* Appends those words, separated by spaces, that name no module. */
Status adapter_unmatched(const Vlm *vlm, const char *words, Text *out, Error *e);
/* Whether the words name exactly the modules that have factors. */
bool adapter_is_named_by(const Vlm *vlm, const char *words);

/* Reads a PEFT folder (adapter_config.json, adapter_model.safetensors), with the names of modules that
 * older or newer transformers gives them, or both. Owned by vlm, which has no adapter yet. BAD_INPUT: it
 * is of another model, or of a kind that is more than LoRA on products. */
Status adapter_load(Vlm *vlm, const char *folder, Error *e);
/* Writes such a folder; each tensor under both names where they differ. */
Status adapter_save(const Vlm *vlm, const char *folder, Error *e);

/* out[count] = the values of w + scale B A from element `first` on, w a Param with factors. */
void adapter_merged(float *out, const void *param, int64_t first, int64_t count);

/* For adapter_peft.c: gives `w` factors, A and B 0, that the checkpoint's parameter keeps until
 * adapter_collect lists them in vlm. NULL after a failure. */
Lora *adapter_new_factors(const Adapter *a, Param *w, Error *e);
Status adapter_collect(Vlm *vlm, Error *e);

void adapter_free(Vlm *vlm);

#endif
