/* How much memory training takes, known before it starts. */
#ifndef MPA_TRAIN_ESTIMATE_H
#define MPA_TRAIN_ESTIMATE_H

#include "config/config.h"
#include "model/sample.h"

/* What one pass goes over. */
typedef struct {
    int64_t rows;           /* tokens of all samples, those of pictures too */
    int64_t picture_tokens; /* those of pictures */
    int64_t picture;        /* those of the largest one */
    int64_t longest;        /* tokens of the longest sample */
    unsigned idle;          /* 1u << each Part of which nothing is trained */
} PassSize;

/* PassSize.idle where o says what is trained. */
unsigned estimate_idle(const Vlm *vlm, const LevelConfig *o);
/* Of samples of which what o trains is to learn. */
PassSize pass_size(const Vlm *vlm, const LevelConfig *o, const Samples *samples);

/* Bytes of the float32 masters, gradients and two moments of what o trains. */
int64_t estimate_state(const Vlm *vlm, const LevelConfig *o);
/* Bytes of the weights that o does not train: each pass reads them from the map of their file. */
int64_t estimate_mapped(const Vlm *vlm, const LevelConfig *o);
/* Bytes that one pass takes besides, at most. recompute: blocks keep their input only. */
int64_t estimate_pass(const Vlm *vlm, PassSize size, bool recompute);

/* Whether o trains nothing of tower and merger: pictures always have the same features (features.h). */
bool estimate_frozen(const Vlm *vlm, const LevelConfig *o);
/* Bytes of the features of so many picture tokens, where later epochs find them; else 0. */
int64_t estimate_features(const Vlm *vlm, const LevelConfig *o, int64_t picture_tokens);

/* Bytes on disk that the states take at most: two, where level.save_every or level.offload wants them. */
int64_t estimate_states(const Vlm *vlm, const LevelConfig *o);
/* And the weights of the result. *largest: of the largest file of both. */
int64_t estimate_result(const Vlm *vlm, const LevelConfig *o, int64_t *largest);

/* Whether a pass that takes `bytes` when blocks keep everything should recompute instead, where
 * `room` bytes are available (0: unknown) and other things of the run will take `taken` of them. Half of the
 * rest stays free: who else needs memory is not known. */
bool estimate_recompute(int64_t bytes, int64_t room, int64_t taken);
/* What then is left for other uses, so that another such pass does not have to recompute for them; INT64_MAX where room is unknown. */
int64_t estimate_spare(int64_t bytes, int64_t room, int64_t taken);

#endif
