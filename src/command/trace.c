#include "command/trace.h"

#include "base/options.h"
#include "command/command.h"
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
    if (grad)
        run->tape = tape_new(run);
    probe_array(run, s->ids, I32, 2, (int64_t[]){1, s->count}, "input_ids");
    probe_array(run, s->position, I32, 3, (int64_t[]){3, 1, s->count}, "position_ids");
    vlm->family->probe_inputs(run, vlm, s);
    const Batch *b = batch_pack(run, s, 1);
    Mat *hidden = vlm_forward(run, vlm, b, NULL);
    Run silent = *run;
    silent.tape = NULL;
    probe_mat(run, vlm_logits(&silent, vlm, hidden), 1, "logits");
    if (!s->labels || run->error->status != OK)
        return run->error->status;
    const int64_t *rows;
    const int32_t *labels;
    int64_t count = batch_labels(run, b, s, &rows, &labels);
    double loss = 0;
    head_cross_entropy(run, &vlm->head, gather_rows(run, hidden, rows, count), labels, 1 / (double)count,
                       &loss);
    float value = (float)loss;
    probe_array(run, &value, F32, 1, (int64_t[]){1}, "loss");
    if (grad && run->error->status == OK) {
        run_backward(run);
        probe_gradients(run, &vlm->checkpoint);
    }
    return run->error->status;
}

Status trace_write(const Vlm *vlm, const TraceRequest *request, const char *out, Error *e)
{
    Arena arena;
    Probe probe;
    arena_init(&arena);
    probe_init(&probe);
    Run run = {.arena = &arena, .probe = &probe, .error = e};
    Sample sample = {0};
    Picture *pictures = memory_new(request->n_images, sizeof *pictures, e);
    int64_t loaded = 0;
    Status status = pictures ? OK : NO_MEMORY;
    for (; status == OK && loaded < request->n_images; loaded++)
        status = vlm_picture(vlm, pictures + loaded, request->images[loaded], NULL, e);
    if (status == OK && request->answer)
        status =
            vlm_training_sample(vlm, &sample, pictures, loaded, request->prompt, request->answer, false, e);
    else if (status == OK)
        status = vlm_prompt(vlm, &sample, pictures, loaded, request->prompt, e);
    if (status == OK && request->grad)
        status = gradients_set(&vlm->checkpoint, &arena, true, e);
    if (status == OK)
        status = trace_run(&run, vlm, &sample, request->grad);
    if (status == OK)
        status = safetensors_write(out, probe.tensor, probe.count, e);
    gradients_set(&vlm->checkpoint, &arena, false, e);
    sample_free(&sample);
    for (int64_t i = 0; pictures && i < loaded; i++)
        picture_free(pictures + i);
    free(pictures);
    probe_free(&probe);
    arena_free(&arena);
    return status;
}

Status command_trace(Invocation *in, Error *e)
{
    const char *model = NULL, *out = NULL, **images = memory_new(LIST_CAPACITY, sizeof *images, e);
    TraceRequest request = {.images = images};
    const Option options[] = {
        {.name = "model", .takes_value = true, .value = &model},
        {.name = "image", .takes_value = true, .list = images, .list_count = &request.n_images},
        {.name = "prompt", .takes_value = true, .value = &request.prompt},
        {.name = "answer", .takes_value = true, .value = &request.answer},
        {.name = "grad", .given = &request.grad},
        {.name = "out", .takes_value = true, .value = &out},
        {0}};
    Status status = images ? options_parse(options, in->arguments, &in->count, e) : NO_MEMORY;
    if (status == OK)
        status = command_no_arguments(in, e);
    if (status == OK && command_needs(model, "model", e) == OK &&
        command_needs(request.prompt, "prompt", e) == OK && command_needs(out, "out", e) == OK &&
        request.grad)
        command_needs(request.answer, "answer", e);
    Vlm vlm = {0};
    if ((status = e->status) == OK)
        status = command_open_model(in, &vlm, model, e);
    if (status == OK)
        status = trace_write(&vlm, &request, out, e);
    vlm_close(&vlm);
    free(images);
    return status;
}
