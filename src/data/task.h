/* Tasks: what the annotator is told, which metric is standard, how a data set file is laid out. The
 * benchmarks that the paper uses are rows in task.c; a benchmark is added by a row there and its word in the
 * row of data.task (config/keys.c). A task of one's own is an INI file (task_file.c). */
#ifndef MPA_DATA_TASK_H
#define MPA_DATA_TASK_H

#include "base/memory.h"
#include "config/config.h"

/* The two halves of a data set, which may name their pictures differently. */
typedef enum { SPLIT_TRAIN, SPLIT_TEST, SPLITS } Split;

/* How a picture's path is made: prefix, value of a field (a number of at least so many digits where
 * `digits` is not 0, else a string), suffix. */
typedef struct {
    const char *prefix;
    int digits;
    const char *suffix;
} PicturePath;

typedef struct {
    const char *name;   /* as data.task has it */
    int metric;         /* METRIC_VQA, ... */
    const char *prompt; /* to the pseudo annotator */

    /* A data set file: a list of objects, or an object whose field `list` is one (NULL: a list). */
    const char *list;
    const char *question, *answers; /* fields of an object: text; a text or a list of texts */
    const char *id;                 /* field of an integer or a string */
    bool counts;                    /* ids may be absent: objects are counted from 0 */
    const char *image;              /* field that names the picture */
    PicturePath picture[SPLITS];

    Arena memory; /* of the strings of a file; empty in a row */
} Task;

const Task *task_find(const char *name); /* the row of a benchmark; NULL: it is none */

/* The benchmark or the file that data.task names. BAD_USAGE names file, line, key and what is allowed.
 * Owned: task_close, also after a failure. */
Status task_open(Task *t, const Config *c, Error *e);
void task_close(Task *t);
/* Reads an INI file with a section [task] into *t, whose defaults are set (task_file.c). */
Status task_read_file(Task *t, const char *path, Error *e);
/* The task's own metric; METRIC_MPA after a failure. */
int task_metric(const Config *c, Error *e);

#endif
