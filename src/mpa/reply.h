/* The pseudo annotator's text taken apart. */
#ifndef MPA_MPA_REPLY_H
#define MPA_MPA_REPLY_H

#include "base/error.h"

/* A piece of a text. Borrowed; start NULL: there is none. */
typedef struct {
    const char *start;
    size_t count; /* in bytes */
} Span;

/* question: what stands between the first "Question:" that has a question mark on the line where
 * its text starts, and that mark, without it; answer: the rest of the line after the first
 * "Answer:". Case is ignored, white space around them is left out. These are the published regular
 * expressions Question:\s*(.*?)\? and Answer:\s*(.*). */
void reply_find(const char *text, Span *question, Span *answer);
/* Both as strings: NULL where there is none, else owned by the caller. */
Status reply_parse(const char *text, char **question, char **answer, Error *e);

#endif
