/* The one pre-norm layer of all families (transformer.h has the equation) and stacks of it.
 * Invariant: the order of operations is the same for all; which products there are, and how they
 * are called, comes from the shape's table of names alone. */
#include "model/block/transformer.h"

#include "base/number.h"
#include "base/progress.h"
#include "model/load.h"
#include "tensor/probe.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { NAME = 120 };

static void load_part(TransformerLayer *l, Checkpoint *c, const TransformerShape *z, const LayerName *n,
                      const char *layer, Error *e)
{
    const int64_t D = z->width;
    const int64_t F = z->hidden;
    const int64_t Q = z->heads * z->head_width;
    const int64_t K = z->kv_heads * z->head_width;
    const struct {
        Linear *to;
        int64_t out, in;
    } products[LAYER_PARTS] = {
        [LAYER_Q] = {&l->q, Q, D},
        [LAYER_K] = {&l->k, K, D},
        [LAYER_V] = {&l->v, K, D},
        [LAYER_QKV] = {&l->qkv, Q + 2 * K, D},
        [LAYER_QKV_BY_HEAD] = {&l->qkv_by_head, Q + 2 * K, D},
        [LAYER_OUT] = {&l->out, D, Q},
        [LAYER_GATE] = {&l->gate, F, D},
        [LAYER_UP] = {&l->up, F, D},
        [LAYER_GATE_UP] = {&l->gate_up, 2 * F, D},
        [LAYER_DOWN] = {&l->down, D, F},
    };
    switch (n->part) {
    case LAYER_NORM1: l->norm1 = norm_load(c, z->norm, D, z->eps, e, "%s.%s", layer, n->name); break;
    case LAYER_NORM2: l->norm2 = norm_load(c, z->norm, D, z->eps, e, "%s.%s", layer, n->name); break;
    case LAYER_SCALE1: l->scale1 = checkpoint_vector(c, e, D, "%s.%s", layer, n->name); break;
    case LAYER_SCALE2: l->scale2 = checkpoint_vector(c, e, D, "%s.%s", layer, n->name); break;
    default:
        *products[n->part].to =
            load_linear(c, products[n->part].out, products[n->part].in, n->bias, e, "%s.%s", layer, n->name);
    }
}

void transformer_load_layer(TransformerLayer *l, Checkpoint *c, const TransformerShape *shape, Error *e,
                            const char *name, ...)
{
    char layer[NAME];
    va_list list;
    va_start(list, name);
    vsnprintf(layer, sizeof layer, name, list);
    va_end(list);
    for (const LayerName *n = shape->names; n->name; n++)
        load_part(l, c, shape, n, layer, e);
}

Status transformer_load(Transformer *t, Vlm *vlm, const char *name, const TransformerShape *shape, Error *e)
{
    const float scale = (float)(1 / sqrt((double)shape->head_width));
    *t = (Transformer){
        .name = arena_copy(&vlm->arena, name, e),
        .shape = *shape,
        .attention = {shape->heads, shape->kv_heads, shape->head_width, scale, shape->causal},
        .layer = arena_zero(&vlm->arena, shape->layers, sizeof *t->layer, e),
    };
    for (int64_t i = 0; e->status == OK && i < shape->layers; i++)
        transformer_load_layer(t->layer + i, &vlm->checkpoint, shape, e, "%s.%lld", name, (long long)i);
    return e->status;
}

/* Counts block() below. Backward: gradients of what is kept and of the activation; attention's dk
 * and dv of every query head; a product's packed factor. */
RowBytes transformer_row_bytes(const TransformerShape *z, int64_t rows)
{
    const int64_t bytes = rows * (int64_t)sizeof(float);
    const int64_t D = z->width;
    const int64_t F = z->hidden;
    const int64_t Q = z->heads * z->head_width;
    const int64_t K = z->kv_heads * z->head_width;
    int64_t kept = 4 * D + 2 * Q + 2 * K + (z->gated ? 2 : 1) * F;
    for (const LayerName *n = z->names; n->name; n++) {
        kept += n->part == LAYER_SCALE1 || n->part == LAYER_SCALE2 ? D : 0;
        kept += n->part == LAYER_QKV_BY_HEAD ? Q + 2 * K : 0; /* the product, from which they are taken */
    }
    return (RowBytes){
        .layers = z->layers,
        .input = D * bytes,
        .forward = (kept + 2 * (Q - K) + F) * bytes,
        .kept = kept * bytes,
        .backward = (kept + F + 2 * Q + D) * bytes,
        .rows = rows,
        .heads = z->heads,
        .head_width = z->head_width,
        .widest = max_i64(max_i64(D, F), Q),
    };
}

/* What a layer needs beside x; run_block copies it, so that backward can run the layer again. */
typedef struct {
    const Transformer *t;
    int64_t index;
    Rows rows;
} Context;

static Mat *turn(Run *run, const Rope *r, Mat *x)
{
    return r ? rope(run, r, x) : x;
}

/* q [N,H*E], k and v [N,K*E] of the normed rows n. */
typedef struct {
    Mat *q, *k, *v;
} Heads;

static Heads project(Run *run, const Attention *a, const TransformerLayer *l, Mat *n)
{
    const int64_t E = a->width;
    const int64_t Q = a->heads * E;
    const int64_t K = a->kv_heads * E;
    Heads h = {NULL, NULL, NULL};
    if (l->qkv.weight) {
        Mat *joined = linear(run, &l->qkv, n);
        h.q = mat_columns(run, joined, 0, Q);
        h.k = mat_columns(run, joined, Q, K);
        h.v = mat_columns(run, joined, Q + K, K);
    } else if (l->qkv_by_head.weight) {
        const int64_t group = a->heads / a->kv_heads * E;
        Mat *joined = linear(run, &l->qkv_by_head, n);
        h.q = split_columns(run, joined, a->kv_heads, 0, group);
        h.k = split_columns(run, joined, a->kv_heads, group, E);
        h.v = split_columns(run, joined, a->kv_heads, group + E, E);
    } else {
        h.q = linear(run, &l->q, n);
        h.k = linear(run, &l->k, n);
        h.v = linear(run, &l->v, n);
    }
    return h;
}

/* out(attention(rope(q), rope(k), v)) of the normed rows n */
static Mat *attend(Run *run, const Context *c, const TransformerLayer *l, Mat *n)
{
    const Attention *a = &c->t->attention;
    const Heads h = project(run, a, l, n);
    Mat *q = turn(run, c->rows.rope, h.q);
    Mat *k = turn(run, c->rows.rope, h.k);
    return linear(run, &l->out, attention(run, a, q, k, h.v, &c->rows.seqs, c->rows.cache, c->index));
}

/* down(act(up(n))), or down(act(gate(n)) * up(n)) */
static Mat *mlp(Run *run, const TransformerShape *z, const TransformerLayer *l, Mat *n)
{
    const int64_t F = z->hidden;
    if (!z->gated)
        return linear(run, &l->down, z->activation(run, linear(run, &l->up, n)));
    const bool joined = l->gate_up.weight != NULL;
    Mat *both = joined ? linear(run, &l->gate_up, n) : NULL;
    Mat *up = joined ? mat_columns(run, both, F, F) : linear(run, &l->up, n);
    Mat *gate = joined ? mat_columns(run, both, 0, F) : linear(run, &l->gate, n);
    return linear(run, &l->down, z->gated(run, gate, up));
}

static Mat *scaled(Run *run, Param *scale, Mat *x)
{
    return scale ? scale_columns(run, scale, x) : x;
}

static Mat *block(Run *run, void *context, Mat *x)
{
    const Context *c = context;
    const TransformerLayer *l = c->t->layer + c->index;
    Mat *branch = attend(run, c, l, norm(run, &l->norm1, x));
    x = add(run, x, scaled(run, l->scale1, branch));
    branch = mlp(run, &c->t->shape, l, norm(run, &l->norm2, x));
    return add(run, x, scaled(run, l->scale2, branch));
}

Mat *transformer_layer(Run *run, const Transformer *t, int64_t i, const Rows *rows, Mat *x)
{
    const Context c = {t, i, *rows};
    return run_block(run, block, &c, sizeof c, x);
}

/* So many rows may take a layer seconds. */
enum { MANY_ROWS = 256 };

static Mat *all_layers(Run *run, const Transformer *t, const Rows *rows, int64_t batch, Mat *x)
{
    for (int64_t i = 0; i < t->shape.layers; i++) {
        if (x && x->rows >= MANY_ROWS)
            progress_inside(-1, "%s %lld/%lld", t->name, (long long)i + 1, (long long)t->shape.layers);
        x = transformer_layer(run, t, i, rows, x);
        probe_mat(run, x, batch, "%s.%lld", t->name, (long long)i);
    }
    return x;
}

/* Whole sequences of a pass; run_block copies it. */
typedef struct {
    const Transformer *t;
    Rows rows;
    int64_t first_row;
} Slice;

/* Backward runs the slice once more where it must, and keeps its layers' values then. x stays as it is. */
static Mat *slice_block(Run *run, void *context, Mat *x)
{
    const Slice *s = context;
    Run part = *run;
    part.recompute = false;
    part.first_row = s->first_row;
    if (!run->tape) {
        Mat *own = mat_new(run, x->rows, x->cols);
        if (own)
            memcpy(own->data, x->data, (size_t)(x->rows * x->cols) * sizeof *own->data);
        x = own;
    }
    return all_layers(&part, s->t, &s->rows, 0, x);
}

/* Sequences first .. last - 1 of the rows. */
static Rows rows_of(Run *run, const Rows *all, int64_t first, int64_t last)
{
    const int64_t *from = all->seqs.start + first;
    int64_t *start = run_alloc(run, last - first + 1, sizeof *start);
    Rope *rope = all->rope ? run_alloc(run, 1, sizeof *rope) : NULL;
    for (int64_t i = 0; start && i <= last - first; i++)
        start[i] = from[i] - from[0];
    if (rope) {
        *rope = *all->rope;
        rope->cos += from[0] * rope->turned / 2;
        rope->sin += from[0] * rope->turned / 2;
    }
    return (Rows){rope, {last - first, start}, NULL};
}

/* The sequence behind the last one of the slice that begins with `first`. */
static int64_t slice_end(const Transformer *t, const Seqs *s, int64_t first)
{
    int64_t end = first + 1;
    while (end < s->count && s->start[end + 1] - s->start[first] <= t->slice)
        end++;
    return end;
}

static Mat *in_slices(Run *run, const Transformer *t, const Rows *rows, Mat *x)
{
    const Seqs *s = &rows->seqs;
    int64_t count = 0;
    Mat **parts = run_alloc(run, s->count, sizeof *parts);
    for (int64_t first = 0; first < s->count && run->error->status == OK;) {
        const int64_t end = slice_end(t, s, first);
        const int64_t n = s->start[end] - s->start[first];
        const Slice slice = {t, rows_of(run, rows, first, end), run->first_row + s->start[first]};
        parts[count++] =
            run_block(run, slice_block, &slice, sizeof slice, mat_rows(run, x, s->start[first], n));
        first = end;
    }
    if (run->error->status != OK)
        return NULL;
    return run->tape ? join_rows(run, parts, count) : x; /* without a tape they are in place */
}

Mat *transformer(Run *run, const Transformer *t, const Rows *rows, int64_t batch, Mat *x)
{
    const bool whole =
        !t->slice || run->probe || rows->cache || !x || slice_end(t, &rows->seqs, 0) == rows->seqs.count;
    return whole ? all_layers(run, t, rows, batch, x) : in_slices(run, t, rows, x);
}
