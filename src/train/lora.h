/* The adapters that `level` trains with method = lora. */
#ifndef MPA_TRAIN_LORA_H
#define MPA_TRAIN_LORA_H

#include "config/config.h"
#include "model/vlm.h"

/* Gives the model new adapters, or those of o->lora_init, as o says; nothing with another method. Owned
 * by vlm. BAD_USAGE: a key that is set differs from what lora_init holds; a target that is no module. */
Status lora_start(Vlm *vlm, const LevelConfig *o, uint64_t seed, Error *e);

#endif
