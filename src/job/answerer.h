/* Who answers questions: a model on this machine (answer_model.c), or a file of answers made
 * elsewhere (answer_file.c). Another kind is one more file here with a function that makes its
 * Answerer. */
#ifndef MPA_JOB_ANSWERER_H
#define MPA_JOB_ANSWERER_H

#include "job/job.h"
#include "job/questions.h"

typedef struct Answerer Answerer;
struct Answerer {
    /* texts[q->count], zeroed by the caller: the answer to each question, owned by the caller;
     * NULL where there is none. */
    Status (*answer)(Answerer *a, const Questions *q, char **texts, Error *e);
    bool looks;                    /* at the pictures: questions need their files */
    const char *source;            /* checkpoint folder or file; borrowed */
    const char *adapter;           /* folder of the model's adapter; NULL or "": none; borrowed */
    const char *question, *suffix; /* of a file (answerer_file); borrowed */
    const Job *job;
    const char *journal; /* its name (journal.h); borrowed */
    int64_t max_new_tokens;
    int64_t unmatched; /* after `answer`: questions without an answer, and answers without a question */
};

/* The model in the checkpoint folder, with run.seed, [image] and generation_config.json. What is
 * answered is kept in the journal (journal.h). */
Answerer answerer_model(const Job *j, const char *folder, const char *journal, int64_t max_new_tokens);
/* How many questions of `rows` tokens a model answers at a time: annotate.batch, or the largest of 32, 16,
 * ... whose memory is at most half of what there is. */
int64_t answerer_group(const Job *j, const Vlm *vlm, int64_t rows, int64_t max_new_tokens);
/* The rows {question_id, predictions} of a JSON file, joined by id as text; the last of a duplicate
 * counts; null, or no predictions, is an empty answer. An answer belongs to its question: where a row's field
 * `question` is a string, it and `suffix` must be the text that is asked. question NULL: ids alone
 * count. */
Answerer answerer_file(const char *path, const char *question, const char *suffix);

/* Asks and puts the answers where they belong: texts[i] for row i of the caller, owned by it; a
 * text that is there already is replaced. */
Status answerer_ask(Answerer *a, const Questions *q, char **texts, Error *e);

#endif
