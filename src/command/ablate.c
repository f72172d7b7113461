/* `mpa ablate`: variants of a run, all from its annotations and answers. The run itself is made first, up to
 * the answers and the scores of student and teacher. A variant is then a run like any other, in
 * ablate/NAME of its folder: the answers are given to it as files (teacher.answers, student.answers), so that
 * nothing is asked twice, and what was done goes on where it stopped. */
#include "command/ablate.h"
#include "command/command.h"

#include "base/file.h"
#include "base/folder.h"
#include "base/memory.h"
#include "base/path.h"
#include "base/word.h"
#include "data/items.h"
#include "mpa/depends.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What was asked for. */
typedef struct {
    Job job;                   /* of the run that the variants start from */
    Invocation *in;            /* its first argument is the configuration, the others are overrides */
    int keys;                  /* that vary */
    char **value[ABLATE_KEYS]; /* "KEY=VALUE" of each; owned */
    int64_t values[ABLATE_KEYS];
    double size[LIST_CAPACITY];
    int64_t sizes, seeds;
    bool force;
} Ablation;

/* ------------------------------------------------------------------------------------ the arguments */

/* Only what is done with the answers may vary. */
static Status check_key(const char *key, Error *e)
{
    if (e->status == OK && strcmp(key, "identify.select") && strncmp(key, "level.", 6))
        error_set(e, BAD_USAGE,
                  "--vary %s: the variants share annotations and answers, so identify.select and the keys of "
                  "[level] can vary; for another key make a second run",
                  key);
    return e->status;
}

/* KEY=V1,V2 as "KEY=V1", "KEY=V2". */
static Status read_vary(Ablation *a, const char *text, Error *e)
{
    const char *equals = strchr(text, '=');
    Text one = {0};
    int64_t capacity = 0;
    if (!equals || !equals[1] || a->keys == ABLATE_KEYS)
        return error_set(e, BAD_USAGE, "--vary %s: wanted KEY=VALUE,VALUE,..., for at most %d keys", text,
                         (int)ABLATE_KEYS);
    text_add_bytes(&one, text, (size_t)(equals - text), e);
    check_key(text_string(&one), e);
    for (const char *p = equals + 1; *p && e->status == OK;) {
        const size_t length = strcspn(p, ",");
        text_clear(&one);
        text_add_bytes(&one, text, (size_t)(equals + 1 - text), e);
        text_add_bytes(&one, p, length, e);
        names_add(&a->value[a->keys], &a->values[a->keys], &capacity, text_string(&one), e);
        p += length + (p[length] == ',');
    }
    a->keys++;
    text_free(&one);
    return e->status;
}

static Status read_sizes(Ablation *a, const char *text, Error *e)
{
    const char *p = text ? text : "1";
    while (*p && e->status == OK) {
        char one[32];
        const size_t length = strcspn(p, ",");
        double size = 0;
        if (length < sizeof one) {
            memcpy(one, p, length);
            one[length] = 0;
            parse_real(one, &size);
        }
        if (!(size > 0 && size <= 1) || a->sizes == LIST_CAPACITY)
            return error_set(e, BAD_USAGE, "--sizes %s: wanted parts of the pictures, above 0 and up to 1",
                             text);
        a->size[a->sizes] = size;
        a->sizes++;
        p += length + (p[length] == ',');
    }
    return e->status;
}

static Status read_arguments(Ablation *a, Error *e)
{
    const char *vary[LIST_CAPACITY];
    const char *seeds = NULL;
    const char *sizes = NULL;
    int64_t count = 0;
    const Option options[] = {{.name = "vary", .takes_value = true, .list = vary, .list_count = &count},
                              {.name = "seeds", .takes_value = true, .value = &seeds},
                              {.name = "sizes", .takes_value = true, .value = &sizes},
                              {.name = "force", .given = &a->force},
                              {0}};
    a->seeds = 1;
    options_parse(options, a->in->arguments, &a->in->count, e);
    if (e->status == OK && !a->in->count)
        error_set(e, BAD_USAGE, "a configuration file is needed");
    command_integer(seeds, "seeds", 1, ABLATE_SEEDS, &a->seeds, e);
    for (int64_t i = 0; i < count && e->status == OK; i++)
        read_vary(a, vary[i], e);
    read_sizes(a, sizes, e);
    if (e->status == OK && !count && !sizes && !seeds)
        error_set(e, BAD_USAGE, "nothing varies: give --vary KEY=VALUE,VALUE, --sizes or --seeds");
    return e->status;
}

/* -------------------------------------------------------------------------------------- the runs */

/* Does `c` with the configuration, its overrides, and those in `more` (NULL: none). */
static Status do_command(const Ablation *a, const Command *c, char *const *more, int count, Error *e)
{
    const int own = a->in->count;
    char force[] = "--force";
    Invocation in = {.log = a->in->log, .count = own + count + a->force, .no_table = true};
    in.arguments = memory_new(in.count, sizeof *in.arguments, e);
    if (e->status == OK) {
        memcpy(in.arguments, a->in->arguments, (size_t)own * sizeof *in.arguments);
        for (int i = 0; i < count; i++)
            in.arguments[own + i] = more[i];
        if (a->force)
            in.arguments[own + count] = force;
        c->run(&in, e);
    }
    free(in.arguments);
    return e->status;
}

/* Annotations, answers, and the scores of the two models. */
static Status make_base(const Ablation *a, Error *e)
{
    char models[] = "evaluate.models=student teacher";
    const Config *c = &a->job.config;
    if (c->identify.select != SELECT_PARITY)
        return error_set(e, BAD_USAGE,
                         "%s: the run itself has to ask student and teacher: leave it at parity, and give "
                         "other ways to --vary",
                         config_name(c, &c->identify.select));
    do_command(a, &command_annotate, NULL, 0, e);
    do_command(a, &command_identify, NULL, 0, e);
    return do_command(a, &command_evaluate, (char *[]){models}, 1, e);
}

/* The rows of a file of answers whose ids are among the first `count` of `first`, into ablate/`name`. */
static Status write_part(const Job *j, const char *given, Result r, const json_t *first, size_t count,
                         const char *name, Error *e)
{
    Json file = {0};
    json_t *part = json_array();
    json_t *ids = json_object();
    char *path = job_given_or_path(j, given, result_name[r], e);
    job_read_list(&file, path, e);
    for (size_t i = 0; i < count && e->status == OK; i++)
        id_put(ids, json_object_get(json_array_get(first, i), "question_id"), json_true(), e);
    for (size_t i = 0; i < json_array_size(file.root) && e->status == OK; i++) {
        json_t *row = json_array_get(file.root, i);
        if (id_get(ids, json_object_get(row, "question_id")))
            json_append(part, json_incref(row), e);
    }
    if (e->status == OK)
        job_write_json(j, name, part, 4, e);
    json_close(&file);
    json_decref(part);
    json_decref(ids);
    free(path);
    return e->status;
}

/* The files that a variant of this size is given: annotations, and answers of student and teacher to the first
 * part of the pictures. Appends the overrides. */
static Status give_answers(const Job *j, double size, char ***more, int64_t *count, int64_t *capacity,
                           Error *e)
{
    const Config *c = &j->config;
    const char *const given[] = {c->teacher.annotations, c->student.answers, c->teacher.answers};
    static const Result result[] = {RESULT_ANNOTATIONS, RESULT_STUDENT, RESULT_TEACHER};
    static const char *const key[] = {"teacher.annotations", "student.answers", "teacher.answers"};
    Json annotations = {0};
    Text text = {0};
    char *path = job_given_or_path(j, given[0], result_name[RESULT_ANNOTATIONS], e);
    job_read_list(&annotations, path, e);
    const size_t part = (size_t)ceil(size * (double)json_array_size(annotations.root) - 1e-9);
    for (int i = 0; i < 3 && e->status == OK; i++) {
        char name[80];
        snprintf(name, sizeof name, "ablate/%g-%s", size, result_name[result[i]]);
        if (size < 1)
            write_part(j, given[i], result[i], annotations.root, part, name, e);
        char *file =
            size < 1 ? job_path(j, name, e) : job_given_or_path(j, given[i], result_name[result[i]], e);
        text_clear(&text);
        text_format(&text, e, "%s=%s", key[i], file ? file : "");
        names_add(more, count, capacity, text_string(&text), e);
        free(file);
    }
    text_clear(&text);
    text_format(&text, e, "data.limit=%zu", part); /* for the data set's own labels */
    if (size < 1)
        names_add(more, count, capacity, text_string(&text), e);
    text_free(&text);
    free(path);
    json_close(&annotations);
    return e->status;
}

/* The answers of student and teacher to the test, into the variant's folder: so that it is scored beside them, and
 * the share of the gap that it closes has an interval. */
static Status give_test_answers(const Job *j, const char *folder, Error *e)
{
    static const Result result[] = {RESULT_TEST_STUDENT, RESULT_TEST_TEACHER};
    char *above = path_join(folder, "evaluation", e);
    folder_make(above, e);
    for (int i = 0; i < 2 && e->status == OK; i++) {
        Text mine = {0};
        Text there = {0};
        char *from = job_path(j, result_name[result[i]], e);
        char *to = path_join(folder, result_name[result[i]], e);
        if (to && file_exists(from))
            file_read(&mine, from, (size_t)1 << 31, e);
        if (to && file_exists(to))
            file_read(&there, to, (size_t)1 << 31, e);
        if (mine.count && strcmp(text_string(&mine), text_string(&there)))
            file_replace(to, text_string(&mine), mine.count, e);
        text_free(&mine);
        text_free(&there);
        free(from);
        free(to);
    }
    free(above);
    return e->status;
}

/* One run of a variant, in *folder, which becomes owned. */
static Status make_run(const Ablation *a, const Variant *v, int64_t seed, char **folder, Error *e)
{
    const Job *j = &a->job;
    Text text = {0};
    char **more = NULL;
    int64_t count = 0;
    int64_t capacity = 0;
    text_format(&text, e, "ablate/%s+seed=%lld", text_string(&v->name), (long long)seed);
    *folder = job_path(j, text_string(&text), e);
    if (e->status == OK)
        log_info(&j->log, "ablate: %s, seed %lld", text_string(&v->name), (long long)seed);
    for (int k = 0; k < a->keys; k++)
        names_add(&more, &count, &capacity, v->value[k], e);
    text_clear(&text);
    text_format(&text, e, "run.dir=%s", *folder ? *folder : "");
    names_add(&more, &count, &capacity, text_string(&text), e);
    text_clear(&text);
    text_format(&text, e, "run.seed=%lld", (long long)seed);
    names_add(&more, &count, &capacity, text_string(&text), e);
    names_add(&more, &count, &capacity, "evaluate.models=aligned", e);
    give_answers(j, v->size, &more, &count, &capacity, e);
    give_test_answers(j, *folder, e);
    do_command(a, &command_run, more, (int)count, e);
    names_free(more, count);
    text_free(&text);
    return e->status;
}

/* Number i of all settings of the keys and sizes; the last key changes fastest. */
static Status name_variant(const Ablation *a, int64_t i, Variant *v, Error *e)
{
    v->size = a->size[i % a->sizes];
    i /= a->sizes;
    for (int k = a->keys - 1; k >= 0; k--) {
        v->value[k] = a->value[k][i % a->values[k]];
        i /= a->values[k];
    }
    text_add(&v->name, "", e);
    for (int k = 0; k < a->keys; k++)
        text_format(&v->name, e, "%s%s", k ? "+" : "", v->value[k]);
    if (a->sizes > 1 || v->size < 1 || !a->keys)
        text_format(&v->name, e, "%ssize=%g", a->keys ? "+" : "", v->size);
    for (size_t c = 0; c < v->name.count; c++)
        if (strchr("/ \t\n", v->name.data[c]))
            v->name.data[c] = '_';
    return e->status;
}

static Status make_variants(const Ablation *a, Error *e)
{
    int64_t variants = a->sizes;
    for (int k = 0; k < a->keys; k++)
        variants *= a->values[k];
    Variant *variant = memory_new(variants, sizeof *variant, e);
    char **folder = memory_new(variants * a->seeds, sizeof *folder, e);
    char *above = job_path(&a->job, "ablate", e);
    folder_make(above, e);
    free(above);
    for (int64_t v = 0; v < variants && e->status == OK; v++) {
        name_variant(a, v, variant + v, e);
        for (int64_t s = 0; s < a->seeds && e->status == OK; s++)
            make_run(a, variant + v, a->job.config.run.seed + s, folder + v * a->seeds + s, e);
    }
    if (e->status == OK)
        ablate_table(&a->job, variant, folder, variants, a->seeds, e);
    for (int64_t v = 0; variant && v < variants; v++)
        text_free(&variant[v].name);
    names_free(folder, folder ? variants * a->seeds : 0);
    free(variant);
    return e->status;
}

static Status run(Invocation *in, Error *e)
{
    Ablation a = {.job = {.log = in->log}, .in = in};
    read_arguments(&a, e);
    if (e->status == OK)
        config_load(&a.job.config, in->arguments[0], in->arguments + 1, in->count - 1, e);
    config_require(&a.job.config, &a.job.config.run.dir, e);
    a.job.folder = a.job.config.run.dir;
    if (e->status == OK) {
        make_base(&a, e);
        make_variants(&a, e);
    }
    for (int k = 0; k < a.keys; k++)
        names_free(a.value[k], a.values[k]);
    config_free(&a.job.config);
    return e->status;
}

const Command command_ablate = {
    "ablate", run, "CONF --vary KEY=V1,V2 [--vary ...] [--seeds N] [--sizes F,...] [section.key=value ...]",
    "variants of a run from the same annotations and answers, one table",
    "The run of CONF is made up to the answers, then each variant is a run in ablate/ of its folder. Nobody "
    "is\n"
    "asked twice, and the same command goes on where it stopped. The table is also in "
    "ablate/table.json,\nand with intervals in ablate/report.html.\n"
    "  --vary KEY=V1,V2  identify.select (parity, all, random, unverified, labels) or a key of [level]; "
    "several\n"
    "                    --vary: every combination\n"
    "  --seeds N         N runs of each variant, with run.seed, run.seed + 1, ...\n"
    "  --sizes F,...     with the first part F of the pictures, above 0 and up to 1\n"
    "  --force           start even if memory or steps seem too few\n"};
