/* `mpa trace`: what every layer computed for one prompt, as a safetensors file with the names of
 * contract and transformers. */
#ifndef MPA_COMMAND_TRACE_H
#define MPA_COMMAND_TRACE_H

#include "model/vlm.h"

/* What to trace. answer NULL: the prompt alone; grad needs an answer. Borrowed. */
typedef struct {
    const char *const *images;
    int64_t n_images;
    const char *prompt, *answer;
    bool grad;
} TraceRequest;

Status trace_write(const Vlm *vlm, const TraceRequest *request, const char *out, Error *e);

#endif
