#include "command/trace.h"

#include "base/options.h"
#include "command/command.h"
#include "model/family.h"
#include "model/loss.h"
#include "tensor/probe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Gradients for all parameters, or back to none. */
static Status gradients_set(const Checkpoint *c, Arena *arena, bool on, Error *e)
{
    for (int64_t i = 0; i < c->params; i++) {
        c->param[i]->grad = on ? arena_zero(arena, c->param[i]->count, sizeof(float), e) : NULL;
        if (on && !c->param[i]->grad)
            return NO_MEMORY;
    }
    return OK;
}

static void probe_gradients(Run *run, const Checkpoint *c)
{
    for (int64_t i = 0; i < c->params; i++) {
        char name[200];
        snprintf(name, sizeof name, "grad.%s", c->param[i]->name);
        probe_array(run, c->param[i]->grad, F32, c->param[i]->ndim, c->param[i]->dim, name);
    }
}

static Status trace_run(Run *run, const Vlm *vlm, const Sample *s, bool grad)
{
    LossSum sum = {0};
    if (grad)
        run->tape = tape_new(run);
    probe_array(run, s->ids, I32, 2, (int64_t[]){1, s->count}, "input_ids");
    probe_array(run, s->position, I32, 3, (int64_t[]){3, 1, s->count}, "position_ids");
    vlm->family->probe_inputs(run, vlm, s);
    if (vlm_loss(run, vlm, s, 1, 1 / (double)samples_labels(s, 1), &sum) != OK || !sum.tokens)
        return run->error->status;
    float loss = (float)sum.loss;
    probe_array(run, &loss, F32, 1, (int64_t[]){1}, "loss");
    if (grad)
        probe_gradients(run, &vlm->checkpoint);
    return run->error->status;
}

Status trace_write(const Vlm *vlm, const Question *q, bool grad, const char *out, Error *e)
{
    Arena arena;
    Probe probe;
    Samples samples;
    arena_init(&arena);
    probe_init(&probe);
    Run run = {.arena = &arena, .probe = &probe, .error = e};
    Status status = samples_load(&samples, vlm, q, 1, NULL, NULL, e);
    if (status == OK && grad)
        status = gradients_set(&vlm->checkpoint, &arena, true, e);
    if (status == OK)
        status = trace_run(&run, vlm, samples.sample, grad);
    if (status == OK)
        status = safetensors_write(out, probe.tensor, probe.count, e);
    gradients_set(&vlm->checkpoint, &arena, false, e);
    samples_free(&samples);
    probe_free(&probe);
    arena_free(&arena);
    return status;
}

Status command_trace(Invocation *in, Error *e)
{
    const char *model = NULL, *out = NULL, **images = memory_new(LIST_CAPACITY, sizeof *images, e);
    Question request = {.images = images};
    bool grad = false;
    const Option options[] = {
        {.name = "model", .takes_value = true, .value = &model},
        {.name = "image", .takes_value = true, .list = images, .list_count = &request.n_images},
        {.name = "prompt", .takes_value = true, .value = &request.text},
        {.name = "answer", .takes_value = true, .value = &request.answer},
        {.name = "grad", .given = &grad},
        {.name = "out", .takes_value = true, .value = &out},
        {0}};
    Status status = images ? options_parse(options, in->arguments, &in->count, e) : NO_MEMORY;
    if (status == OK)
        status = command_no_arguments(in, e);
    if (status == OK && command_needs(model, "model", e) == OK &&
        command_needs(request.text, "prompt", e) == OK && command_needs(out, "out", e) == OK && grad)
        command_needs(request.answer, "answer", e);
    Vlm vlm = {0};
    if ((status = e->status) == OK)
        status = command_open_model(in, &vlm, model, e);
    if (status == OK)
        status = trace_write(&vlm, &request, grad, out, e);
    vlm_close(&vlm);
    free(images);
    return status;
}
