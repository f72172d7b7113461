/* `mpa inspect`: what a checkpoint is and what it will need. */
#include "command/command.h"

#include "base/options.h"
#include "base/word.h"
#include "generate/generate.h"
#include "model/family.h"
#include "train/train.h"

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

/* Parameters by module, in the order of the computation. A module's parameters stand together. */
static void print_modules(const Checkpoint *c)
{
    printf("parameters:\n");
    for (int64_t i = 0, next; i < c->params; i = next) {
        size_t length = module_length(c->param[i]->name);
        int64_t count = 0;
        for (next = i; next < c->params && module_length(c->param[next]->name) == length &&
                       !strncmp(c->param[next]->name, c->param[i]->name, length);
             next++)
            count += c->param[next]->count;
        printf("  %-50.*s %15lld in %4lld tensors\n", (int)length, c->param[i]->name, (long long)count,
               (long long)(next - i));
    }
}

static void print_types(const Checkpoint *c)
{
    int64_t total = 0;
    for (int t = 0; t < DTYPE_COUNT; t++) {
        int64_t count = 0;
        for (int64_t i = 0; i < c->params; i++)
            count += c->param[i]->stored == (Dtype)t ? c->param[i]->count : 0;
        total += count;
        if (count)
            printf("  stored as %-6s %47lld, %.1f MiB on disk\n", dtype_name((Dtype)t), (long long)count,
                   (double)count * (double)dtype_size((Dtype)t) / mib);
    }
    printf("  in all %55lld in %4lld tensors, %lld files\n", (long long)total, (long long)c->params,
           (long long)c->files);
}

/* For which work memory is stated. */
typedef struct {
    int64_t batch, tokens, picture_tokens, answer, rank;
} Work;

/* Values of LoRA's two factors on every linear layer of the text model but the head. */
static int64_t lora_values(const Vlm *vlm, int64_t rank)
{
    int64_t values = 0;
    for (int64_t i = 0; i < vlm->checkpoint.params; i++) {
        const Param *p = vlm->checkpoint.param[i];
        if (p->ndim == 2 && strstr(p->name, ".layers.") && p->part == PART_TEXT)
            values += rank * (p->dim[0] + p->dim[1]);
    }
    return values;
}

static void print_memory(const Vlm *vlm, const Work *w)
{
    int64_t rows = w->batch * (w->tokens + w->answer), pictures = w->batch * w->picture_tokens,
            states = train_bytes(vlm, 0, 0, false);
    int64_t full = train_bytes(vlm, rows, pictures, false), less = train_bytes(vlm, rows, pictures, true);
    int64_t adapters = lora_values(vlm, w->rank) * 4 * (int64_t)sizeof(float);
    printf("memory besides the mapped weights, for %lld at a time, each %lld tokens (%lld of pictures) and "
           "an answer of %lld:\n",
           (long long)w->batch, (long long)w->tokens, (long long)w->picture_tokens, (long long)w->answer);
    printf("  inference                                %10.0f MiB\n",
           (double)generate_bytes(vlm, w->batch, w->tokens, w->answer) / mib);
    printf("  full fine-tuning                         %10.0f MiB   (%.0f of them for weights, gradients and "
           "two moments)\n",
           (double)full / mib, (double)states / mib);
    printf("    the same, blocks recomputed            %10.0f MiB\n", (double)less / mib);
    printf("  LoRA of rank %-4lld                        %10.0f MiB   (%.1f of them for the adapters; an "
           "estimate: mpa trains in full)\n",
           (long long)w->rank, (double)(full - states + adapters) / mib, (double)adapters / mib);
    printf("    the same, blocks recomputed            %10.0f MiB\n",
           (double)(less - states + adapters) / mib);
}

static Status number_option(const char *name, const char *text, int64_t *value, Error *e)
{
    if (text && (!parse_integer(text, value) || *value < 0 || *value > 1000000))
        return error_set(e, BAD_USAGE, "--%s: wanted a number from 0 to 1000000, found %s", name, text);
    return OK;
}

Status command_inspect(Invocation *in, Error *e)
{
    Work w = {1, 512, 256, 128, 64};
    static const char *const names[] = {"batch", "tokens", "picture-tokens", "answer", "rank"};
    int64_t *const values[] = {&w.batch, &w.tokens, &w.picture_tokens, &w.answer, &w.rank};
    const char *given[5] = {NULL};
    Option options[6] = {{0}};
    for (int i = 0; i < 5; i++)
        options[i] = (Option){.name = names[i], .takes_value = true, .value = given + i};
    if (options_parse(options, in->arguments, &in->count, e) != OK)
        return e->status;
    for (int i = 0; i < 5; i++)
        if (number_option(names[i], given[i], values[i], e) != OK)
            return e->status;
    if (in->count != 1)
        return error_set(e, BAD_USAGE, "wanted one checkpoint folder");
    Vlm vlm;
    Text about = {0};
    if (vlm_open(&vlm, in->arguments[0], e) != OK)
        return e->status;
    if (*vlm.warning)
        log_warning(&in->log, "%s", vlm.warning);
    if (vlm.family->describe(&vlm, &about, e) == OK) {
        printf("%s: %s\n%s", in->arguments[0], vlm.type->name, text_string(&about));
        print_modules(&vlm.checkpoint);
        print_types(&vlm.checkpoint);
        print_memory(&vlm, &w);
    }
    text_free(&about);
    vlm_close(&vlm);
    return e->status;
}
