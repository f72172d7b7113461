/* `mpa trace`: what every layer computed for one prompt, as a safetensors file. A tensor's name is
 * that of the module in transformers of which it is the output, so that anyone can check it with a
 * forward hook. */
#include "command/command.h"

#include "base/memory.h"
#include "model/family.h"
#include "model/loss.h"
#include "tensor/probe.h"

#include <stdio.h>
#include <stdlib.h>

/* A cleared gradient for each parameter. */
static Status add_gradients(const Checkpoint *c, Arena *arena, Error *e)
{
    for (int64_t i = 0; i < c->params; i++)
        c->param[i]->grad = arena_zero(arena, c->param[i]->count, sizeof(float), e);
    return e->status;
}

static void remove_gradients(const Checkpoint *c)
{
    for (int64_t i = 0; i < c->params; i++)
        c->param[i]->grad = NULL;
}

static void probe_gradients(Run *run, const Checkpoint *c)
{
    for (int64_t i = 0; i < c->params; i++) {
        const Param *p = c->param[i];
        char name[200];
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
        probe_gradients(run, &vlm->checkpoint);
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
        add_gradients(&vlm->checkpoint, &arena, e);
    trace_sample(&run, vlm, samples.sample, grad);
    safetensors_write(out, probe.tensor, probe.count, e);
    remove_gradients(&vlm->checkpoint);
    samples_free(&samples);
    probe_free(&probe);
    arena_free(&arena);
    return e->status;
}

static Status run(Invocation *in, Error *e)
{
    const char *model = NULL;
    const char *out = NULL;
    const char **images = memory_new(LIST_CAPACITY, sizeof *images, e);
    bool grad = false;
    Question q = {.images = images};
    Vlm vlm = {0};
    const Option options[] = {
        {.name = "model", .takes_value = true, .value = &model},
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
    if (command_open_model(in, &vlm, model, e) == OK)
        trace(&vlm, &q, grad, out, e);
    vlm_close(&vlm);
    free(images);
    return e->status;
}

const Command command_trace = {
    "trace", run, "--model DIR --image FILE... --prompt TEXT [--answer TEXT] [--grad] --out FILE.safetensors",
    "write the output of every layer, and gradients, to a file",
    "  --answer TEXT        prompt and answer as in training; adds the loss of the answer\n"
    "  --grad               adds the gradient of every parameter\n"};
