/* A line holds what one process has spent on one stage up to then,
 *   {"part", "stage", "seconds", "prompt_tokens", "answer_tokens", "peak_bytes", "read_bytes", "threads",
 *    "ended"}
 * and the last line of a part counts. So a file is only appended to, and what a killed process had said stays:
 * its part has no line that is "ended". */
#include "job/cost.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/parallel.h"

#include <math.h>
#include <stdlib.h>

static const char file_name[] = "costs.jsonl";
static const char *const sums[] = {"seconds", "prompt_tokens", "answer_tokens", "read_bytes"};
static const char *const largest[] = {"peak_bytes", "threads"};

static Status write_line(const Job *j, bool ended, Error *e)
{
    Cost *c = j->cost;
    Text line = {0};
    char *path = job_path(j, file_name, e);
    json_t *o =
        json_pack("{s:I, s:s, s:f, s:I, s:I, s:I, s:I, s:I, s:b}", "part", (json_int_t)c->part, "stage",
                  c->stage, "seconds", clock_seconds() - c->start, "prompt_tokens", (json_int_t)c->prompts,
                  "answer_tokens", (json_int_t)c->answers, "peak_bytes", (json_int_t)memory_peak(),
                  "read_bytes", (json_int_t)(bytes_read() - c->read_before), "threads",
                  (json_int_t)parallel_threads(), "ended", ended);
    json_print(&line, o, JSON_COMPACT | JSON_REAL_PRECISION(6), e);
    text_add(&line, "\n", e);
    if (path)
        file_append(path, text_string(&line), line.count, e);
    c->written = clock_seconds();
    json_decref(o);
    text_free(&line);
    free(path);
    return e->status;
}

Status cost_begin(const Job *j, const char *stage, Error *e)
{
    if (!j->cost || e->status != OK)
        return e->status;
    job_cut_partial_line(j, file_name, e);
    json_t *lines = job_read_lines(j, file_name, e);
    const json_t *line;
    size_t i;
    int64_t last = 0;
    json_array_foreach(lines, i, line)
    {
        const int64_t part = json_integer_value(json_object_get(line, "part"));
        last = part > last ? part : last;
    }
    json_decref(lines);
    memory_peak_restart();
    *j->cost = (Cost){.stage = stage,
                      .part = last + 1,
                      .start = clock_seconds(),
                      .written = clock_seconds(),
                      .read_before = bytes_read()};
    return e->status;
}

Status cost_add(const Job *j, int64_t prompts, int64_t answers, Error *e)
{
    const double interval = 20;
    if (!j->cost || !j->cost->stage || e->status != OK)
        return e->status;
    j->cost->prompts += prompts;
    j->cost->answers += answers;
    return clock_seconds() - j->cost->written > interval ? write_line(j, false, e) : e->status;
}

Status cost_end(const Job *j, Error *e)
{
    const double instant = 0.1; /* of a stage that found everything done */
    Error why = {0};
    if (!j->cost || !j->cost->stage)
        return e->status;
    if (j->cost->prompts || j->cost->answers || clock_seconds() - j->cost->start > instant)
        write_line(j, true, &why);
    *j->cost = (Cost){0};
    return error_take(e, &why);
}

/* ------------------------------------------------------------------------------------------- the sum */

static double number(const json_t *o, const char *key)
{
    return json_number_value(json_object_get(o, key));
}

/* Adds a part's last line to the sum of this name. */
static Status add_part(json_t *all, const char *stage, const json_t *line, Error *e)
{
    if (!json_object_get(all, stage))
        json_put(all, stage, json_object(), e);
    json_t *sum = json_object_get(all, stage);
    for (size_t i = 0; i < sizeof sums / sizeof *sums; i++)
        json_put(sum, sums[i], json_real(number(sum, sums[i]) + number(line, sums[i])), e);
    const bool cut = !json_is_true(json_object_get(line, "ended"));
    for (size_t i = 0; i < sizeof largest / sizeof *largest; i++)
        json_put(sum, largest[i], json_real(fmax(number(sum, largest[i]), number(line, largest[i]))), e);
    json_put(sum, "parts", json_real(number(sum, "parts") + 1), e);
    return json_put(sum, "cut", json_real(number(sum, "cut") + cut), e);
}

json_t *cost_read(const Job *j, Error *e)
{
    json_t *all = json_object();
    json_t *lines = job_read_lines(j, file_name, e);
    const size_t n = json_array_size(lines);
    for (size_t i = 0; i < n && e->status == OK; i++) {
        const json_t *line = json_array_get(lines, i);
        const json_t *next = json_array_get(lines, i + 1);
        const json_t *part = json_object_get(line, "part");
        const char *stage = json_string_value(json_object_get(line, "stage"));
        if (stage &&
            (!next || !json_equal(json_object_get(next, "part"), part))) { /* lines of a part are together */
            add_part(all, stage, line, e);
            add_part(all, COST_ALL, line, e);
        }
    }
    json_decref(lines);
    return all;
}
