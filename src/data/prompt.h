/* The instruction to the pseudo annotator. */
#ifndef MPA_DATA_PROMPT_H
#define MPA_DATA_PROMPT_H

#include "config/config.h"

/* Appends annotate.prompt, or else the task's instruction. *about, if not NULL, gets what is known of it:
 * where it comes from, and whose it is. */
Status prompt_load(Text *out, Text *about, const Config *c, Error *e);
/* Appends an instruction from a file, byte for byte. BAD_INPUT: it is empty or holds a NUL byte. */
Status prompt_read(Text *out, const char *path, Error *e);
/* Whose instruction these bytes are: "" where nobody's that is known. */
const char *prompt_known(const char *bytes, size_t count);

#endif
