/* The annotated pairs that the parity identifier works on. */
#ifndef MPA_MPA_PAIRS_H
#define MPA_MPA_PAIRS_H

#include "job/job.h"

/* Who answers the pairs' questions. */
enum { STUDENT, TEACHER, ANSWERERS };

/* One annotated picture and what became of it. Strings are borrowed from the JSON file, but for
 * the answers. */
typedef struct {
    const json_t *id;
    const char *image;
    const char *question, *answer; /* of the annotation; NULL: it holds none */
    json_t *given;                 /* the answer as the file has it, a string or a number; owned reference */
    char *said[ANSWERERS];         /* owned; NULL: not asked, or no answer */
    char *fault;                   /* why its picture cannot be read; NULL: nothing is known; owned */
    Text normal_answer;            /* the annotated answer as it is compared (data/match.h) */
    Text normal_said[ANSWERERS];
    bool kept;
} Pair;

typedef struct {
    Pair *pair;
    int64_t count;
    Json source;       /* the file that the strings belong to */
    int64_t one_sided; /* answers without a pair, and pairs without an answer */
} Pairs;

void pairs_free(Pairs *p);
/* The rows of a file in their order, question and answer from the fields of these names: of rows
 * with the same id (as text) the last one, at the place of the first. */
Status pairs_read(Pairs *p, const char *path, const char *question, const char *answer, Error *e);

/* The same of a list, which is taken over, also after a failure; `name` for messages. */
Status pairs_take(Pairs *p, json_t *list, const char *name, const char *question, const char *answer,
                  Error *e);
/* How many annotations of a list hold both question and answer. */
int64_t annotations_whole(const json_t *annotations);
/* The text of a field: a string as it is; a number or a truth value as Python's str() prints it, which
 * takes its place in the object. NULL: it is neither. Borrowed from the object. */
const char *value_text(json_t *object, const char *key, Error *e);

#endif
