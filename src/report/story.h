/* Everything that happened to one picture of a run, as one JSON object; `mpa explain` tells it. */
#ifndef MPA_REPORT_STORY_H
#define MPA_REPORT_STORY_H

#include "job/job.h"

/* The story of the picture with this id (as text):
 *   {"id", "image",
 *    "annotate": {"model", "prompt", "raw", "question", "answer", "question_at", "answer_at"},
 *    "identify": {"asked", "answer" (normalised), "student": {...}, "teacher": {...}, "decision",
 *                 "reason"},
 *    "level": {"kept", "held_out", "updates": [{"epoch", "step", "loss"}]},
 *    "now": {...}}
 * where {...} is {"said", "normalised", "contains"}: an answer, and whether the annotated one stands
 * in it. question_at and answer_at are [first byte, bytes] in raw. What is not known is null. The
 * aligned student is asked, once, where there is one. Owned reference.
 *
 * BAD_INPUT: there is no such picture; the message names those with the nearest ids. */
json_t *story_of(const Job *j, const char *id, Error *e);

/* BAD_USAGE: the run folder holds no story yet. */
Status story_nothing(const Job *j, Error *e);

#endif
