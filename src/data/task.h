/* The benchmarks that the paper uses, as tasks: what the annotator is told, which metric is
 * standard. */
#ifndef MPA_DATA_TASK_H
#define MPA_DATA_TASK_H

typedef struct {
    const char *name;   /* textvqa, stvqa, chartqa, okvqa */
    const char *metric; /* vqa, anls, relaxed */
    const char *prompt; /* to the pseudo annotator */
} Task;

const Task *task_find(const char *name); /* NULL: unknown */

#endif
