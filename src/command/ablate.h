/* The variants of `mpa ablate` and their table. */
#ifndef MPA_COMMAND_ABLATE_H
#define MPA_COMMAND_ABLATE_H

#include "job/job.h"

enum { ABLATE_KEYS = 8, ABLATE_SEEDS = 31 }; /* at most */

/* One setting of the keys that vary, and one size; a run for each seed. */
typedef struct {
    const char *value[ABLATE_KEYS]; /* "KEY=VALUE"; NULL ends them; borrowed */
    double size;                    /* part of the pictures */
    Text name;                      /* of all that, as its folders begin; owned */
} Variant;

/* Prints the table on standard output, and writes it as ablate/table.json and, for people, ablate/report.html: for each variant what its aligned
 * student scores, the mean over the seeds and its 95 % interval. base: the run that the variants start from;
 * folder[variants * seeds]: their run folders. */
Status ablate_table(const Job *base, const Variant *variant, char *const *folder, int64_t variants,
                    int64_t seeds, Error *e);

#endif
