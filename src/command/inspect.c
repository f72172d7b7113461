/* `mpa inspect`: what a checkpoint is and what it will need; of a config.json alone, what it would be. */
#include "command/command.h"

#include "base/file.h"
#include "base/folder.h"
#include "base/path.h"
#include "base/printable.h"
#include "base/word.h"
#include "generate/generate.h"
#include "model/family.h"
#include "train/estimate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double mib = 1048576;

/* Length of the name of the module that a parameter belongs to, layers taken together: up to the
 * first component that is a number, else without the last. */
static size_t module_length(const char *name)
{
    const char *last = strrchr(name, '.');
    for (const char *p = name; (p = strchr(p, '.')); p++)
        if (p[1] >= '0' && p[1] <= '9')
            return (size_t)(p - name);
    return last ? (size_t)(last - name) : strlen(name);
}

/* The column that numbers of parameters begin behind. */
static int module_width(const Checkpoint *c)
{
    size_t longest = 50;
    for (int64_t i = 0; i < c->params; i++)
        if (module_length(c->param[i]->name) > longest)
            longest = module_length(c->param[i]->name);
    return (int)longest;
}

/* Parameters by module, in the order of the computation. A module's parameters stand together. */
static void print_modules(const Checkpoint *c)
{
    const int wide = module_width(c);
    output("parameters:\n");
    for (int64_t i = 0, next; i < c->params; i = next) {
        size_t length = module_length(c->param[i]->name);
        int64_t count = 0;
        for (next = i; next < c->params && module_length(c->param[next]->name) == length &&
                       !strncmp(c->param[next]->name, c->param[i]->name, length);
             next++)
            count += c->param[next]->count;
        output("  %-*.*s %15lld in %4lld tensors\n", wide, (int)length, c->param[i]->name, (long long)count,
               (long long)(next - i));
    }
}

static void print_types(const Checkpoint *c)
{
    const int wide = module_width(c);
    int64_t total = 0;
    for (int t = 0; t < DTYPE_COUNT; t++) {
        int64_t count = 0;
        for (int64_t i = 0; i < c->params; i++)
            count += c->param[i]->stored == (Dtype)t ? c->param[i]->count : 0;
        total += count;
        if (count)
            output("  stored as %-6s %*lld, %.1f MiB on disk\n", dtype_name((Dtype)t), wide - 1,
                   (long long)count, (double)count * (double)dtype_size((Dtype)t) / mib);
    }
    output("  in all %*lld in %4lld tensors, %lld files\n", wide + 9, (long long)total, (long long)c->params,
           (long long)c->files);
    if (c->invented)
        output("  there are no weights; sizes are those of bfloat16\n");
}

/* The use for which memory is stated. */
typedef struct {
    int64_t batch, tokens, picture_tokens, answer, rank;
} Use;

/* Low-rank adapters on every linear layer of the text model but the head. */
typedef struct {
    int64_t values;  /* of both factors */
    int64_t columns; /* that a pass keeps for each row: the factors' products in between */
} LoraSize;

static LoraSize lora_size(const Vlm *vlm, int64_t rank)
{
    LoraSize size = {0};
    for (int64_t i = 0; i < vlm->checkpoint.params; i++) {
        const Param *p = vlm->checkpoint.param[i];
        if (p->ndim == 2 && strstr(p->name, ".layers.") && p->part == PART_TEXT) {
            size.values += rank * (p->dim[0] + p->dim[1]);
            size.columns += rank;
        }
    }
    return size;
}

static void print_use(const char *use, int64_t bytes, const char *note)
{
    output("  %-40s %10.0f MiB%s\n", use, (double)bytes / mib, note);
}

static void print_memory(const Vlm *vlm, const Use *u)
{
    const int64_t rows = u->batch * (u->tokens + u->answer);
    PassSize size = {rows, u->batch * u->picture_tokens, u->picture_tokens, u->tokens + u->answer, 0};
    const int64_t states = estimate_state(vlm, &(LevelConfig){0});
    const int64_t kept = estimate_pass(vlm, size, false);
    const int64_t recomputed = estimate_pass(vlm, size, true);
    const LoraSize lora = lora_size(vlm, u->rank);
    const int64_t adapters = lora.values * 4 * (int64_t)sizeof(float);
    const int64_t between = rows * lora.columns * (int64_t)sizeof(float);
    char use[60];
    char note[160];
    size.idle = 1u << PART_VISION | 1u << PART_MERGER; /* below the adapters nothing is trained */
    output("memory besides the mapped weights, for %lld at a time, each %lld tokens (%lld of pictures) and "
           "an answer of %lld:\n",
           (long long)u->batch, (long long)u->tokens, (long long)u->picture_tokens, (long long)u->answer);
    print_use("inference", generate_bytes(vlm, u->batch, u->tokens, u->answer), "");
    snprintf(note, sizeof note, "   (%.0f of them for weights, gradients and two moments)",
             (double)states / mib);
    print_use("full fine-tuning", states + kept, note);
    print_use("  the same, blocks recomputed", states + recomputed, "");
    print_use("  and with level.offload", states / 2 + recomputed, "");
    snprintf(use, sizeof use, "LoRA of rank %lld", (long long)u->rank);
    snprintf(note, sizeof note,
             "   (%.1f of them for the adapters; on every product of the text model's layers)",
             (double)adapters / mib);
    print_use(use, adapters + estimate_pass(vlm, size, false) + between, note);
    print_use("  the same, blocks recomputed", adapters + estimate_pass(vlm, size, true), "");
}

/* A checkpoint folder; or the shape alone, of a config.json or a folder with one and without weights. */
static Status open_any(const Invocation *in, Vlm *vlm, const char *path, Error *e)
{
    static const char *const weights[] = {".safetensors", ".safetensors.index.json", NULL};
    char **names = NULL;
    int64_t count = 0;
    const bool file = ends_with(path, ".json") && !file_is_folder(path);
    char *config = file ? memory_copy(path, e) : path_join(path, "config.json", e);
    const bool there = config && file_exists(config);
    if (there && !file)
        folder_list(&names, &count, path, weights, e);
    if (file || (there && !count))
        vlm_shape(vlm, config, e);
    else
        command_open_model(in, vlm, path, NULL, e);
    names_free(names, count);
    free(config);
    return e->status;
}

static Status inspect(const Invocation *in, const char *folder, const Use *u, Error *e)
{
    Vlm vlm = {0};
    Text about = {0};
    if (open_any(in, &vlm, folder, e) == OK && vlm.family->describe(&vlm, &about, e) == OK) {
        output("%s: %s\n%s", folder, vlm.type->name, text_string(&about));
        print_modules(&vlm.checkpoint);
        print_types(&vlm.checkpoint);
        print_memory(&vlm, u);
    }
    text_free(&about);
    vlm_close(&vlm);
    return e->status;
}

static Status run(Invocation *in, Error *e)
{
    enum { NUMBERS = 5 };
    Use u = {1, 512, 256, 128, 64};
    static const char *const names[NUMBERS] = {"batch", "tokens", "picture-tokens", "answer", "rank"};
    int64_t *const numbers[NUMBERS] = {&u.batch, &u.tokens, &u.picture_tokens, &u.answer, &u.rank};
    const char *values[NUMBERS] = {NULL};
    Option options[NUMBERS + 1] = {{0}};
    for (int i = 0; i < NUMBERS; i++)
        options[i] = (Option){.name = names[i], .takes_value = true, .value = values + i};
    options_parse(options, in->arguments, &in->count, e);
    for (int i = 0; i < NUMBERS; i++)
        command_integer(values[i], names[i], 0, 1000000, numbers[i], e);
    if (e->status == OK && in->count != 1)
        error_arguments(e, "wanted one checkpoint folder, or its config.json");
    return e->status == OK ? inspect(in, in->arguments[0], &u, e) : e->status;
}

const Command command_inspect = {
    "inspect", run, "DIR|config.json [--batch N] [--tokens N] [--picture-tokens N] [--answer N] [--rank N]",
    "architecture, parameters, tensors, and the memory that inference and training need",
    "  --batch N            memory for N samples at a time (default 1)\n"
    "  --tokens N           tokens of each prompt (default 512)\n"
    "  --picture-tokens N   picture tokens among them (default 256)\n"
    "  --answer N           tokens of each answer (default 128)\n"
    "  --rank N             LoRA of this rank on the text model's layers (default 64)\n"};
