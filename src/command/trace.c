/* `mpa trace`: what every layer computed for one prompt, as a safetensors file. A tensor's name is
 * that of the module in transformers of which it is the output, so that anyone can check it with a
 * forward hook. */
#include "command/command.h"

#include "base/map_guard.h"
#include "base/memory.h"
#include "model/family.h"
#include "model/loss.h"
#include "tensor/probe.h"

#include <stdio.h>
#include <stdlib.h>

/* How many parameters have gradients: those of the adapter where there is one, else the model's. */
static int64_t param_count(const Vlm *vlm)
{
    return vlm->adapter.count ? 2 * vlm->adapter.count : vlm->checkpoint.params;
}

static Param *param_at(const Vlm *vlm, int64_t i)
{
    if (!vlm->adapter.count)
        return vlm->checkpoint.param[i];
    Lora *l = vlm->adapter.lora[i / 2];
    return i % 2 ? &l->b : &l->a;
}

/* A cleared gradient for each of them. */
static Status add_gradients(const Vlm *vlm, Arena *arena, Error *e)
{
    for (int64_t i = 0; i < param_count(vlm); i++)
        param_at(vlm, i)->grad = arena_zero(arena, param_at(vlm, i)->count, sizeof(float), e);
    return e->status;
}

static void remove_gradients(const Vlm *vlm)
{
    for (int64_t i = 0; i < param_count(vlm); i++)
        param_at(vlm, i)->grad = NULL;
}

static void probe_gradients(Run *run, const Vlm *vlm)
{
    for (int64_t i = 0; i < param_count(vlm); i++) {
        const Param *p = param_at(vlm, i);
        char name[300];
        if (p->unused)
            continue;
        snprintf(name, sizeof name, "grad.%s", p->name);
        probe_array(run, p->grad, F32, p->ndim, p->dim, name);
    }
}

/* Forward over the sample, and with an answer its loss; with `grad` also backward. */
static Status trace_sample(Run *run, const Vlm *vlm, const Sample *s, bool grad)
{
    LossSum sum = {0};
    if (run->error->status != OK)
        return run->error->status;
    if (grad)
        run->tape = tape_new(run);
    vlm->family->probe_inputs(run, vlm, s);
    vlm_loss(run, vlm, s, 1, 1 / (double)samples_labels(s, 1), &sum);
    if (!sum.tokens)
        return run->error->status;
    const float loss = (float)sum.loss;
    probe_array(run, &loss, F32, 1, (int64_t[]){1}, "loss");
    if (grad)
        probe_gradients(run, vlm);
    return run->error->status;
}

static Status trace(const Vlm *vlm, const Question *q, bool grad, const char *out, Error *e)
{
    Arena arena;
    Probe probe;
    Samples samples;
    arena_init(&arena);
    probe_init(&probe);
    Run run = {.arena = &arena, .probe = &probe, .error = e};
    samples_load(&samples, vlm, q, 1, NULL, NULL, e);
    if (grad)
        add_gradients(vlm, &arena, e);
    trace_sample(&run, vlm, samples.sample, grad);
    map_guard_check(e);
    safetensors_write(out, probe.tensor, probe.count, e);
    remove_gradients(vlm);
    samples_free(&samples);
    probe_free(&probe);
    arena_free(&arena);
    return e->status;
}

static Status run(Invocation *in, Error *e)
{
    const char *model = NULL;
    const char *adapter = NULL;
    const char *out = NULL;
    const char **images = memory_new(LIST_CAPACITY, sizeof *images, e);
    bool grad = false;
    Question q = {.images = images};
    Vlm vlm = {0};
    const Option options[] = {
        {.name = "model", .takes_value = true, .value = &model},
        {.name = "adapter", .takes_value = true, .value = &adapter},
        {.name = "image", .takes_value = true, .list = images, .list_count = &q.n_images},
        {.name = "prompt", .takes_value = true, .value = &q.text},
        {.name = "answer", .takes_value = true, .value = &q.answer},
        {.name = "grad", .given = &grad},
        {.name = "out", .takes_value = true, .value = &out},
        {0}};
    command_options(in, options, e);
    command_needs(model, "model", e);
    command_needs(q.text, "prompt", e);
    command_needs(out, "out", e);
    if (grad)
        command_needs(q.answer, "answer", e);
    if (command_open_model(in, &vlm, model, adapter, e) == OK)
        trace(&vlm, &q, grad, out, e);
    vlm_close(&vlm);
    free(images);
    return e->status;
}

const Command command_trace = {
    "trace", run,
    "--model DIR [--adapter DIR] --image FILE... --prompt TEXT [--answer TEXT] [--grad] --out "
    "FILE.safetensors",
    "write the output of every layer, and gradients, to a file",
    "  --answer TEXT        prompt and answer as in training; adds the loss of the answer\n"
    "  --adapter DIR        with a LoRA adapter (a PEFT folder), not merged\n"
    "  --grad               adds the gradient of every parameter; with an adapter, of its factors alone\n"};
