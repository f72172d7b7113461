/* Rotary position embedding. In every head, channels j and j + T/2 of the first T turn as a pair
 * by angle[n, j]; the other channels stay:
 *
 *     a' = a cos - b sin,  b' = b cos + a sin
 *
 * The gradient goes through the transposed matrix, which is the turn by the opposite angle. Both
 * happen in place, because nobody needs the values from before. Angles are computed in double from
 * frequencies rounded to float32, as transformers keeps them. (apply_rotary_pos_emb,
 * apply_multimodal_rotary_pos_emb, apply_rotary_pos_emb_vision; ROPE_INIT_FUNCTIONS) */
#include "layer/layer.h"

#include "base/elementary.h"
#include "base/parallel.h"

typedef struct {
    const Rope *r;
    Mat *x;
} Saved;

/* sign: 1, or -1 for the opposite angle */
static void turn(float *x, int64_t stride, const float *cos, const float *sin, float sign, int64_t N,
                 int64_t H, int64_t E, int64_t T)
{
    const int64_t half = T / 2;
#pragma omp parallel for if (parallel_worth(N * H * T))
    for (int64_t n = 0; n < N; n++)
        for (int64_t h = 0; h < H; h++) {
            float *a = x + n * stride + h * E;
            float *b = a + half;
            for (int64_t j = 0; j < half; j++) {
                const float c = cos[n * half + j];
                const float s = sign * sin[n * half + j];
                const float u = a[j];
                const float v = b[j];
                a[j] = u * c - v * s;
                b[j] = v * c + u * s;
            }
        }
}

void rope_fwd(float *x, int64_t stride, const float *cos, const float *sin, int64_t N, int64_t H, int64_t E,
              int64_t T)
{
    turn(x, stride, cos, sin, 1, N, H, E, T);
}

/* forward: a' = a cos - b sin, b' = b cos + a sin; so da = da' cos + db' sin, db = db' cos - da'
 * sin */
void rope_bwd(float *dx, int64_t stride, const float *cos, const float *sin, int64_t N, int64_t H, int64_t E,
              int64_t T)
{
    turn(dx, stride, cos, sin, -1, N, H, E, T);
}

static void backward(Run *run, void *p)
{
    Saved *s = p;
    const Rope *r = s->r;
    float *dx = mat_grad(run, s->x);
    if (dx)
        rope_bwd(dx, s->x->stride, r->cos, r->sin, s->x->rows, s->x->cols / r->head, r->head, r->turned);
}

Mat *rope(Run *run, const Rope *r, Mat *x)
{
    if (!x || !r)
        return NULL;
    assert(x->cols % r->head == 0);
    rope_fwd(x->data, x->stride, r->cos, r->sin, x->rows, x->cols / r->head, r->head, r->turned);
    Saved *s = tape_record(run, backward, sizeof *s);
    if (s)
        *s = (Saved){r, x};
    return x;
}

/* Number j of all frequencies, the i-th of its section's `count`; float32 at each step, as in
 * transformers. */
static float frequency(const RotaryRule *rule, int64_t j, int64_t i, int64_t count)
{
    float power = rule->restart ? (float)i / (float)count : (float)j / (float)(rule->turned / 2);
    float factor = rule->factor ? (float)rule->factor[j] : 1.0f;
    return 1.0f / (factor * (float)exact_pow(rule->theta, (double)power));
}

/* Rows first .. first + count - 1 of a table of N rows. */
static void fill(float *cos, float *sin, const RotaryRule *rule, const int32_t *position, int64_t N,
                 int64_t first, int64_t count)
{
    const int64_t half = rule->turned / 2;
    int64_t j = 0;
    for (int64_t p = 0; p < (rule->sections ? rule->sections : 1); p++) {
        const int64_t frequencies = rule->sections ? rule->section[p] : half;
        for (int64_t i = 0; i < frequencies; i++) {
            const double f = (double)frequency(rule, j, i, frequencies);
            for (int64_t n = first; n < first + count; n++) {
                double s;
                double c;
                exact_sincos(f * position[p * N + n], &s, &c);
                cos[n * half + j] = (float)(rule->scale * c);
                sin[n * half + j] = (float)(rule->scale * s);
            }
            j++;
        }
    }
    assert(j == half && rule->turned <= rule->head && rule->scale > 0);
}

Rope *rope_table_by_sequence(Run *run, const RotaryRule *rule, const int32_t *position, const Seqs *seqs)
{
    const int64_t N = seqs->start[seqs->count];
    const int64_t half = rule->turned / 2;
    Rope *r = run_alloc(run, 1, sizeof *r);
    float *cos = run_alloc(run, N * half, sizeof *cos);
    float *sin = run_alloc(run, N * half, sizeof *sin);
    if (!r || !cos || !sin)
        return NULL;
    for (int64_t s = 0; s < seqs->count; s++)
        fill(cos, sin, rule + s, position, N, seqs->start[s], seqs->start[s + 1] - seqs->start[s]);
    *r = (Rope){cos, sin, rule->head, rule->turned};
    return r;
}

Rope *rope_table(Run *run, const RotaryRule *rule, const int32_t *position, int64_t N)
{
    const int64_t start[2] = {0, N};
    return rope_table_by_sequence(run, rule, position, &(Seqs){1, start});
}
