/* A model elsewhere, asked by files: requests go out in the OpenAI chat form (a line each, as batch
 * interfaces take them), raw replies come back. Nothing is sent by this program. */
#ifndef MPA_JOB_EXCHANGE_H
#define MPA_JOB_EXCHANGE_H

#include "job/answerer.h"

/* Writes a request for each question to the file of --export; where --import is given too, only for those
 * that have no reply there. custom_id is a hash of the picture and the text: so a reply belongs to what was
 * asked, whatever has been added, taken away or edited since, and what is asked twice is written once. */
Status exchange_export(const Job *j, const Questions *q, int64_t max_new_tokens, Error *e);
/* The replies in the file of --import, found by custom_id, or in files made by hand by the question's own
 * id: of several to one request the last that is no error. FAILED: a request has none (with --force these
 * stay unanswered). */
Answerer answerer_replies(const Job *j, const char *journal);

#endif
