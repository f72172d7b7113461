#include "model_pass.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void must(Status status, const Error *e)
{
    if (status != OK)
        fail_msg("%s", e->text);
}

static void read_files(Case *c)
{
    Error e = {0};
    json_t *list = json_object_get(c->g.notes.root, "pictures");
    assert_true(json_is_array(list) && json_array_size(list) <= CASE_PICTURES);
    for (size_t i = 0; i < json_array_size(list); i++)
        must(vlm_picture(&c->vlm, c->picture + c->pictures++, json_string_value(json_array_get(list, i)), NULL, &e), &e);
    const char *prompt = golden_string(&c->g, "prompt"), *answer = golden_string(&c->g, "answer");
    Status status = answer ? vlm_training_sample(&c->vlm, &c->sample, c->picture, c->pictures, prompt, answer, false, &e)
                           : vlm_prompt(&c->vlm, &c->sample, c->picture, c->pictures, prompt, &e);
    must(status, &e);
}

/* Pictures from the golden's pixels, cut by its grids. */
static void golden_pictures(Case *c)
{
    if (!golden_has(&c->g, "image_grid_thw"))
        return;
    const Tensor *grid = golden_tensor(&c->g, "image_grid_thw"), *pixels = golden_tensor(&c->g, "pixel_values");
    assert_true(grid->dim[0] <= CASE_PICTURES);
    for (int64_t row = 0; c->pictures < grid->dim[0]; c->pictures++) {
        Picture *p = c->picture + c->pictures;
        *p = (Picture){.rows = 1, .cols = pixels->dim[1]};
        for (int i = 0; i < 3; i++)
            p->rows *= p->grid[i] = (int64_t)tensor_value(grid, 3 * c->pictures + i);
        p->tokens = p->rows / 4;
        p->pixels = memory_new(p->rows * p->cols, sizeof *p->pixels, NULL);
        assert_non_null(p->pixels);
        for (int64_t i = 0; i < p->rows * p->cols; i++)
            p->pixels[i] = (float)tensor_value(pixels, row * p->cols + i);
        row += p->rows;
    }
}

static void golden_inputs(Case *c)
{
    golden_pictures(c);
    c->sample = (Sample){.ids = golden_ints(&c->g, "input_ids"),
                         .position = golden_ints(&c->g, "position_ids"),
                         .labels = golden_string(&c->g, "answer") ? golden_ints(&c->g, "labels") : NULL,
                         .count = golden_tensor(&c->g, "input_ids")->count,
                         .pictures = c->picture,
                         .n_pictures = c->pictures};
}

void case_open(Case *c, const char *golden, CaseInputs inputs)
{
    Error e = {0};
    memset(c, 0, sizeof *c);
    golden_open(&c->g, golden);
    must(vlm_open(&c->vlm, golden_string(&c->g, "checkpoint"), &e), &e);
    if (inputs == FROM_FILES)
        read_files(c);
    else
        golden_inputs(c);
}

void case_close(Case *c)
{
    sample_free(&c->sample);
    for (int64_t i = 0; i < c->pictures; i++)
        picture_free(c->picture + i);
    vlm_close(&c->vlm);
}

bool case_has_answer(const Case *c)
{
    return c->sample.labels != NULL;
}

/* The loss over the rows whose next token counts; with a tape, the way back starts here. */
static double sample_loss(Run *run, const Vlm *vlm, const Sample *s, Mat *hidden)
{
    int64_t *at = run_alloc(run, s->count, sizeof *at), count = 0;
    int32_t *next = run_alloc(run, s->count, sizeof *next);
    assert_true(at && next);
    for (int64_t i = 0; i + 1 < s->count; i++)
        if (s->labels[i + 1] != LABEL_NONE) {
            at[count] = i;
            next[count++] = s->labels[i + 1];
        }
    double loss = 0;
    assert_true(head_cross_entropy(run, &vlm->head, gather_rows(run, hidden, at, count), next, 1 / (double)count, &loss));
    return loss;
}

static void set_gradients(Pass *p, Checkpoint *c)
{
    p->grad = arena_alloc(&p->arena, c->params, sizeof *p->grad, &p->error);
    for (int64_t i = 0; p->grad && i < c->params; i++)
        c->param[i]->grad = p->grad[i] = arena_zero(&p->arena, c->param[i]->count, sizeof(float), &p->error);
    must(p->error.status, &p->error);
}

void pass_run(Pass *p, Case *c, PassKind kind)
{
    memset(p, 0, sizeof *p);
    arena_init(&p->arena);
    probe_init(&p->probe);
    Run run = {.arena = &p->arena, .error = &p->error, .probe = kind.probe ? &p->probe : NULL, .checkpoint = kind.checkpoint};
    if (kind.tape || kind.gradients)
        run.tape = tape_new(&run);
    if (kind.gradients)
        set_gradients(p, &c->vlm.checkpoint);
    if (kind.probe)
        c->vlm.family->probe_inputs(&run, &c->vlm, &c->sample);
    p->hidden = vlm_forward(&run, &c->vlm, batch_pack(&run, &c->sample, 1), NULL);
    Run silent = run;
    silent.tape = NULL;
    if (kind.probe)
        probe_mat(&run, vlm_logits(&silent, &c->vlm, p->hidden), 1, "logits");
    must(p->error.status, &p->error);
    if (c->sample.labels)
        p->loss = sample_loss(&run, &c->vlm, &c->sample, p->hidden);
    if (kind.gradients)
        run_backward(&run);
    for (int64_t i = 0; i < c->vlm.checkpoint.params; i++)
        c->vlm.checkpoint.param[i]->grad = NULL;
    must(p->error.status, &p->error);
}

void pass_free(Pass *p)
{
    probe_free(&p->probe);
    arena_free(&p->arena);
}

const TensorOut *pass_value(const Pass *p, const char *name)
{
    for (int64_t i = 0; i < p->probe.count; i++)
        if (!strcmp(p->probe.tensor[i].name, name))
            return p->probe.tensor + i;
    return NULL;
}
