/* Writing a model as a Hugging Face checkpoint. */
#ifndef MPA_TRAIN_SAVE_H
#define MPA_TRAIN_SAVE_H

#include "model/vlm.h"

/* Writes the model to FOLDER as it was read: the same files of weights with the same tensors under the
 * same names, and the other files of its folder. An adapter is merged into the weights; with `adapter`
 * it is FOLDER/adapter too. dtype: level.dtype, the type of all weights, which config.json then names;
 * DTYPE_AS_STUDENT: each tensor has the type that it had.
 * Atomic: FOLDER.tmp is written and renamed; a FOLDER that was there is replaced. */
Status save_checkpoint(const Vlm *vlm, const char *folder, int dtype, bool adapter, Error *e);

/* Removes such a folder, whole or not at all: it is FOLDER.old.tmp first. A missing one is fine. */
Status save_remove(const char *folder, Error *e);

#endif
