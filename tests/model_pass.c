#include "model_pass.h"

#include "base/file.h"

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
static void golden_grids(Case *c)
{
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

/* All frames [1, frames, 3, H, W] as one picture: the vision tower does not tell whose they are. */
static void golden_frames(Case *c)
{
    const Tensor *pixels = golden_tensor(&c->g, "pixel_values"), *connector = golden_tensor(&c->g, "model.connector");
    const Param *w = NULL;
    for (int64_t i = 0; i < c->vlm.checkpoint.params; i++)
        if (strstr(c->vlm.checkpoint.param[i]->name, "patch_embedding.weight"))
            w = c->vlm.checkpoint.param[i];
    assert_non_null(w);
    int64_t P = w->dim[3], H = pixels->dim[3], W = pixels->dim[4], across = W / P, patches = H / P * across;
    Picture *p = c->picture + c->pictures++;
    *p = (Picture){.rows = pixels->dim[1] * patches, .cols = 3 * P * P, .grid = {pixels->dim[1], H / P, across}};
    p->tokens = connector->dim[0] * connector->dim[1];
    p->pixels = memory_new(p->rows * p->cols, sizeof *p->pixels, NULL);
    assert_non_null(p->pixels);
    for (int64_t k = 0; k < p->rows * p->cols; k++) {
        int64_t row = k / p->cols, channel = k / (P * P) % 3, y = row % patches / across * P + k / P % P, x = row % across * P + k % P;
        p->pixels[k] = (float)tensor_value(pixels, ((row / patches * 3 + channel) * H + y) * W + x);
    }
}

static void golden_inputs(Case *c)
{
    if (golden_has(&c->g, "image_grid_thw"))
        golden_grids(c);
    else if (golden_has(&c->g, "pixel_values"))
        golden_frames(c);
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
    const char *checkpoint = golden_string(&c->g, "checkpoint");
    if (json_is_false(json_object_get(c->g.notes.root, "split"))) {
        model_folder_make(c->folder, checkpoint);
        model_folder_change(c->folder, checkpoint, "preprocessor_config.json", "do_image_splitting", "false");
    }
    must(vlm_open(&c->vlm, *c->folder ? c->folder : checkpoint, &e), &e);
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
    Error e = {0};
    if (*c->folder)
        must(folder_remove(c->folder, &e), &e);
}

bool case_has_answer(const Case *c)
{
    return c->sample.labels != NULL;
}

bool case_is_smolvlm(const Case *c)
{
    return !strcmp(c->vlm.family->model_type, "idefics3");
}

/* The loss over the rows whose next token counts; with a tape, the way back starts here. */
static double sample_loss(Run *run, const Vlm *vlm, const Batch *b, const Sample *s, Mat *hidden)
{
    const int64_t *rows;
    const int32_t *labels;
    int64_t count = batch_labels(run, b, s, &rows, &labels);
    double loss = 0;
    assert_true(head_cross_entropy(run, &vlm->head, gather_rows(run, hidden, rows, count), labels, 1 / (double)count, &loss));
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
    const Batch *b = batch_pack(&run, &c->sample, 1);
    p->hidden = vlm_forward(&run, &c->vlm, b, NULL);
    Run silent = run;
    silent.tape = NULL;
    if (kind.probe)
        probe_mat(&run, vlm_logits(&silent, &c->vlm, p->hidden), 1, "logits");
    must(p->error.status, &p->error);
    if (c->sample.labels)
        p->loss = sample_loss(&run, &c->vlm, b, &c->sample, p->hidden);
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
