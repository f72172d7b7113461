/* Writing a model as a Hugging Face checkpoint. */
#ifndef MPA_TRAIN_SAVE_H
#define MPA_TRAIN_SAVE_H

#include "model/vlm.h"

/* The largest size of one weights file, as transformers' save_pretrained has it. */
#define SAVE_SHARD_BYTES INT64_C(5000000000)

/* Writes the model's weights, and the other files of its folder as they are, to FOLDER: a complete
 * checkpoint. dtype: level.dtype, the type of the weights; config.json's torch_dtype follows it.
 * A file of weights takes at most shard_bytes, or one tensor.
 * Atomic: FOLDER.tmp is written and renamed; a FOLDER that was there is replaced. */
Status save_checkpoint(const Vlm *vlm, const char *folder, int dtype, int64_t shard_bytes, Error *e);

#endif
