/* Rotary position embedding: in every head, channel pair (j, j + E/2) is rotated by angle[n,j]:
 *   a' = a cos - b sin,  b' = b cos + a sin.
 * A rotation is orthogonal, so the gradient is rotated by the opposite angle; both happen in
 * place, because nobody needs the values from before. (apply_multimodal_rotary_pos_emb,
 * apply_rotary_pos_emb_vision.) Angles are formed in double from frequencies rounded to float32,
 * as transformers keeps them. */
#include "layer/layer.h"

#include "base/elementary.h"
#include "base/parallel.h"

typedef struct {
    const Rope *r;
    Mat *x;
} Saved;

void rope_rotate(float *x, int64_t stride, const float *cos, const float *sin, int64_t N, int64_t heads,
                 int64_t half, bool back)
{
    float sign = back ? -1.0f : 1.0f;
#pragma omp parallel for if (parallel_worth(N * heads * 2 * half))
    for (int64_t n = 0; n < N; n++)
        for (int64_t h = 0; h < heads; h++) {
            float *a = x + n * stride + h * 2 * half, *b = a + half;
            for (int64_t j = 0; j < half; j++) {
                float c = cos[n * half + j], s = sign * sin[n * half + j], u = a[j], v = b[j];
                a[j] = u * c - v * s;
                b[j] = v * c + u * s;
            }
        }
}

static void backward(Run *run, void *p)
{
    Saved *s = p;
    float *dx = mat_grad(run, s->x);
    if (dx)
        rope_rotate(dx, s->x->stride, s->r->cos, s->r->sin, s->x->rows, s->x->cols / (2 * s->r->half),
                    s->r->half, true);
}

Mat *rope(Run *run, const Rope *r, Mat *x)
{
    if (!x || !r)
        return NULL;
    assert(x->cols % (2 * r->half) == 0);
    rope_rotate(x->data, x->stride, r->cos, r->sin, x->rows, x->cols / (2 * r->half), r->half, false);
    Saved *s = tape_record(run, backward, sizeof *s);
    if (s)
        *s = (Saved){r, x};
    return x;
}

/* A table to be filled and its frequencies theta^(-j/count), rounded to float32 at each step as
 * transformers does. */
static Rope *table_new(Run *run, int64_t N, int64_t half, float **cos, float **sin, float **frequency,
                       double theta, int64_t count)
{
    Rope *r = run_alloc(run, 1, sizeof *r);
    *cos = run_alloc(run, N * half, sizeof **cos);
    *sin = run_alloc(run, N * half, sizeof **sin);
    *frequency = run_alloc(run, count, sizeof **frequency);
    if (!r || !*cos || !*sin || !*frequency)
        return NULL;
    for (int64_t j = 0; j < count; j++)
        (*frequency)[j] = 1.0f / (float)exact_pow(theta, (double)((float)j / (float)count));
    *r = (Rope){*cos, *sin, half};
    return r;
}

static void set_angle(float *cos, float *sin, double angle)
{
    double s, c;
    exact_sincos(angle, &s, &c);
    *cos = (float)c;
    *sin = (float)s;
}

Rope *rope_text(Run *run, const int32_t *position, int64_t N, int64_t half, double theta,
                const int64_t *sections, int64_t n_sections)
{
    float *cos, *sin, *frequency;
    Rope *r = table_new(run, N, half, &cos, &sin, &frequency, theta, half);
    if (!r)
        return NULL;
    for (int64_t j = 0, section = 0, end = n_sections ? sections[0] : half; j < half; j++) {
        while (j >= end)
            end += sections[++section];
        for (int64_t n = 0; n < N; n++)
            set_angle(cos + n * half + j, sin + n * half + j,
                      (double)frequency[j] * position[section * N + n]);
    }
    return r;
}

Rope *rope_vision(Run *run, const int32_t *y, const int32_t *x, int64_t N, int64_t half, double theta)
{
    float *cos, *sin, *frequency;
    int64_t count = half / 2;
    Rope *r = table_new(run, N, half, &cos, &sin, &frequency, theta, count);
    if (!r)
        return NULL;
    for (int64_t n = 0; n < N; n++)
        for (int64_t j = 0; j < half; j++)
            set_angle(cos + n * half + j, sin + n * half + j,
                      (double)frequency[j % count] * (j < count ? y[n] : x[n]));
    return r;
}
