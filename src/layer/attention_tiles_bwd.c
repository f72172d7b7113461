/* Attention backward on register tiles (kernels.h), one query head of one sequence. As in the forward
 * the queries are the columns, so that one product's result is a panel of the next:
 *
 *     S^T = K Q^T,  dP^T = V dO^T        from them P^T and dS^T (attention_bwd.c)
 *     dQ^T += K^T dS^T                   for each panel of queries
 *     dK += dS^T Q,  dV += P^T dO        for QUERIES panels at a time, whose P and dS become panels
 *                                        of keys */
#include "layer/attention_kernels.h"

#include <string.h>

enum { QUERIES = 2 }; /* panels of queries in a block */

/* A thread's memory, in one piece. E is the width of a head; W and V are E rounded up to a tile's rows and columns, K are the keys rounded
 * up to a tile's rows. */
typedef struct {
    float *key, *value, *key_columns; /* packed: rows of keys and values [K,E], columns of keys [W,K] */
    float *q, *d_o;                   /* a panel of queries and of their d_o, [E,NR] each */
    float *q_columns, *do_columns; /* packed: columns of a block's queries and of their d_o, [QUERIES NR,V] */
    float *prob, *slope;           /* P^T and dS^T of a block, [QUERIES,K,NR] */
    float *left;                   /* a panel of keys from prob or slope, [QUERIES NR,MR] */
    float *dq;                     /* dQ^T of a panel [W,NR] */
    float *dk, *dv;                /* [K,V] */
} Scratch;

/* Cuts `memory` (unless it is NULL) into its parts; returns how many floats they take for so many keys. */
static int64_t scratch_cut(Scratch *s, float *memory, int64_t keys, int64_t E)
{
    const int64_t MR = kernels->tile->rows;
    const int64_t NR = kernels->tile->cols;
    const int64_t K = round_up(keys, MR);
    const int64_t W = round_up(E, MR);
    const int64_t V = round_up(E, NR);
    const int64_t block = QUERIES * NR;
    const ScratchPart parts[] = {{&s->key, K * E},
                                 {&s->value, K * E},
                                 {&s->key_columns, W * K},
                                 {&s->q, E * NR},
                                 {&s->d_o, E * NR},
                                 {&s->q_columns, block * V},
                                 {&s->do_columns, block * V},
                                 {&s->prob, block * K},
                                 {&s->slope, block * K},
                                 {&s->left, block * MR},
                                 {&s->dq, W * NR},
                                 {&s->dk, K * V},
                                 {&s->dv, K * V}};
    return attention_cut(memory, parts, sizeof parts / sizeof *parts);
}

int64_t attention_bwd_scratch(int64_t keys, int64_t width)
{
    Scratch none;
    return kernels->tile ? scratch_cut(&none, NULL, keys, width) : 2 * ATTENTION_BLOCK * keys;
}

typedef struct {
    const AttentionArrays *x;
    const AttentionGrads *g;
    const Keys *keys;
    Scratch s;
    int64_t head, start; /* start: the sequence's first row in the batch */
} Head;

/* The head's columns of an array like q or o, from row `first` of the sequence on. */
static Weight columns_of(const Head *b, const float *array, int64_t stride, int64_t first)
{
    return (Weight){array + (b->start + first) * stride + b->head * b->x->a->width, F32, stride, NULL};
}

/* Packs keys and values of the head's key/value head, and clears their gradients. */
static void begin(Head *b)
{
    const int64_t MR = kernels->tile->rows;
    const int64_t E = b->x->a->width;
    const int64_t kv = b->head * b->x->a->kv_heads / b->x->a->heads;
    const int64_t count = b->keys->count;
    const int64_t K = round_up(count, MR);
    const int64_t V = round_up(E, kernels->tile->cols);
    const Weight key = {b->keys->key + kv * b->keys->head, F32, b->keys->key_stride, NULL};
    const Weight value = {b->keys->value + kv * b->keys->head, F32, b->keys->value_stride, NULL};
    for (int64_t k = 0; k < count; k += MR) {
        const Weight keys = weight_part(&key, k, 0);
        const Weight values = weight_part(&value, k, 0);
        kernels->tile->pack(b->s.key + k * E, false, &keys, min_i64(MR, count - k), E);
        kernels->tile->pack(b->s.value + k * E, false, &values, min_i64(MR, count - k), E);
    }
    kernels->tile->pack_columns(b->s.key_columns, false, &key, E, count);
    memset(b->s.dk, 0, (size_t)(K * V) * sizeof *b->s.dk);
    memset(b->s.dv, 0, (size_t)(K * V) * sizeof *b->s.dv);
}

/* P^T and dS^T of queries first .. first + count - 1 of the sequence, count <= NR; zeros for keys that a query
 * does not see, up to key K. */
static void prob_and_slope(const Head *b, float *prob, float *slope, int64_t first, int64_t count, int64_t K)
{
    const AttentionArrays *x = b->x;
    const int64_t MR = kernels->tile->rows;
    const int64_t NR = kernels->tile->cols;
    const int64_t E = x->a->width;
    const int64_t row = b->start + first;
    const int64_t seen = attention_visible(x->a, b->keys, first + count - 1);
    const Weight q = columns_of(b, x->q, x->q_stride, first);
    const Weight d_o = columns_of(b, b->g->d_o, x->o_stride, first);
    float max[ATTENTION_COLS] = {0};
    float inv_sum[ATTENTION_COLS] = {0};
    float mean[ATTENTION_COLS] = {0};
    kernels->tile->pack(b->s.q, true, &q, count, E);
    kernels->tile->pack(b->s.d_o, true, &d_o, count, E);
    for (int64_t k = 0; k < seen; k += MR) {
        kernels->tile->multiply(prob + k * NR, NR, b->s.key + k * E, b->s.q, E, false);
        kernels->tile->multiply(slope + k * NR, NR, b->s.value + k * E, b->s.d_o, E, false);
    }
    for (int64_t j = 0; j < count; j++) {
        const SoftmaxRow r = x->row[b->head * attention_rows(x) + row + j];
        max[j] = r.max;
        inv_sum[j] = r.inv_sum;
        mean[j] = attention_mean_slope(x, b->g->d_o, row + j, b->head);
    }
    kernels->softmax_bwd(prob, slope, seen, x->a->scale, max, inv_sum, mean);
    for (int64_t j = 0; j < count; j++)
        for (int64_t k = attention_visible(x->a, b->keys, first + j); k < seen; k++) {
            prob[k * NR + j] = 0;
            slope[k * NR + j] = 0;
        }
    memset(prob + seen * NR, 0, (size_t)((K - seen) * NR) * sizeof *prob);
    memset(slope + seen * NR, 0, (size_t)((K - seen) * NR) * sizeof *slope);
}

/* dq of the same queries. */
static void query_grad(const Head *b, const float *slope, int64_t first, int64_t count)
{
    const AttentionArrays *x = b->x;
    const int64_t MR = kernels->tile->rows;
    const int64_t NR = kernels->tile->cols;
    const int64_t E = x->a->width;
    const int64_t seen = attention_visible(x->a, b->keys, first + count - 1);
    for (int64_t k = 0; k < seen; k += ATTENTION_KEYS)
        for (int64_t e = 0; e < E; e += MR)
            kernels->tile->multiply(b->s.dq + e * NR, NR, b->s.key_columns + e * b->keys->count + k * MR,
                                    slope + k * NR, min_i64(ATTENTION_KEYS, seen - k), k > 0);
    for (int64_t j = 0; j < count; j++) {
        float *dq = b->g->dq + (b->start + first + j) * x->q_stride + b->head * E;
        for (int64_t e = 0; e < E; e++)
            dq[e] += x->a->scale * b->s.dq[e * NR + j];
    }
}

/* grad[K,E] += each^T right of a block of `count` queries: each is prob or slope, right the packed columns. */
static void key_grad(const Head *b, float *grad, const float *each, const float *right, int64_t count,
                     int64_t K)
{
    const int64_t MR = kernels->tile->rows;
    const int64_t NR = kernels->tile->cols;
    const int64_t E = b->x->a->width;
    const int64_t V = round_up(E, NR);
    for (int64_t k = 0; k < K; k += MR) {
        for (int64_t j = 0; j < count; j += NR) {
            const Weight keys = {each + (j * K + k * NR), F32, NR, NULL};
            kernels->tile->pack(b->s.left + j * MR, false, &keys, MR, min_i64(NR, count - j));
        }
        for (int64_t e = 0; e < E; e += NR)
            kernels->tile->multiply(grad + k * V + e, V, b->s.left, right + e * count, count, true);
    }
}

/* Queries first .. first + count - 1, at most QUERIES panels. */
static void block(const Head *b, int64_t first, int64_t count)
{
    const AttentionArrays *x = b->x;
    const int64_t NR = kernels->tile->cols;
    const int64_t E = x->a->width;
    const int64_t K = round_up(attention_visible(x->a, b->keys, first + count - 1), kernels->tile->rows);
    const Weight q = columns_of(b, x->q, x->q_stride, first);
    const Weight d_o = columns_of(b, b->g->d_o, x->o_stride, first);
    for (int64_t j = 0; j < count; j += NR) {
        const int64_t some = min_i64(NR, count - j);
        prob_and_slope(b, b->s.prob + j * K, b->s.slope + j * K, first + j, some, K);
        query_grad(b, b->s.slope + j * K, first + j, some);
    }
    kernels->tile->pack_columns(b->s.q_columns, true, &q, E, count);
    kernels->tile->pack_columns(b->s.do_columns, true, &d_o, E, count);
    key_grad(b, b->s.dk, b->s.slope, b->s.q_columns, count, K);
    key_grad(b, b->s.dv, b->s.prob, b->s.do_columns, count, K);
}

void attention_bwd_tiles(const AttentionArrays *x, const AttentionGrads *g, int64_t s, int64_t h,
                         float *memory)
{
    const int64_t E = x->a->width;
    const int64_t V = round_up(E, kernels->tile->cols);
    const int64_t Q = x->a->heads * E;
    const int64_t size = QUERIES * kernels->tile->cols;
    Head b = {.x = x, .g = g, .keys = x->keys + s, .head = h, .start = x->seqs->start[s]};
    const int64_t count = b.keys->count;
    assert(kernels->tile->cols <= ATTENTION_COLS);
    scratch_cut(&b.s, memory, count, E);
    begin(&b);
    for (int64_t n = 0; n < count; n += size)
        block(&b, n, min_i64(size, count - n));
    for (int64_t n = 0; n < count; n++)
        for (int64_t e = 0; e < E; e++) {
            g->dk[(b.start + n) * Q + h * E + e] = x->a->scale * b.s.dk[n * V + e];
            g->dv[(b.start + n) * Q + h * E + e] = b.s.dv[n * V + e];
        }
}
