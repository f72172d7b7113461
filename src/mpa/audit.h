/* audit.jsonl: one line per picture that tells everything that happened to it. */
#ifndef MPA_MPA_AUDIT_H
#define MPA_MPA_AUDIT_H

#include "job/job.h"

/* Borrowed; NULL where it is not known (yet). */
typedef struct {
    const json_t *id;
    const char *image, *raw, *question, *answer; /* raw: the annotator's own words */
    const char *student, *teacher;               /* their answers */
    const char *normal_answer, *normal_student, *normal_teacher;
    const char *decision, *reason;
} AuditLine;

/* Appends the line. */
Status audit_add(Text *audit, const AuditLine *line, Error *e);
Status audit_write(const Job *j, const Text *audit, Error *e);
/* The lines of the audit.jsonl that is there, by id (as text); an empty object when there is none.
 * Owned reference. */
json_t *audit_lines(const Job *j, Error *e);
/* Appends those of them that tell of skipped pictures. */
Status audit_keep_skipped(Text *audit, const json_t *lines, Error *e);
/* Appends how many pairs of the audit.jsonl that is there were decided for which reason: "7 the
 * student is right, 2 the annotation holds no question", the most frequent first; nothing where there
 * is no decision. */
Status audit_reasons(const Job *j, Text *out, Error *e);

#endif
