/* What each result of a run depends on: the one table of it. README.md shows it, and a test changes
 * each key and each input in turn. */
#ifndef MPA_MPA_DEPENDS_H
#define MPA_MPA_DEPENDS_H

#include "job/job.h"

/* What stages leave in the run folder to be used again. */
typedef enum {
    RESULT_ANNOTATIONS,
    RESULT_STUDENT, /* the answers of the identifier's student and teacher */
    RESULT_TEACHER,
    RESULT_PARITY,
    RESULT_ALIGNED,
    RESULT_TEST_STUDENT, /* the answers to the test questions */
    RESULT_TEST_ALIGNED,
    RESULT_TEST_TEACHER,
    RESULT_SCORES, /* made anew each time; what of is recorded too */
    RESULTS
} Result;

extern const char *const result_name[RESULTS]; /* its file or folder */

/* One key, or "section.*" for all keys of a section that have no row of their own before it. */
typedef struct {
    const char *key;
    unsigned counts;   /* results that are another with another value: a bit each */
    const char *feeds; /* inputs (below) that are found by the key, with spaces between */
} Dependence;
extern const Dependence depends[]; /* ended by a NULL key */

/* The row of a key; every key has one. */
const Dependence *depends_of(const char *key);
/* Whether the key helps to find the input. */
bool depends_feeds(const char *key, const char *input);

/* What the result would be made of now, {"settings": {key: value}, "inputs": {name: value}}. An input
 * is a hash, or an object of hashes by file, or null where it is not there. Owned reference. */
json_t *depends_now(const Job *j, Result r, Error *e);

#endif
