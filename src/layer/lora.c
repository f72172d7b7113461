/* Low-rank factors of a linear layer's weight (LoRA, Hu et al. 2021; peft.tuners.lora.Linear):
 *
 *     u = scale * dropout(x) A^T,  y += u B^T
 *     du = scale * dy B,  dB += dy^T u,  dA += du^T dropout(x),  dx += mask * (du A)
 *
 * dropout(x) = mask * x, and an element of mask is 0 or 1 / (1 - dropout). It is a hash of (seed, step,
 * sample, module, element), so nothing of it is stored. With B = 0 nothing but zeros is added: y keeps
 * its bits. */
#include "layer/lora.h"

#include "base/parallel.h"
#include "base/random.h"
#include "layer/layer.h"
#include "tensor/gemm.h"

#include <string.h>

bool lora_wants_grad(const Lora *l)
{
    return l && (l->a.grad || l->b.grad);
}

void lora_dropout(float *x, const Lora *l, const DropoutKey *key, int64_t first, int64_t count)
{
    const uint64_t seed = random_u64(key->seed, (uint64_t)key->step, (uint64_t)key->sample);
    const float kept = 1 / (1 - l->dropout);
#pragma omp parallel for if (parallel_worth(16 * count))
    for (int64_t i = 0; i < count; i++)
        x[i] = random_unit(seed, l->key, (uint64_t)(first + i)) < (double)l->dropout ? 0 : x[i] * kept;
}

/* dropout(x[N,I]): x itself where nothing is left out. NULL after a failure. */
static const float *dropped(Run *run, const Lora *l, const float *x, int64_t first, int64_t N, int64_t I)
{
    if (!run->dropout || !(l->dropout > 0))
        return x;
    float *out = run_alloc(run, N * I, sizeof *out);
    if (!out)
        return NULL;
    memcpy(out, x, (size_t)(N * I) * sizeof *out);
    lora_dropout(out, l, run->dropout, first * I, N * I);
    return out;
}

static void multiply_by(float *x, float scale, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        x[i] *= scale;
}

void lora_fwd(Run *run, float *y, float *u, const Lora *l, const float *x, int64_t first, int64_t N)
{
    const int64_t R = l->a.dim[0];
    const int64_t O = l->b.dim[0];
    const int64_t I = l->a.weight.stride;
    ArenaMark mark = arena_mark(run->arena);
    const float *kept = dropped(run, l, x, first, N, I);
    if (kept) {
        gemm_forward(run, u, kept, &l->a.weight, N, R, I);
        multiply_by(u, l->scale, N * R);
        gemm_forward_add(run, y, u, &l->b.weight, N, O, R);
    }
    arena_release(run->arena, mark);
}

/* dx[N,I] += mask * (du[N,R] A) */
static void input_grad(Run *run, float *dx, const Lora *l, const float *du, int64_t first, int64_t N,
                       int64_t I)
{
    const int64_t R = l->a.dim[0];
    if (!run->dropout || !(l->dropout > 0)) {
        gemm_input_grad(run, dx, du, &l->a.weight, N, R, I);
        return;
    }
    float *dkept = arena_zero(run->arena, N * I, sizeof *dkept, run->error);
    if (!dkept)
        return;
    gemm_input_grad(run, dkept, du, &l->a.weight, N, R, I);
    lora_dropout(dkept, l, run->dropout, first * I, N * I);
    add_fwd(dx, dkept, N * I);
}

void lora_bwd(Run *run, float *dx, const Lora *l, const float *dy, const float *x, const float *u,
              int64_t first, int64_t N)
{
    const int64_t R = l->a.dim[0];
    const int64_t O = l->b.dim[0];
    const int64_t I = l->a.weight.stride;
    ArenaMark mark = arena_mark(run->arena);
    float *du = arena_zero(run->arena, N * R, sizeof *du, run->error);
    if (du) {
        gemm_input_grad(run, du, dy, &l->b.weight, N, O, R);
        multiply_by(du, l->scale, N * R);
        if (l->b.grad)
            gemm_weight_grad(run, l->b.grad, dy, u, N, O, R);
    }
    if (du && dx)
        input_grad(run, dx, l, du, first, N, I);
    const float *kept = du && l->a.grad ? dropped(run, l, x, first, N, I) : NULL;
    if (kept)
        gemm_weight_grad(run, l->a.grad, du, kept, N, R, I);
    arena_release(run->arena, mark);
}
