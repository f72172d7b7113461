/* Bad inputs through the program as users have it. Each is answered with the promised status, a message that
 * names what is wrong, nothing on standard output, in less than 3 s and 256 MiB, and never by a signal. */
#ifndef MPA_TESTS_HOSTILE_HOSTILE_H
#define MPA_TESTS_HOSTILE_HOSTILE_H

#include "fixture/scratch.h"

#include "base/text.h"

typedef struct {
    Scratch scratch;
    int cases, failed;
} Hostile;

/* A row of a table: what is written, what the message must hold. */
typedef struct {
    const char *name, *text, *word;
} BadText;

void hostile_begin(Hostile *h);
/* Prints the number of cases; fails where one failed, or where there are fewer than `least`. */
void hostile_end(Hostile *h, int least);

/* Runs mpa with the arguments (NULL at the end). */
void hostile_case(Hostile *h, const char *name, int status, const char *word, const char *const *arguments);
/* Appends what a reader would take some 250 MiB for, two million empty lists, each with a comma behind it. */
void hostile_lists(Text *t);
/* The path of NAME in the scratch folder; good as long as `h`. */
const char *hostile_file(Hostile *h, const char *name, const void *bytes, size_t count);

#endif
