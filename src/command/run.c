/* The commands that take a configuration: run, and each stage alone. */
#include "command/command.h"

#include "base/file.h"
#include "base/folder.h"
#include "base/lock.h"
#include "base/memory.h"
#include "base/options.h"
#include "base/parallel.h"
#include "base/signals.h"
#include "image/image.h"
#include "job/run_folder.h"
#include "tensor/gemm.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What influences the numbers, once at the start. */
static void print_header(const Stage *s)
{
    double gib = 1073741824;
    log_info(&s->log, "mpa %s: %s; run folder %s", MPA_VERSION, s->config.path, s->folder);
    log_info(&s->log, "mpa: %d threads; %s; JPEG by %s; seed %lld; %.1f GiB of memory available",
             parallel_threads(), gemm_description(), image_jpeg_decoder(), (long long)s->config.run.seed,
             (double)stage_memory(s) / gib);
}

/* Reads the configuration. *stop: nothing more is to be done (--dump-config). */
static Status stage_begin(Stage *s, Invocation *in, bool *stop, Error *e)
{
    bool dump = false;
    const Option options[] = {
        {.name = "dump-config", .given = &dump}, {.name = "force", .given = &s->force}, {0}};
    *stop = false;
    s->log = in->log;
    s->stop = signals_flag();
    if (options_parse(options, in->arguments, &in->count, e) != OK)
        return e->status;
    if (!in->count)
        return error_set(e, BAD_USAGE, "a configuration file is needed");
    Status status = config_load(&s->config, in->arguments[0], in->arguments + 1, in->count - 1, e);
    if (status != OK || dump) {
        Text text = {0};
        *stop = true;
        if (status == OK && (status = config_dump(&s->config, &text, e)) == OK &&
            fputs(text_string(&text), stdout) < 0)
            status = error_set(e, FAILED, "standard output: cannot write");
        text_free(&text);
        return status;
    }
    if ((status = config_require(&s->config, &s->config.run.dir, e)) != OK)
        return status;
    s->folder = s->config.run.dir;
    parallel_set_threads((int)s->config.run.threads);
    if (gemm_start(e) != OK)
        return e->status;
    print_header(s);
    return folder_make(s->folder, e);
}

/* Share of annotations.json with both question and answer, and number of kept pairs; -1: no such
 * file. */
static void count_pairs(const Stage *s, int64_t *pictures, int64_t *parsed, int64_t *kept)
{
    Error e = {0};
    Json j;
    char *annotations = stage_path(s, "annotations.json", &e), *parity = stage_path(s, "parity.json", &e);
    *pictures = *parsed = *kept = -1;
    if (annotations && stage_read_list(&j, annotations, &e) == OK) {
        *pictures = (int64_t)json_array_size(j.root);
        *parsed = 0;
        for (size_t i = 0; i < json_array_size(j.root); i++) {
            const json_t *o = json_array_get(j.root, i);
            *parsed += json_is_string(json_object_get(o, "predicted_question")) &&
                       json_is_string(json_object_get(o, "predicted_answer"));
        }
        json_close(&j);
    }
    e = (Error){0};
    if (parity && stage_read_list(&j, parity, &e) == OK) {
        *kept = (int64_t)json_array_size(j.root);
        json_close(&j);
    }
    free(annotations);
    free(parity);
}

static void print_score_row(const json_t *scores, const char *model, const char *title)
{
    const json_t *o = json_object_get(scores, model), *v;
    const char *name;
    if (!o)
        return;
    printf("  %-18s", title);
    json_object_foreach((json_t *)(uintptr_t)o, name, v) printf("  %-7s %6.1f", name, json_number_value(v));
    printf("\n");
}

/* The table of the paper: student, aligned student, teacher, and how much of the gap is closed. */
static Status print_scores(const Stage *s, Error *e)
{
    Json j;
    int64_t pictures, parsed, kept;
    char *path = stage_path(s, "scores.json", e);
    Status status = path ? json_open(&j, path, 1 << 20, e) : NO_MEMORY;
    free(path);
    if (status != OK)
        return status;
    count_pairs(s, &pictures, &parsed, &kept);
    printf("accuracy in percent (task %s)\n", s->config.data.task);
    print_score_row(j.root, "student", "student");
    print_score_row(j.root, "aligned", "aligned student");
    print_score_row(j.root, "teacher", "teacher");
    print_score_row(j.root, "predictions", "predictions");
    const json_t *before = json_object_get(j.root, "gap_before"),
                 *after = json_object_get(j.root, "gap_after"),
                 *closed = json_object_get(j.root, "gap_closed");
    if (before && after)
        printf("  gap to the teacher  %.1f before, %.1f after%s", json_number_value(before),
               json_number_value(after), closed ? "" : "\n");
    if (closed)
        printf(": %.0f %% closed\n", 100 * json_number_value(closed));
    if (pictures >= 0)
        printf("  pictures annotated  %lld, of which %lld parsed (%.1f %%)\n", (long long)pictures,
               (long long)parsed, pictures ? 100 * (double)parsed / (double)pictures : 0);
    if (kept >= 0)
        printf("  pairs kept          %lld\n", (long long)kept);
    json_close(&j);
    return OK;
}

/* What a later stage lacks is said before hours are spent on the earlier ones. */
static Status stage_check_run(Stage *s, Error *e)
{
    const Config *c = &s->config;
    bool annotated = stage_has(s, "annotations.json") || *c->teacher.annotations;
    bool answered =
        stage_has(s, "parity.json") || (annotated && (stage_has(s, "teacher.json") || *c->teacher.answers));
    const char *const *const folders[] = {&c->teacher.model, &c->student.model};
    if (!answered)
        config_require(c, &c->teacher.model, e);
    if (!annotated && e->status == OK)
        config_require(c, &c->data.images, e);
    if (e->status == OK && config_require(c, &c->student.model, e) == OK)
        config_require(c, &c->evaluate.questions, e);
    for (int i = 0; i < 2 && e->status == OK; i++)
        if (**folders[i] && !file_is_folder(*folders[i]))
            error_set(e, BAD_INPUT, "%s = %s: there is no such folder", config_name(c, folders[i]),
                      *folders[i]);
    if (e->status == OK && file_size(c->evaluate.questions) < 0)
        error_set(e, BAD_INPUT, "evaluate.questions = %s: there is no such file", c->evaluate.questions);
    return e->status;
}

static Status run_stages(Invocation *in, StageFunction *const *stages, int count, bool scores, Error *e)
{
    Stage s = {0};
    FolderLock lock = {0};
    bool stop;
    Status status = stage_begin(&s, in, &stop, e);
    if (status == OK && !stop)
        status = folder_lock(&lock, s.folder, e);
    for (int i = 0; i < count && status == OK && !stop; i++) {
        double begin = clock_seconds();
        status = stages[i](&s, e);
        if (status == OK && stages[i] != stage_check_run)
            log_info(&s.log, "  %.1f s, at most %.0f MiB so far", clock_seconds() - begin,
                     (double)memory_peak() / 1048576);
    }
    if (status == OK && !stop && scores)
        status = print_scores(&s, e);
    folder_unlock(&lock);
    config_free(&s.config);
    return status;
}

Status command_run(Invocation *in, Error *e)
{
    StageFunction *const stages[] = {stage_check_run, stage_annotate, stage_identify, stage_level,
                                     stage_evaluate};
    return run_stages(in, stages, 5, true, e);
}

Status command_annotate(Invocation *in, Error *e)
{
    return run_stages(in, (StageFunction *const[]){stage_annotate}, 1, false, e);
}

Status command_identify(Invocation *in, Error *e)
{
    return run_stages(in, (StageFunction *const[]){stage_identify}, 1, false, e);
}

Status command_level(Invocation *in, Error *e)
{
    return run_stages(in, (StageFunction *const[]){stage_level}, 1, false, e);
}

Status command_evaluate(Invocation *in, Error *e)
{
    return run_stages(in, (StageFunction *const[]){stage_evaluate}, 1, true, e);
}
