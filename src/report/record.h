/* What a run has recorded, read once, and only what is true: results that something has changed under are
 * left out. */
#ifndef MPA_REPORT_RECORD_H
#define MPA_REPORT_RECORD_H

#include "job/job.h"

/* Lists and objects are empty where there is nothing. Owned: record_close. */
typedef struct {
    const Job *job;   /* borrowed */
    json_t *audit;    /* lines of audit.jsonl by id */
    json_t *scores;   /* scores.json */
    json_t *steps;    /* lines of metrics.jsonl */
    json_t *losses;   /* by id: the losses of a pair in training, one per epoch */
    json_t *made;     /* provenance.json */
    json_t *costs;    /* of each stage (job/cost.h); NULL: not to be shown */
    json_t *left_out; /* names of results that are not true any more */
    json_t *heat;     /* {id: {model: map}} (heat.h); NULL: none are wanted */
    json_t *now;      /* {id: what the aligned student says}, of pictures of the gallery; NULL: not asked */
    json_t *test[MODELS]; /* rows of evaluation/MODEL.json by id; MODEL_STUDENT, ... */
} Record;

Status record_read(Record *r, const Job *j, Error *e);
void record_close(Record *r);
/* Asks the aligned student about the pictures that the gallery shows, those that it has not answered yet. What
 * hinders that is a warning, but for INTERRUPTED. */
Status record_now(Record *r, Error *e);
/* {id: what the aligned student says to its question}, of the audit's pictures with these ids. Owned reference. */
json_t *aligned_answers(const Job *j, const json_t *audit, const json_t *ids, Error *e);
/* Heat maps of so many pairs, those of before or computed now (heat.h). */
Status record_heat(Record *r, int64_t pairs, Error *e);
/* Reads what the work has cost, which is other each time. */
Status record_costs(Record *r, Error *e);

/* A test question as a model answered it: the row, and whether the published rule finds it right. */
typedef struct {
    const char *said; /* NULL: there is no answer. Borrowed */
    bool right;
} Answer;
Answer record_answer(const Record *r, int model, const char *id, Error *e);
/* Whether the line of audit.jsonl is of a pair that was kept. */
bool record_kept(const json_t *line);
/* Of pictures by data, of test questions by evaluation; MODELS names, "aligned student". */
extern const char *const model_title[MODELS];

/* The file of the picture that a line of audit.jsonl asks about; NULL: it asks nothing, or the picture cannot be
 * shown. Owned. */
char *record_picture(const Job *j, const json_t *line, Error *e);
/* The text of a field; NULL: none. Borrowed. */
const char *text_in(const json_t *o, const char *key);
/* A JSON value that nothing here changes, for jansson's functions that want it writable. */
json_t *readable(const json_t *value);

#endif
