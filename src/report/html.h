/* HTML from texts that strangers wrote. */
#ifndef MPA_REPORT_HTML_H
#define MPA_REPORT_HTML_H

#include "base/text.h"

/* Appends a text so that it is nothing but text, between tags and in quoted attributes: & < > " ' are escaped;
 * control characters and marks of direction show their number, U+202E; bytes that are no UTF-8 become
 * U+FFFD. NULL is empty. */
Status html_text(Text *out, const char *words, Error *e);
/* The same of at most so many code points, then an ellipsis. */
Status html_clipped(Text *out, const char *words, int64_t most, Error *e);
/* A number with its thousands apart: 12,345. */
Status html_count(Text *out, int64_t count, Error *e);
/* "<TAG>words</TAG>", clipped at a length that suits tables. */
Status html_element(Text *out, const char *tag, const char *words, Error *e);

#endif
