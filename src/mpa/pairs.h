/* The annotated pairs that the parity identifier works on, and the answers of files joined to them. */
#ifndef MPA_MPA_PAIRS_H
#define MPA_MPA_PAIRS_H

#include "job/run_folder.h"

/* One annotated picture and what became of it. Strings are borrowed from the JSON files, but for
 * the answers. */
typedef struct {
    const json_t *id;
    const char *image, *question, *answer;
    char *student, *teacher; /* owned; NULL: not asked */
    Text normal[3];          /* of answer, student, teacher */
    bool kept;
} Pair;

typedef struct {
    Pair *pair;
    int64_t count;
    Json source;       /* the file that the strings belong to */
    int64_t one_sided; /* answers on one side only */
} Pairs;

void pairs_free(Pairs *p);
/* The rows of a file in their order, question and answer from the fields of these names: of rows
 * with the same id (as text) the last one, at the place of the first. */
Status pairs_read(Pairs *p, const char *path, const char *question, const char *answer, Error *e);
/* Gives each pair the answer that the file has for its id; counts those without one, and those
 * of the file without a pair. */
Status pairs_join_answers(Pairs *p, const char *path, bool teacher, Error *e);

#endif
