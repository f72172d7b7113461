/* `mpa trace`: what every layer computed for one prompt, as a safetensors file with the names of
 * contract and transformers. */
#ifndef MPA_COMMAND_TRACE_H
#define MPA_COMMAND_TRACE_H

#include "model/sample.h"

/* Writes the trace of one question, with the gradients where `grad` (which needs an answer), to
 * the file OUT. */
Status trace_write(const Vlm *vlm, const Question *q, bool grad, const char *out, Error *e);

#endif
