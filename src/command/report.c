/* `mpa report`: the page of a run, or of several beside each other. */
#include "command/command.h"

#include "base/file.h"
#include "base/lock.h"
#include "base/memory.h"
#include "base/parallel.h"
#include "base/printable.h"
#include "base/signals.h"
#include "mpa/stage.h"
#include "report/heat.h"
#include "report/page.h"
#include "report/story.h"
#include "tensor/gemm.h"

#include <stdlib.h>
#include <string.h>

enum { RUNS = 26 }; /* they are called A to Z */

/* One of the runs. */
typedef struct {
    Job job;
    FolderLock lock;
    Record record;
} ReportedRun;

/* What is shown must be true. */
static Status open_run(ReportedRun *r, Invocation *in, const char *path, char *const *overrides, int count,
                       Error *e)
{
    r->job = (Job){.log = in->log, .version = MPA_VERSION, .hashes = json_object(), .stop = signals_flag()};
    r->job.log.quiet = !in->log.verbose; /* what has changed is in the error */
    if (e->status == OK)
        config_load(&r->job.config, path, overrides, count, e);
    if (e->status == OK)
        config_require(&r->job.config, &r->job.config.run.dir, e);
    r->job.folder = r->job.config.run.dir;
    if (e->status == OK && !file_is_folder(r->job.folder))
        story_nothing(&r->job, e);
    folder_lock(&r->lock, r->job.folder, e);
    stage_check_results(&r->job, stages, STAGES, e);
    if (e->status == OK)
        record_read(&r->record, &r->job, e);
    if (e->status == OK && !job_has(&r->job, "audit.jsonl") && !job_has(&r->job, "scores.json"))
        story_nothing(&r->job, e);
    return error_prefix(e, "%s", path);
}

static void close_run(ReportedRun *r)
{
    record_close(&r->record);
    folder_unlock(&r->lock);
    config_free(&r->job.config);
    json_decref(r->job.hashes);
}

/* The arguments before the first section.key=value are configurations. */
static int configurations(const Invocation *in)
{
    int n = 0;
    while (n < in->count && (!strchr(in->arguments[n], '=') || file_exists(in->arguments[n])))
        n++;
    return n;
}

static Status write_page(const ReportedRun *runs, int count, Error *e)
{
    Text page = {0};
    Record *records = memory_new(count, sizeof *records, e);
    for (int i = 0; records && i < count; i++)
        records[i] = runs[i].record;
    if (records)
        page_write(&page, records, count, e);
    if (e->status == OK)
        job_write_text(&runs->job, "report.html", &page, e);
    if (e->status == OK)
        output("%s/report.html\n", runs->job.folder);
    free(records);
    text_free(&page);
    return e->status;
}

static Status run(Invocation *in, Error *e)
{
    bool bare = false;
    const char *heat = NULL;
    int64_t pairs = HEAT_PAIRS;
    const Option options[] = {
        {.name = "no-costs", .given = &bare}, {.name = "heat", .takes_value = true, .value = &heat}, {0}};
    options_parse(options, in->arguments, &in->count, e);
    command_integer(heat, "heat", 0, 100000, &pairs, e);
    const int count = configurations(in);
    if (e->status == OK && !count)
        error_arguments(e, "a configuration file is needed");
    if (e->status == OK && count > RUNS)
        error_arguments(e, "%d runs are too many for a page; wanted at most %d", count, RUNS);
    ReportedRun *runs = memory_new(count, sizeof *runs, e);
    gemm_start(e);
    int opened = 0;
    for (; opened < count && e->status == OK; opened++) {
        open_run(runs + opened, in, in->arguments[opened], in->arguments + count, in->count - count, e);
        for (int i = 0; i < opened && e->status == OK; i++)
            if (!strcmp(runs[i].job.folder, runs[opened].job.folder))
                error_set(e, BAD_USAGE, "%s and %s have the same run folder", in->arguments[i],
                          in->arguments[opened]);
    }
    if (opened)
        parallel_set_threads((int)runs->job.config.run.threads);
    if (e->status == OK && pairs)
        record_now(&runs->record, e);
    if (e->status == OK)
        record_heat(&runs->record, pairs, e);
    for (int i = 0; i < opened && !bare && e->status == OK; i++)
        record_costs(&runs[i].record, e);
    if (e->status == OK)
        write_page(runs, count, e);
    for (int i = 0; i < opened; i++)
        close_run(runs + i);
    free(runs);
    return e->status;
}

const Command command_report = {
    "report", run, "CONF [CONF2 ...] [--heat N] [--no-costs] [section.key=value ...]",
    "report.html: what was learned, what was kept and why, with pictures; several runs compared",
    "The page lies in the run folder of CONF. It is one file, without scripts, that asks the network for "
    "nothing;\n`mpa run` writes it at its end. Overrides count for all runs.\n"
    "  --heat N   heat maps of N kept pairs (default 12), of CONF: where teacher, student and aligned "
    "student\n"
    "             looked. Each takes a pass forward and backward; heat.jsonl keeps them. 0: no model is "
    "opened,\n"
    "             nor is the aligned student asked about the pictures that are shown\n"
    "  --no-costs without seconds, tokens, memory and bytes: then the same results give the same bytes\n"};
