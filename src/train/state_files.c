/* Values on their way between memory and a state's files. All tensors are F32 and stand in the order of the
 * optimiser, so a file is a header and one long row of values. */
#include "train/state_files.h"

#include "base/bytes.h"
#include "base/memory.h"
#include "base/number.h"
#include "tensor/safetensors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PIECE = 1 << 18 }; /* values that are converted at a time */

const char *const state_kind_name[STATE_KINDS] = {"master", "mean", "square"};

char *state_file(const char *folder, StateKind kind, Error *e)
{
    Text path = {0};
    text_format(&path, e, "%s/%s.safetensors", folder, state_kind_name[kind]);
    return path.data;
}

/* ----------------------------------------------------------------------------------- writing */

Status state_files_begin(StateWriter *w, const Optimiser *a, const char *folder, Error *e)
{
    *w = (StateWriter){.piece = memory_new(PIECE, sizeof(float), e)};
    TensorOut *out = memory_new(a->count, sizeof *out, e);
    for (int64_t i = 0; out && i < a->count; i++) {
        const Param *p = a->trained[i].p;
        out[i] = (TensorOut){.name = p->name, .ndim = p->ndim};
        memcpy(out[i].dim, p->dim, sizeof out[i].dim);
        out[i].dtype = F32;
    }
    for (int k = 0; k < STATE_KINDS; k++) {
        char *path = state_file(folder, (StateKind)k, e);
        safetensors_begin(w->file + k, path, out, a->count, e);
        free(path);
    }
    free(out);
    return e->status;
}

Status state_files_put(StateWriter *w, StateKind kind, const float *x, int64_t count, Error *e)
{
    for (int64_t i = 0; i < count && e->status == OK; i += PIECE) {
        const int64_t n = min_i64(count - i, PIECE);
        dtype_narrow(w->piece, F32, x + i, n);
        file_put(w->file + kind, w->piece, (size_t)n * sizeof *x, e);
    }
    return e->status;
}

Status state_files_end(StateWriter *w, Error *e)
{
    for (int k = 0; k < STATE_KINDS; k++) {
        snprintf(w->hash[k], sizeof w->hash[k], "%016llx",
                 (unsigned long long)hash_stream_end(&w->file[k].hash));
        file_commit(w->file + k, e);
    }
    free(w->piece);
    w->piece = NULL;
    return e->status;
}

/* ----------------------------------------------------------------------------------- reading */

/* Where the values begin; the header is that of the parameters. */
static Status read_header(const SafeTensors *s, const Optimiser *a, int64_t *begin, Error *e)
{
    if (e->status != OK)
        return e->status;
    for (int64_t i = 0; i < a->count; i++) {
        const Param *p = a->trained[i].p;
        const Tensor *t = i < s->count ? s->tensor + i : NULL;
        if (!t || strcmp(t->name, p->name) || t->dtype != F32 || t->count != p->count)
            return error_set(e, BAD_INPUT, "%s: lacks tensor %s at place %lld or has it with another shape",
                             s->path, p->name, (long long)i + 1);
    }
    *begin = s->count ? s->tensor[0].data - s->map.data : 0;
    return OK;
}

Status state_files_open(StateReader *r, const Optimiser *a, const char *folder, Error *e)
{
    *r = (StateReader){0};
    for (int k = 0; k < STATE_KINDS; k++) {
        SafeTensors header;
        char *path = state_file(folder, (StateKind)k, e);
        safetensors_open(&header, path, e);
        file_open(r->file + k, path, e);
        read_header(&header, a, &r->file[k].at, e);
        safetensors_close(&header);
        free(path);
    }
    return e->status;
}

Status state_files_get(StateReader *r, StateKind kind, float *x, int64_t count, Error *e)
{
    file_get(r->file + kind, x, (size_t)count * sizeof *x, e);
    for (int64_t i = 0; i < count && e->status == OK; i++) {
        const uint32_t bits = load_u32(x + i);
        memcpy(x + i, &bits, sizeof bits);
    }
    return e->status;
}

void state_files_close(StateReader *r)
{
    for (int k = 0; k < STATE_KINDS; k++)
        file_close(r->file + k);
}
