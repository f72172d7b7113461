/* x += o(attention(rope(q n), rope(k n), v n)), n = rms(x);  x += down(silu(gate m) * up m), m = rms(x) */
#include "model/decoder.h"

#include <math.h>
#include <stdio.h>

static Linear load_linear(Checkpoint *c, const char *prefix, const char *name, int64_t out, int64_t in, bool bias, Error *e)
{
    Linear l = {checkpoint_matrix(c, e, out, in, "%s.%s.weight", prefix, name), NULL};
    if (bias)
        l.bias = checkpoint_vector(c, e, out, "%s.%s.bias", prefix, name);
    return l;
}

Status decoder_layer_load(DecoderLayer *l, Checkpoint *c, const char *prefix, const DecoderSizes *z, Error *e)
{
    int64_t E = z->width / z->heads;
    l->input_norm = (RmsNorm){checkpoint_vector(c, e, z->width, "%s.input_layernorm.weight", prefix), z->eps};
    l->q = load_linear(c, prefix, "self_attn.q_proj", z->width, z->width, z->qkv_bias, e);
    l->k = load_linear(c, prefix, "self_attn.k_proj", z->kv_heads * E, z->width, z->qkv_bias, e);
    l->v = load_linear(c, prefix, "self_attn.v_proj", z->kv_heads * E, z->width, z->qkv_bias, e);
    l->o = load_linear(c, prefix, "self_attn.o_proj", z->width, z->width, false, e);
    l->post_norm = (RmsNorm){checkpoint_vector(c, e, z->width, "%s.post_attention_layernorm.weight", prefix), z->eps};
    l->gate = load_linear(c, prefix, "mlp.gate_proj", z->hidden, z->width, false, e);
    l->up = load_linear(c, prefix, "mlp.up_proj", z->hidden, z->width, false, e);
    l->down = load_linear(c, prefix, "mlp.down_proj", z->width, z->hidden, false, e);
    l->attention = (Attention){z->heads, z->kv_heads, E, (float)(1 / sqrt((double)E)), true};
    return e->status;
}

/* What a layer needs besides x; copied by run_block so that it can run again on the way back. */
typedef struct {
    const DecoderLayer *l;
    const Rope *rope;
    const Seqs *seqs;
    KvCache *cache;
    int64_t index;
} Context;

static Mat *block(Run *run, void *context, Mat *x)
{
    const Context *c = context;
    const DecoderLayer *l = c->l;
    Mat *h = rmsnorm(run, &l->input_norm, x);
    Mat *q = rope(run, c->rope, linear(run, &l->q, h));
    Mat *k = rope(run, c->rope, linear(run, &l->k, h));
    Mat *v = linear(run, &l->v, h);
    x = add(run, x, linear(run, &l->o, attention(run, &l->attention, q, k, v, c->seqs, c->cache, c->index)));
    h = rmsnorm(run, &l->post_norm, x);
    return add(run, x, linear(run, &l->down, swiglu(run, linear(run, &l->gate, h), linear(run, &l->up, h))));
}

Mat *decoder_layer(Run *run, const DecoderLayer *l, Mat *x, const Rope *r, const Seqs *seqs, KvCache *cache, int64_t index)
{
    Context c = {l, r, seqs, cache, index};
    return run_block(run, block, &c, sizeof c, x);
}
