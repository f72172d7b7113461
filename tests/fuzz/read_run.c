/* What a run reads besides models: data sets, the configuration, models' replies, the journal, states. */
#include "fuzz/readers.h"

#include "base/file.h"
#include "base/folder.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "config/config.h"
#include "data/items.h"
#include "data/match.h"
#include "job/journal.h"
#include "mpa/reply.h"
#include "train/state.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* In one task's layout, as one split: which, the bytes say. A question has an id and a picture; in a test set it has words and answers too,
 * and nowhere an empty list of answers. */
void fuzz_dataset(const uint8_t *bytes, size_t count)
{
    static const char *const tasks[] = {"textvqa", "stvqa", "chartqa", "okvqa"};
    unsigned layout = 0;
    for (size_t i = 0; i < count; i++)
        layout = layout * 31 + bytes[i];
    const Split split = layout % SPLITS ? SPLIT_TEST : SPLIT_TRAIN;
    const Task *task = task_find(tasks[layout / SPLITS % (sizeof tasks / sizeof *tasks)]);
    Items items = {0};
    Error e = {0};
    dataset_load(&items, task, split, fuzz_file("data.json", bytes, count), &e);
    demand_verdict(&e);
    for (int64_t k = 0; k < items.count; k++) {
        const Item *item = items.item + k;
        demand(item->id && item->image);
        demand(item->answers ? json_array_size(item->answers) > 0 : split == SPLIT_TRAIN);
        demand(item->question || split == SPLIT_TRAIN);
    }
    items_free(&items);
}

/* Whether two dumps are the same but for their comments, which say where a value is from. */
static bool same_values(const char *a, const char *b)
{
    while (*a || *b) {
        const size_t m = strcspn(a, "\n");
        const size_t n = strcspn(b, "\n");
        if (*a == '#' ? *b != '#' : m != n || memcmp(a, b, n))
            return false;
        a += m + (a[m] != 0);
        b += n + (b[n] != 0);
    }
    return true;
}

/* Paths that were made longer may not fit into a line of a file, which has 190 bytes at most. */
static bool lines_fit(const char *text)
{
    while (*text) {
        const size_t n = strcspn(text, "\n");
        if (*text != '#' && n > 190)
            return false;
        text += n + (text[n] != 0);
    }
    return true;
}

/* What a configuration dumps it reads again, to the same. */
void fuzz_ini(const uint8_t *bytes, size_t count)
{
    Config c = {0};
    Config again = {0};
    Text dump = {0};
    Text second = {0};
    Error e = {0};
    config_load(&c, fuzz_file("c.ini", bytes, count), NULL, 0, &e);
    demand(e.status == OK || e.status == BAD_USAGE);
    if (e.status == OK) {
        config_dump(&c, &dump, &e);
        demand(e.status == OK);
    }
    if (e.status == OK && lines_fit(text_string(&dump))) {
        config_load(&again, fuzz_file("again.ini", (const uint8_t *)dump.data, dump.count), NULL, 0, &e);
        config_dump(&again, &second, &e);
        demand(e.status == OK && same_values(text_string(&dump), text_string(&second)));
    }
    config_free(&c);
    config_free(&again);
    text_free(&dump);
    text_free(&second);
}

/* ------------------------------------------------------------------------------------------ replies */

/* What a pattern finds: a piece of the text; start NULL: nothing. */
typedef struct {
    const char *start, *end;
} Found;

static bool same_letter(char a, char b)
{
    return tolower((unsigned char)a) == b;
}

/* The end of `word` at p, or NULL. */
static const char *slow_word(const char *p, const char *word)
{
    for (; *word; p++, word++)
        if (!same_letter(*p, *word))
            return NULL;
    return p;
}

/* Question:\s*(.*?)\?  or  Answer:\s*(.*)  as a backtracking matcher does it, on ASCII: every start, every number
 * of spaces from the most down. */
static Found slow_search(const char *text, const char *word, bool to_mark)
{
    for (const char *p = text; *p; p++) {
        const char *after = slow_word(p, word);
        if (!after)
            continue;
        size_t spaces = 0;
        while (after[spaces] &&
               (isspace((unsigned char)after[spaces]) || (after[spaces] >= 0x1C && after[spaces] <= 0x1F)))
            spaces++;
        for (size_t back = 0; back <= spaces; back++) {
            const char *start = after + spaces - back;
            const char *end = start;
            while (*end && *end != '\n' && !(to_mark && *end == '?'))
                end++;
            if (!to_mark || *end == '?')
                return (Found){start, end};
        }
    }
    return (Found){NULL, NULL};
}

static bool is_space(char c)
{
    return isspace((unsigned char)c) || (c >= 0x1C && c <= 0x1F);
}

static bool same_stripped(Found f, const char *got)
{
    if (!f.start)
        return !got;
    while (f.start < f.end && is_space(*f.start))
        f.start++;
    while (f.end > f.start && is_space(f.end[-1]))
        f.end--;
    return got && strlen(got) == (size_t)(f.end - f.start) && !memcmp(got, f.start, strlen(got));
}

/* The normaliser on ASCII: letters and digits and '_' in lower case. */
static bool same_normalised(const char *text, const char *got)
{
    for (; *text; text++)
        if (isalnum((unsigned char)*text) || *text == '_') {
            if (*got != (char)tolower((unsigned char)*text))
                return false;
            got++;
        }
    return !*got;
}

/* The parser and the normaliser against the slow versions of both. */
void fuzz_reply(const uint8_t *bytes, size_t count)
{
    Error e = {0};
    char *text = memory_copy_bytes((const char *)bytes, count, &e);
    char *question = NULL;
    char *answer = NULL;
    Text normal = {0};
    bool ascii = true;
    for (const char *p = text; *p; p++)
        ascii &= (unsigned char)*p < 0x80;
    reply_parse(text, &question, &answer, &e);
    match_normalise(&normal, text, &e);
    demand(e.status == OK);
    if (ascii) {
        demand(same_stripped(slow_search(text, "question:", true), question));
        demand(same_stripped(slow_search(text, "answer:", false), answer));
        demand(same_normalised(text, text_string(&normal)));
    }
    free(question);
    free(answer);
    text_free(&normal);
    free(text);
}

/* ------------------------------------------------------------------------------- journal and states */

static Status describe(void *who, json_t *context, Error *e)
{
    (void)who;
    return json_put(context, "model", json_string("m"), e);
}

static Status begin(void *who, const Question *q, int64_t *batch, Error *e)
{
    (void)who;
    (void)q;
    *batch = *batch ? *batch : 1;
    return e->status;
}

static Status answer_all(void *who, const Question *questions, const uint64_t *keys, int64_t count,
                         char **texts, Error *e)
{
    (void)who;
    (void)questions;
    (void)keys;
    for (int64_t i = 0; i < count; i++)
        texts[i] = memory_copy("said", e);
    return e->status;
}

/* Whatever stands in a journal, all questions have an answer in the end, or it is refused. */
void fuzz_journal(const uint8_t *bytes, size_t count)
{
    static const volatile int no_stop = 0;
    char folder[400];
    Error e = {0};
    Questions q = {0};
    char *texts[3] = {NULL};
    fuzz_file("answers.jsonl", bytes, count);
    snprintf(folder, sizeof folder, "%s", fuzz_path("."));
    Job job = {.stop = &no_stop, .folder = folder};
    log_init(&job.log, true, false);
    json_t *id = json_integer(1);
    for (int i = 0; i < 3; i++)
        questions_add(&q, i, id, NULL, i ? "what" : "who", NULL, NULL, &e);
    json_decref(id);
    journal_run(&job, "annotate", &q, &(GroupWork){NULL, describe, begin, answer_all}, texts, &e);
    demand_verdict(&e);
    for (int i = 0; i < 3; i++) {
        demand(texts[i] || e.status != OK);
        free(texts[i]);
    }
    questions_free(&q);
}

/* A state's description, with weights of no parameter beside it. */
void fuzz_state(const uint8_t *bytes, size_t count)
{
    Error e = {0};
    char states[400], metrics[400], timings[400];
    Optimiser a = {0};
    snprintf(states, sizeof states, "%s", fuzz_path("states"));
    snprintf(metrics, sizeof metrics, "%s", fuzz_path("metrics.jsonl"));
    snprintf(timings, sizeof timings, "%s", fuzz_path("timings.jsonl"));
    const TrainFiles f = {states, metrics, timings, "fingerprint"};
    if (!file_is_folder(fuzz_path("states/step-1")))
        demand(folder_make(fuzz_path("states/step-1"), &e) == OK);
    fuzz_file("states/step-1/master.safetensors", (const uint8_t *)"\x02\0\0\0\0\0\0\0{}", 10);
    fuzz_file("states/step-1/mean.safetensors", (const uint8_t *)"\x02\0\0\0\0\0\0\0{}", 10);
    fuzz_file("states/step-1/square.safetensors", (const uint8_t *)"\x02\0\0\0\0\0\0\0{}", 10);
    fuzz_file("metrics.jsonl", (const uint8_t *)"line\n", 5);
    fuzz_file("timings.jsonl", (const uint8_t *)"line\n", 5);
    fuzz_file("states/step-1/state.json", bytes, count);
    state_resume(&a, &f, &e);
    demand(e.status == OK || e.status == BAD_INPUT || e.status == BAD_USAGE || e.status == FAILED);
    demand(a.step == 0 || a.step == 1);
}
