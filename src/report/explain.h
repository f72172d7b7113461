/* A picture's story in words. */
#ifndef MPA_REPORT_EXPLAIN_H
#define MPA_REPORT_EXPLAIN_H

#include "base/json.h"

/* Appends the story (story.h) as text for a terminal of any width. */
Status explain_text(Text *out, const json_t *story, Error *e);

#endif
