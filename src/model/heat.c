/* Gradient times input (Shrikumar et al. 2016, "Not Just a Black Box"; Simonyan et al. 2014 for the gradient)
 * on the pixels as the vision tower reads them, summed over each patch. The gradient is our own backward's, of
 * the loss that training minimises; nothing else is needed of it, so that no parameter gets one. */
#include "model/heat.h"

#include "model/loss.h"

/* heat[n] = sum over the patch's values of x dx */
static void sum_products(double *heat, const Mat *pixels, const float *dx)
{
    for (int64_t n = 0; n < pixels->rows; n++) {
        double sum = 0;
        for (int64_t i = n * pixels->cols; i < (n + 1) * pixels->cols; i++)
            sum += (double)pixels->data[i] * (double)dx[i];
        heat[n] = sum;
    }
}

Status heat_of(const Vlm *vlm, const Sample *s, bool recompute, double *heat, double *loss, Error *e)
{
    const int64_t labels = samples_labels(s, 1);
    Arena arena;
    LossSum sum = {0};
    Mat *pixels = NULL;
    if (e->status != OK)
        return e->status;
    if (!s->n_pictures || !labels)
        return error_set(e, BAD_INPUT, "a heat map needs a picture and an answer");
    arena_init(&arena);
    Run run = {.arena = &arena, .error = e, .recompute = recompute, .pixels = &pixels};
    run.tape = tape_new(&run);
    vlm_loss(&run, vlm, s, 1, 1 / (double)labels, &sum);
    const float *dx = pixels && e->status == OK ? mat_grad(&run, pixels) : NULL;
    if (dx)
        sum_products(heat, pixels, dx);
    *loss = sum.loss;
    arena_free(&arena);
    return e->status;
}
