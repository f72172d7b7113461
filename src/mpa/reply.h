/* The pseudo annotator's text taken apart. */
#ifndef MPA_MPA_REPLY_H
#define MPA_MPA_REPLY_H

#include "base/error.h"

/* question: what stands between the first "Question:" that has a question mark on the line where
 * its text starts, and that mark, without it; answer: the rest of the line after the first
 * "Answer:". Case is ignored, white space around them removed. NULL where there is none; else
 * owned by the caller. These are the published regular expressions Question:\s*(.*?)\? and
 * Answer:\s*(.*). */
Status reply_parse(const char *text, char **question, char **answer, Error *e);

#endif
