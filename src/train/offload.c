/* One update, a piece of a parameter at a time: its moments from the old files, AdamW, masters and moments to
 * the new ones. (Rajbhandari et al. 2021, ZeRO-Infinity, moves them in the same way.) */
#include "train/offload.h"

#include "base/memory.h"
#include "base/number.h"
#include "base/progress.h"

#include <stdlib.h>
#include <string.h>

enum { PIECE = 16 * ADAMW_BLOCK };

/* mean[n] and square[n] as they are before the update. */
static void get_moments(StateReader *old, bool first_update, float *mean, float *square, int64_t n, Error *e)
{
    if (first_update) {
        memset(mean, 0, (size_t)n * sizeof *mean);
        memset(square, 0, (size_t)n * sizeof *square);
        return;
    }
    state_files_get(old, STATE_MEAN, mean, n, e);
    state_files_get(old, STATE_SQUARE, square, n, e);
}

Status offload_update(Optimiser *a, const LevelConfig *o, double scale, double factor, const TrainFiles *f,
                      StateWriter *w, Error *e)
{
    StateReader old;
    float *mean = memory_new(PIECE, sizeof *mean, e);
    float *square = memory_new(PIECE, sizeof *square, e);
    const bool first_update = a->step == 0;
    state_open_moments(&old, a, f, e);
    a->step++;
    state_begin(w, a, f, e);
    for (int64_t i = 0; i < a->count; i++) {
        const Trained *t = a->trained + i;
        progress_inside((double)i / (double)a->count, "updates, through level.offload");
        for (int64_t first = 0; first < t->p->count && e->status == OK; first += PIECE) {
            const int64_t n = min_i64(PIECE, t->p->count - first);
            get_moments(&old, first_update, mean, square, n, e);
            if (e->status == OK)
                trained_update(a, t, first, n, mean, square, o, scale, factor);
            state_files_put(w, STATE_MASTER, t->p->master + first, n, e);
            state_files_put(w, STATE_MEAN, mean, n, e);
            state_files_put(w, STATE_SQUARE, square, n, e);
        }
    }
    state_files_close(&old);
    free(mean);
    free(square);
    return e->status;
}
