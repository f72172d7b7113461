/* `mpa bench`: how fast a model runs here, beside what the machine can do, measured in the same
 * run. */
#include "command/bench.h"
#include "command/command.h"

#include "base/json.h"
#include "base/memory.h"
#include "base/parallel.h"
#include "base/printable.h"
#include "base/progress.h"
#include "base/word.h"
#include "model/family.h"
#include "tensor/gemm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    void (*measure)(Bench *b);
} parts[] = {{"machine", bench_machine}, {"prefill", bench_prefill}, {"decode", bench_decoding},
             {"vision", bench_vision},   {"lora", bench_lora},       {"train", bench_training}};
enum { PARTS = sizeof parts / sizeof *parts };

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a;
    const double y = *(const double *)b;
    return (x > y) - (x < y);
}

double bench_median(Bench *b, Measurement *measure, void *what)
{
    double seconds[BENCH_REPEATS + 1];
    for (int i = 0; i <= BENCH_REPEATS; i++) {
        const ArenaMark mark = arena_mark(&b->arena);
        if (b->error->status != OK || measure(b, what, seconds + i) != OK)
            return 0;
        arena_release(&b->arena, mark);
    }
    qsort(seconds + 1, BENCH_REPEATS, sizeof *seconds, by_size);
    return seconds[1 + BENCH_REPEATS / 2];
}

Figure *bench_add(Bench *b, const char *name, const char *unit, double count, double seconds, double work,
                  double limit)
{
    Figure *f = b->figure + b->figures;
    b->figures++;
    *f = (Figure){.name = name, .unit = unit, .seconds = seconds};
    if (seconds > 0) {
        f->value = count / seconds;
        f->part = limit > 0 ? work / seconds / limit : 0;
    }
    return f;
}

/* The number of the part whose name has these bytes; PARTS: there is none. */
static int part_number(const char *name, size_t length)
{
    int i = 0;
    while (i < PARTS && (strncmp(name, parts[i].name, length) || parts[i].name[length]))
        i++;
    return i;
}

/* The parts that the list names, as bits; a bit beyond PARTS stands for an unknown name, whose place
 * is *unknown. */
static unsigned parts_of(const char *only, const char **unknown)
{
    unsigned bits = 0;
    while (*only) {
        const size_t length = strcspn(only, ",");
        const int i = part_number(only, length);
        bits |= 1u << i;
        if (i == PARTS)
            *unknown = only;
        only += length;
        only += *only == ',';
    }
    return bits;
}

Status bench_check_parts(const char *only, Error *e)
{
    char known[100] = "";
    const char *unknown = NULL;
    if (e->status != OK || !only || !(parts_of(only, &unknown) & 1u << PARTS))
        return e->status;
    for (int i = 0; i < PARTS; i++)
        snprintf(known + strlen(known), sizeof known - strlen(known), "%s%s", i ? ", " : "", parts[i].name);
    return error_arguments(e, "--only: wanted some of %s, with commas, found %.*s", known,
                           (int)strcspn(unknown, ","), unknown);
}

void bench_measure(Bench *b, const char *only)
{
    const char *unknown;
    const unsigned wanted = only ? parts_of(only, &unknown) : ~0u;
    for (int i = 0; i < PARTS && b->error->status == OK; i++)
        if (wanted & 1u << i) {
            const ArenaMark mark = arena_mark(&b->arena);
            progress_inside(-1, "measures %s", parts[i].name);
            parts[i].measure(b);
            arena_release(&b->arena, mark);
        }
}

static void print_table(const Bench *b, const char *what)
{
    char arithmetic[GEMM_DESCRIPTION];
    output("%s: %s\n", what, b->vlm.type->name);
    output("%d threads; %s\n", parallel_threads(), gemm_description(arithmetic));
    if (b->flops > 0)
        output("this machine: %.0f GFLOP/s in float32 products, reads %.1f GB/s\n", b->flops / 1e9,
               b->bytes / 1e9);
    output("\n");
    for (int i = 0; i < b->figures; i++) {
        const Figure *f = b->figure + i;
        const bool bound_by_memory = !strncmp(f->name, "decode", 6);
        output("  %-20s", f->name);
        if (f->value > 0)
            output(" %9.2f %ss/s  %8.3f s", f->value, f->unit, f->seconds);
        if (f->part > 0)
            output("  %3.0f %% of the %s", 100 * f->part, bound_by_memory ? "bandwidth" : "product rate");
        output("%s%s\n", *f->note ? "  " : "", f->note);
    }
    output("\nat most %.2f GiB of memory\n", (double)memory_peak() / 1073741824);
}

static void print_json(const Bench *b, const char *what)
{
    Error *e = b->error;
    json_t *o = json_object();
    json_t *list = json_array();
    char arithmetic[GEMM_DESCRIPTION];
    json_put(o, "model", json_string(what), e);
    json_put(o, "model_type", json_string(b->vlm.type->name), e);
    json_put(o, "threads", json_integer(parallel_threads()), e);
    json_put(o, "arithmetic", json_string(gemm_description(arithmetic)), e);
    json_put(o, "gflops", json_real(b->flops / 1e9), e);
    json_put(o, "gb_per_second", json_real(b->bytes / 1e9), e);
    json_put(o, "peak_bytes", json_integer((json_int_t)memory_peak()), e);
    for (int i = 0; i < b->figures; i++) {
        const Figure *f = b->figure + i;
        json_append(list,
                    json_pack("{s:s, s:s, s:f, s:f, s:f, s:s}", "name", f->name, "unit", f->unit,
                              "per_second", f->value, "seconds", f->seconds, "part_of_limit", f->part, "note",
                              f->note),
                    e);
    }
    json_put(o, "figures", list, e);
    Text text = {0};
    json_print(&text, o, JSON_INDENT(1) | JSON_REAL_PRECISION(6), e);
    text_add(&text, "\n", e);
    command_print(text_string(&text), text.count, e);
    text_free(&text);
    json_decref(o);
}

static Status run(Invocation *in, Error *e)
{
    const char *model = NULL;
    const char *config = NULL;
    const char *threads = NULL;
    const char *only = NULL;
    const char *offload = NULL;
    bool json = false;
    const char *tokens = NULL;
    int64_t count = 0;
    Bench b = {.error = e};
    const Option options[] = {{.name = "model", .takes_value = true, .value = &model},
                              {.name = "config", .takes_value = true, .value = &config},
                              {.name = "threads", .takes_value = true, .value = &threads},
                              {.name = "only", .takes_value = true, .value = &only},
                              {.name = "tokens", .takes_value = true, .value = &tokens},
                              {.name = "offload", .takes_value = true, .value = &offload},
                              {.name = "json", .given = &json},
                              {0}};
    command_options(in, options, e);
    if (e->status == OK && !model == !config)
        error_arguments(e, "wanted either --model DIR or --config FILE");
    command_integer(threads, "threads", 1, 4096, &count, e);
    command_integer(tokens, "tokens", 1, 1000000, &b.tokens, e);
    bench_check_parts(only, e);
    parallel_set_threads((int)count);
    b.offload = offload;
    Progress work;
    progress_begin(&work, &in->log, "bench", 0, 0);
    if (e->status == OK)
        model ? vlm_open(&b.vlm, model, e) : vlm_invent(&b.vlm, config, e);
    if (e->status == OK) {
        arena_init(&b.arena);
        bench_measure(&b, only);
    }
    progress_end(&work);
    if (e->status == OK)
        json ? print_json(&b, model ? model : config) : print_table(&b, model ? model : config);
    arena_free(&b.arena);
    vlm_close(&b.vlm);
    return e->status;
}

const Command command_bench = {
    "bench", run,
    "--model DIR | --config FILE [--threads N] [--only PARTS] [--tokens N] [--offload DIR] [--json]",
    "speed of prefill, decoding, vision and training, and how much of the machine's speed that is",
    "  --config FILE        a model of the shape that this config.json says, with random weights\n"
    "  --threads N          use N threads (default: all processors)\n"
    "  --only PARTS         parts to measure, separated by commas: machine, prefill, decode, vision, lora,\n"
    "                       train\n"
    "  --tokens N           of a training sample (default: a picture and 448 tokens of text)\n"
    "  --offload DIR        training as with level.offload = DIR, on a disk with room for two states\n"
    "  --json               one JSON object with the same figures\n"
    "Each figure is the median of three. Run it on a machine that does nothing else.\n"};
