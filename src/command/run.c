/* The commands that work in a run folder: `mpa run`, and each stage alone. The folder is locked
 * meanwhile. */
#include "command/command.h"

#include "base/folder.h"
#include "base/lock.h"
#include "base/parallel.h"
#include "base/signals.h"
#include "command/plan.h"
#include "command/scores.h"
#include "image/image.h"
#include "job/cost.h"
#include "mpa/stage.h"
#include "report/heat.h"
#include "report/page.h"
#include "tensor/gemm.h"

#include <stdio.h>
#include <string.h>

/* What influences the numbers, once at the start. */
static void print_header(const Job *j)
{
    const double room = (double)job_memory(j) / 1073741824;
    char arithmetic[GEMM_DESCRIPTION];
    char memory[60] = "";
    if (room > 0) /* else the system does not say */
        snprintf(memory, sizeof memory, "; %.1f GiB of memory available", room);
    log_info(&j->log, "mpa %s: %s; run folder %s", MPA_VERSION, j->config.path, j->folder);
    log_info(&j->log, "mpa: %d threads; %s", parallel_threads(), gemm_description(arithmetic));
    log_info(&j->log, "mpa: JPEG by %s; seed %lld%s", image_jpeg_decoder(), (long long)j->config.run.seed,
             memory);
}

/* The value of an option that is one of two words; *second: whether it is the second. */
static void choose(const char *value, const char *option, const char *a, const char *b, bool *second,
                   Error *e)
{
    *second = !strcmp(value, b);
    if (e->status == OK && !*second && strcmp(value, a))
        error_arguments(e, "--%s %s: wanted %s or %s", option, value, a, b);
}

/* Reads the configuration; *dump: it is to be printed, and nothing else done. exchange: the options of a
 * model elsewhere are known. */
static Status read_config(Job *j, Invocation *in, bool exchange, bool *dump, Error *e)
{
    enum { EXCHANGE = 5 }; /* the first options, which not all commands have */
    const char *pictures = "data";
    const char *who = "teacher";
    const char *adapter = NULL;
    Text override = {0};
    const Option options[] = {{.name = "export", .takes_value = true, .value = &j->exchange.export_path},
                              {.name = "import", .takes_value = true, .value = &j->exchange.import_path},
                              {.name = "name", .takes_value = true, .value = &j->exchange.model},
                              {.name = "pictures", .takes_value = true, .value = &pictures},
                              {.name = "of", .takes_value = true, .value = &who},
                              {.name = "dump-config", .given = dump},
                              {.name = "force", .given = &j->force},
                              {.name = "redo", .takes_value = true, .value = &j->redo},
                              {.name = "adapter", .takes_value = true, .value = &adapter},
                              {0}};
    j->log = in->log;
    j->stop = signals_flag();
    options_parse(options + (exchange ? 0 : EXCHANGE), in->arguments, &in->count, e);
    choose(pictures, "pictures", "data", "paths", &j->exchange.paths, e);
    choose(who, "of", "teacher", "student", &j->exchange.student, e);
    if (e->status == OK && !in->count)
        error_arguments(e, "a configuration file is needed");
    if (adapter) { /* the option itself has left room for it */
        text_format(&override, e, "student.adapter=%s", adapter);
        in->arguments[in->count] = override.data;
        in->count++;
    }
    if (e->status == OK)
        config_load(&j->config, in->arguments[0], in->arguments + 1, in->count - 1, e);
    text_free(&override);
    return e->status;
}

static Status dump_config(const Config *c, Error *e)
{
    Text text = {0};
    config_dump(c, &text, e);
    command_print(text_string(&text), text.count, e);
    text_free(&text);
    return e->status;
}

/* Gets threads, arithmetic and the run folder ready. */
static Status start(Job *j, Error *e)
{
    config_require(&j->config, &j->config.run.dir, e);
    j->folder = j->config.run.dir;
    parallel_set_threads((int)j->config.run.threads);
    gemm_start(e);
    if (e->status == OK)
        print_header(j);
    return folder_make(j->folder, e);
}

/* --redo names one of the stages that the command does, or all. */
static Status check_redo(const Job *j, const Stage *const *wanted, int count, Error *e)
{
    bool known = !j->redo || !strcmp(j->redo, "all");
    for (int i = 0; i < count; i++)
        known |= j->redo && !strcmp(j->redo, wanted[i]->name);
    if (known || e->status != OK)
        return e->status;
    return error_arguments(e, "--redo %s: this command does %s; wanted %s or all", j->redo,
                           count > 1 ? "all stages" : wanted[0]->name,
                           count > 1 ? "the name of a stage" : wanted[0]->name);
}

/* What the run will need, before hours are spent on its first stages. Times are measured where nothing is
 * begun: a run that goes on does not wait for them again. */
static Status show_plan(Job *j, Error *e)
{
    Text text = {0};
    const bool fresh = !job_has(j, "provenance.json");
    if (e->status != OK)
        return e->status;
    plan_make(&text, j, fresh, true, e);
    const char *p = text_string(&text);
    while (*p) {
        const int length = (int)strcspn(p, "\n");
        log_info(&j->log, "%.*s", length, p);
        p += length + (p[length] == '\n');
    }
    text_free(&text);
    return e->status;
}

static Status run_one(const Stage *s, Job *j, Error *e)
{
    const double begin = clock_seconds();
    const double instant = 0.1;
    if (e->status == OK && stage_run(s, j, e) == OK && clock_seconds() - begin > instant)
        log_info(&j->log, "  %.1f s; peak memory %.0f MiB", clock_seconds() - begin,
                 (double)memory_peak() / 1048576);
    return e->status;
}

/* exchange: as in read_config; scores: are printed at the end. */
static Status run_stages(Invocation *in, const Stage *const *wanted, int count, bool exchange, bool scores,
                         Error *e)
{
    Cost cost = {0};
    Job j = {.version = MPA_VERSION, .hashes = json_object(), .cost = &cost};
    FolderLock lock = {0};
    const bool whole = count == STAGES;
    bool dump = false;
    read_config(&j, in, exchange, &dump, e);
    if (dump) {
        dump_config(&j.config, e);
    } else {
        check_redo(&j, wanted, count, e);
        start(&j, e);
        folder_lock(&lock, j.folder, e);
        if (whole && j.config.identify.select == SELECT_LABELS) {
            log_info(&j.log,
                     "mpa: identify.select = labels: nothing is annotated, the run begins with `identify`");
            wanted++;
            count--;
        }
        if (e->status == OK && whole && !stage_measures(&j)) {
            log_info(&j.log, "mpa: no evaluate.questions and nothing held out: the run ends with `level`");
            count--;
            scores = false;
        }
        stage_check(&j, wanted, count, e);
        if (count > 1)
            show_plan(&j, e);
        for (int i = 0; i < count; i++)
            run_one(wanted[i], &j, e);
        if (scores && !in->no_table)
            scores_print(&j, e);
        if (whole)
            page_of_run(&j, in->no_table ? 0 : HEAT_PAIRS, e);
        folder_unlock(&lock);
    }
    config_free(&j.config);
    json_decref(j.hashes);
    return e->status;
}

static Status run(Invocation *in, Error *e)
{
    return run_stages(in, stages, STAGES, false, true, e);
}

static Status annotate(Invocation *in, Error *e)
{
    return run_stages(in, (const Stage *const[]){&stage_annotate}, 1, true, false, e);
}

static Status identify(Invocation *in, Error *e)
{
    return run_stages(in, (const Stage *const[]){&stage_identify}, 1, true, false, e);
}

static Status level(Invocation *in, Error *e)
{
    return run_stages(in, (const Stage *const[]){&stage_level}, 1, false, false, e);
}

static Status evaluate(Invocation *in, Error *e)
{
    return run_stages(in, (const Stage *const[]){&stage_evaluate}, 1, false, true, e);
}

#define HELP                                                                                                 \
    "CONF is an INI file; section.key=value overrides one of its keys. The files of the run folder have "    \
    "the\n"                                                                                                  \
    "form of the published code's, byte for byte, and a line end behind it.\n"                               \
    "  --dump-config    print every key with its value, default and meaning, and stop\n"                     \
    "  --adapter DIR    the student with a LoRA adapter (a PEFT folder): student.adapter = DIR\n"            \
    "  --redo STAGE     make the results of a stage and of those after it anew (all: of every stage);\n"     \
    "                   what is still true of the answers is kept\n"                                         \
    "  --force          start even if memory seems too small, or too few updates are planned to learn "      \
    "from\n"

static const char help[] = HELP;

static const char exchange_help[] = HELP
    "A model elsewhere, asked by files (nothing is sent):\n"
    "  --export FILE    write the requests, a line each in the OpenAI chat form, and stop\n"
    "  --import FILE    take the replies from this file: lines of a batch interface (OpenAI, Anthropic), or\n"
    "                   {custom_id, text}; a request without one is an error. With --export too: write the\n"
    "                   requests that have none; with --force: go on without them\n"
    "  --pictures WORD  data (default): requests hold their pictures; paths: they name them, file://...\n"
    "  --name NAME      the model's name in requests\n"
    "  --of WORD        in identify: teacher (default) or student is the model elsewhere\n";

const Command command_run = {"run", run, "CONF [section.key=value ...]",
                             "annotate, identify, level and evaluate, in order; resumes where it stopped",
                             help};
const Command command_annotate = {
    "annotate", annotate, "CONF [...]",
    "stage 1, pseudo annotator: the teacher writes one question and answer per picture", exchange_help};
const Command command_identify = {"identify", identify, "CONF [...]",
                                  "stage 2, parity identifier: keep what only the teacher gets right",
                                  exchange_help};
const Command command_level = {"level", level, "CONF [...]",
                               "stage 3, parity leveler: fine-tune the student on the kept pairs", help};
const Command command_evaluate = {"evaluate", evaluate, "CONF [...]",
                                  "score student, aligned student and teacher on a labelled set", help};
