/* The benchmarks that the paper uses, one row each: what the annotator is told, which metric is
 * standard, how a data set file is laid out. A benchmark is added by a row here and its word in
 * the row of data.task (config/keys.c). */
#ifndef MPA_DATA_TASK_H
#define MPA_DATA_TASK_H

#include "config/config.h"

/* The two halves of a data set, which may name their pictures differently. */
typedef enum { SPLIT_TRAIN, SPLIT_TEST, SPLITS } Split;

typedef struct {
    const char *name;   /* as data.task has it */
    int metric;         /* METRIC_VQA, ... */
    const char *prompt; /* to the pseudo annotator */

    /* A data set file: a list of objects, or an object whose field `list` is one (NULL: a list). */
    const char *list;
    const char *question, *answers; /* fields of an object: text; a text or a list of texts */
    /* Field that names the picture, and how its path is made of it: prefix of the split, value (a
     * number of at least so many digits where `digits` is not 0, else a string), suffix. */
    const char *image;
    const char *prefix[SPLITS];
    int digits;
    const char *suffix;
} Task;

const Task *task_find(const char *name); /* NULL: unknown */

#endif
