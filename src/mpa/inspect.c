/* `mpa inspect`: what a checkpoint is and what it will need. */
#include "mpa/command.h"

#include "base/options.h"
#include "generate/generate.h"
#include "train/train.h"

#include <stdio.h>
#include <string.h>

/* Parameters by the first words of their names. */
typedef struct {
    const char *prefix, *title;
} Part;

static const Part parts[] = {
    {"visual.patch_embed", "vision patches"}, {"visual.blocks", "vision blocks"}, {"visual.merger", "merger"}, {"model.embed_tokens", "embedding"},
    {"model.layers", "decoder layers"},       {"model.norm", "final norm"},       {"lm_head", "head"},
};

static void print_parts(const Checkpoint *c)
{
    for (size_t k = 0; k < sizeof parts / sizeof *parts; k++) {
        int64_t count = 0, tensors = 0;
        for (int64_t i = 0; i < c->params; i++)
            if (!strncmp(c->param[i]->name, parts[k].prefix, strlen(parts[k].prefix))) {
                count += c->param[i]->count;
                tensors++;
            }
        if (tensors)
            printf("  %-16s %15lld parameters in %4lld tensors\n", parts[k].title, (long long)count, (long long)tensors);
    }
}

static void print_types(const Checkpoint *c)
{
    for (int t = 0; t < DTYPE_COUNT; t++) {
        int64_t count = 0;
        for (int64_t i = 0; i < c->params; i++)
            count += c->param[i]->stored == (Dtype)t ? c->param[i]->count : 0;
        if (count)
            printf("  stored as %-6s %15lld parameters, %.1f MiB\n", dtype_name((Dtype)t), (long long)count,
                   (double)count * (double)dtype_size((Dtype)t) / 1048576);
    }
}

static void print_memory(const Vlm *vlm)
{
    const int64_t prompt = 512, picture = 256, answer = 128;
    const double mib = 1048576;
    TrainOptions o = {0};
    printf("memory besides the mapped weights, for prompts of %lld tokens (%lld of a picture) and answers of %lld:\n", (long long)prompt,
           (long long)picture, (long long)answer);
    for (int64_t batch = 1; batch <= 32; batch *= 8)
        printf("  inference, %2lld at a time       %10.0f MiB\n", (long long)batch, (double)generate_bytes(vlm, batch, prompt, answer) / mib);
    printf("  full fine-tuning, 1 sample     %10.0f MiB   (weights, gradients, two moments: %.0f MiB)\n",
           (double)train_bytes(vlm, &o, prompt + answer, picture, false) / mib, (double)train_bytes(vlm, &o, 0, 0, false) / mib);
    printf("  the same, blocks recomputed    %10.0f MiB\n", (double)train_bytes(vlm, &o, prompt + answer, picture, true) / mib);
}

Status command_inspect(Invocation *in, Error *e)
{
    const Option options[] = {{0}};
    if (options_parse(options, in->arguments, &in->count, e) != OK)
        return e->status;
    if (in->count != 1)
        return error_set(e, BAD_USAGE, "wanted one checkpoint folder");
    Vlm vlm;
    if (vlm_open(&vlm, in->arguments[0], e) != OK)
        return e->status;
    if (*vlm.warning)
        log_warning(&in->log, "%s", vlm.warning);
    int64_t total = 0;
    for (int64_t i = 0; i < vlm.checkpoint.params; i++)
        total += vlm.checkpoint.param[i]->count;
    printf("%s: %s\n", in->arguments[0], vlm.family->model_type);
    printf("  %lld decoder layers of width %lld, key/value width %lld, vocabulary %lld, %lld positions, head %s\n", (long long)vlm.layers,
           (long long)vlm.width, (long long)vlm.kv_width, (long long)vlm.vocab, (long long)vlm.max_positions,
           strncmp(vlm.head.weight->name, "lm_head", 7) ? "tied" : "of its own");
    printf("  %lld parameters in %lld tensors, %lld files\n", (long long)total, (long long)vlm.checkpoint.params, (long long)vlm.checkpoint.files);
    print_parts(&vlm.checkpoint);
    print_types(&vlm.checkpoint);
    print_memory(&vlm);
    vlm_close(&vlm);
    return OK;
}
