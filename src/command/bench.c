/* `mpa bench`: how fast a model runs here, beside what the machine can do, measured in the same
 * run. */
#include "command/bench.h"
#include "command/command.h"

#include "base/json.h"
#include "base/memory.h"
#include "base/parallel.h"
#include "base/word.h"
#include "model/family.h"
#include "tensor/gemm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void print_table(const Bench *b, const char *what)
{
    printf("%s: %s\n", what, b->vlm.type->name);
    printf("%d threads; %s\n", parallel_threads(), gemm_description());
    if (b->flops > 0)
        printf("this machine: %.0f GFLOP/s in float32 products, reads %.1f GB/s\n", b->flops / 1e9,
               b->bytes / 1e9);
    printf("\n");
    for (int i = 0; i < b->figures; i++) {
        const Figure *f = b->figure + i;
        const bool bound_by_memory = !strncmp(f->name, "decode", 6);
        printf("  %-20s", f->name);
        if (f->value > 0)
            printf(" %9.2f %ss/s  %8.3f s", f->value, f->unit, f->seconds);
        if (f->part > 0)
            printf("  %3.0f %% of the %s", 100 * f->part, bound_by_memory ? "bandwidth" : "product rate");
        printf("%s%s\n", *f->note ? "  " : "", f->note);
    }
    printf("\nat most %.2f GiB of memory\n", (double)memory_peak() / 1073741824);
}

static void print_json(const Bench *b, const char *what)
{
    Error *e = b->error;
    json_t *o = json_object();
    json_t *list = json_array();
    json_put(o, "model", json_string(what), e);
    json_put(o, "model_type", json_string(b->vlm.type->name), e);
    json_put(o, "threads", json_integer(parallel_threads()), e);
    json_put(o, "arithmetic", json_string(gemm_description()), e);
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
    char *text = e->status == OK ? json_dumps(o, JSON_INDENT(1) | JSON_REAL_PRECISION(6)) : NULL;
    if (!text)
        error_set(e, NO_MEMORY, "out of memory");
    else
        command_print(text, strlen(text), e);
    command_print("\n", 1, e);
    free(text);
    json_decref(o);
}

static Status run(Invocation *in, Error *e)
{
    const char *model = NULL;
    const char *config = NULL;
    const char *threads = NULL;
    const char *only = NULL;
    bool json = false;
    int64_t count = 0;
    const Option options[] = {{.name = "model", .takes_value = true, .value = &model},
                              {.name = "config", .takes_value = true, .value = &config},
                              {.name = "threads", .takes_value = true, .value = &threads},
                              {.name = "only", .takes_value = true, .value = &only},
                              {.name = "json", .given = &json},
                              {0}};
    command_options(in, options, e);
    if (e->status == OK && !model == !config)
        error_set(e, BAD_USAGE, "wanted either --model DIR or --config FILE");
    command_integer(threads, "threads", 1, 4096, &count, e);
    bench_check_parts(only, e);
    parallel_set_threads((int)count);
    Bench b = {.error = e, .only = only};
    if (e->status == OK)
        model ? vlm_open(&b.vlm, model, e) : vlm_invent(&b.vlm, config, e);
    if (e->status != OK)
        return e->status;
    arena_init(&b.arena);
    bench_measure(&b);
    if (e->status == OK)
        json ? print_json(&b, model ? model : config) : print_table(&b, model ? model : config);
    arena_free(&b.arena);
    vlm_close(&b.vlm);
    return e->status;
}

const Command command_bench = {
    "bench", run, "--model DIR | --config FILE [--threads N] [--only PARTS] [--json]",
    "speed of prefill, decoding, vision and training beside the machine's own",
    "  --config FILE        a model of the shape that this config.json says, with random weights\n"
    "  --threads N          use N threads (default: all processors)\n"
    "  --only PARTS         some of machine, prefill, decode, vision, train, with commas (default: all)\n"
    "  --json               one JSON object with the same figures\n"
    "Each figure is the median of three. Run it on a machine that does nothing else.\n"};
