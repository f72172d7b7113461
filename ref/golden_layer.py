#!/usr/bin/env python3
"""Writes golden/layer: single layers with their gradients, small and with awkward sizes.

CASE.safetensors holds the inputs (float32 or int32), the upstream gradient `dy`, and as float64 truth the
outputs and the gradients `dX` of every input X; CASE.json the sizes and, per float64 tensor, PyTorch
float32's largest error over several orders of summation and the rms. Every float64 gradient is first held
against central differences (gradcheck)."""
import math

import numpy as np
import torch
import torch.nn.functional as F
from transformers.activations import ACT2FN
from transformers.models.phi3 import modeling_phi3 as phi3
from transformers.models.qwen2_vl import configuration_qwen2_vl as qc, modeling_qwen2_vl as q
from transformers.models.stablelm import modeling_stablelm as stablelm

from common import SEED, save
from truth import errors, exact, permuted, settings, widen_rotary

CONTEXTS = [lambda: settings(True, 2), lambda: settings(False, 1), lambda: permuted(1), lambda: permuted(2)]


def random(*shape, size=1.0):
    return (size * torch.randn(*shape)).float()


def is_float(v):
    return v.is_floating_point()


def run(f, inputs, dtype, dy):
    """f's outputs, and the gradients of its floating-point inputs for the upstream gradient dy of its first
    output."""
    x = {k: v.detach().clone().to(dtype).requires_grad_() if is_float(v) else v for k, v in inputs.items()}
    y = f(**x)
    first = next(iter(y.values()))
    first.backward(dy.to(dtype))
    out = {k: v.detach() for k, v in y.items()}
    for k, v in x.items():
        if is_float(v):
            out["d" + k] = v.grad if v.grad is not None else torch.zeros_like(v)
    return out


def gradcheck(f, inputs):
    """Whether the float64 gradient of f's first output is what central differences say."""
    wide = [v.double().requires_grad_() if is_float(v) else v for v in inputs.values()]

    def first(*values):
        return next(iter(f(**dict(zip(inputs, values))).values()))

    return torch.autograd.gradcheck(first, wide, fast_mode=True)


def case(name, f, inputs, orders=(), dy=None, room="layer", **notes):
    """golden/ROOM/NAME. orders: further ways to compute the same in float32; the usual contexts are always
    tried."""
    if dy is None:
        with torch.no_grad(), exact():
            dy = random(*next(iter(f(**inputs).values())).shape)
    with exact():
        truth = run(f, inputs, torch.float64, dy)
        assert gradcheck(f, inputs), name
    runs = []
    for g in [f, *orders]:
        for context in CONTEXTS:
            with context():
                runs.append(run(g, inputs, torch.float32, dy))
    save(f"{room}/{name}", {**inputs, "dy": dy, **truth}, dict(notes, error=errors(truth, runs)), wide=True)


# ---------------------------------------------------------------- other orders of summation

def shuffle(count, seed):
    """A permutation and its inverse."""
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
    return order, torch.argsort(order)


def norm_orders(f, width):
    """The same norm with its channels shuffled: another order of every sum over channels."""
    def shuffled(seed):
        order, back = shuffle(width, seed)
        return lambda **x: {"y": f(**{k: v[..., order] for k, v in x.items()})["y"][..., back]}

    return [shuffled(seed) for seed in range(3)]


def row_orders(f, rows, of):
    """The same layer with the rows of the inputs named in `of` shuffled: another order of every sum over
    rows."""
    def shuffled(seed):
        order, back = shuffle(rows, seed)
        return lambda **x: {"y": f(**{k: v[order] if k in of else v for k, v in x.items()})["y"][back]}

    return [shuffled(seed) for seed in range(2)]


# ---------------------------------------------------------------- layers

def linears():
    def f(x, w, b=None):
        return {"y": F.linear(x, w, b)}

    for name, n, i, o, bias in (("linear-bias", 7, 13, 11, True), ("linear-plain", 37, 100, 84, False),
                                ("linear-wide", 3, 197, 77, True)):
        inputs = dict(x=random(n, i), w=random(o, i, size=i ** -0.5))
        if bias:
            inputs["b"] = random(o)
        case(name, f, inputs, row_orders(f, n, ("x",)))


def embeddings():
    ids = torch.tensor([3, 0, 16, 3, 3, 9, 16, 1], dtype=torch.int64)
    case("embedding", lambda table, ids: {"y": F.embedding(ids, table)}, dict(table=random(17, 13), ids=ids))


def rmsnorm(x, w):
    m = q.Qwen2RMSNorm(w.shape[0], eps=1e-5)
    del m._parameters["weight"]
    m.weight = w
    return {"y": m(x)}


def layernorm(x, w, b):
    return {"y": F.layer_norm(x, (w.shape[0],), w, b, 1e-6)}


def norms():
    for name, n, d, size in (("small", 5, 13, 1.0), ("wide", 11, 300, 8.0), ("tiny-values", 4, 60, 1e-3)):
        x = random(n, d, size=size)
        x[1] += 3 * size
        case("rmsnorm-" + name, rmsnorm, dict(x=x, w=1 + 0.3 * random(d)),
             norm_orders(rmsnorm, d) + row_orders(rmsnorm, n, ("x",)), eps=1e-5)
        case("layernorm-" + name, layernorm, dict(x=x, w=1 + 0.3 * random(d), b=random(d)),
             norm_orders(layernorm, d) + row_orders(layernorm, n, ("x",)), eps=1e-6)


def rope_text(heads, sections, theta):
    width, scaling = 2 * sum(sections), {"type": "mrope", "mrope_section": list(sections)}
    config = qc.Qwen2VLConfig(hidden_size=heads * width, num_attention_heads=heads, rope_theta=theta,
                              rope_scaling=scaling)

    def pick(t):
        """Of a table for each of the three axes, the channels that the sections take from it."""
        parts = t.split(list(sections) * 2, dim=-1)
        return torch.cat([m[i % 3] for i, m in enumerate(parts)], dim=-1)[0, :, : width // 2]

    def f(x, position):
        table = q.Qwen2VLRotaryEmbedding(config)
        if x.dtype == torch.float64:
            widen_rotary(table)
        cos, sin = table(x, position[:, None])
        rows = x.view(1, x.shape[0], heads, width).transpose(1, 2)
        y, _ = q.apply_multimodal_rotary_pos_emb(rows, rows, cos, sin, list(sections))
        return {"y": y.transpose(1, 2).reshape(x.shape), "cos": pick(cos), "sin": pick(sin)}

    return f


def rope_vision(heads, width, grid):
    def f(x, at):
        table = q.VisionRotaryEmbedding(width // 2)
        if x.dtype == torch.float64:
            widen_rotary(table)
        angle = table(max(grid))[at].flatten(1).to(x.dtype)
        both = torch.cat((angle, angle), -1)
        rows = x.view(-1, heads, width)
        y, _ = q.apply_rotary_pos_emb_vision(rows, rows, both.cos(), both.sin())
        return {"y": y.reshape(x.shape), "cos": angle.cos(), "sin": angle.sin()}

    return f


def ropes():
    """Text: theta and sections of a tiny config, three rows of positions as pictures make them, and far ones.
    Vision: row and column of every patch, in blocks of 2x2."""
    for name, heads, sections, theta, far in (("rope-text-near", 3, [2, 5, 3], 1e6, 0),
                                              ("rope-text-far", 2, [1, 3, 3], 1e4, 3000)):
        half = sum(sections)
        position = far + torch.tensor([[0, 1, 2, 3, 3, 3, 3, 3, 3, 6, 7],
                                       [0, 1, 2, 3, 3, 3, 4, 4, 4, 6, 7],
                                       [0, 1, 2, 3, 4, 5, 3, 4, 5, 6, 7]])
        case(name, rope_text(heads, sections, theta), dict(x=random(11, heads * 2 * half), position=position),
             heads=heads, half=half, theta=theta, sections=sections)
    for name, heads, width, (down, across) in (("rope-vision", 5, 12, (4, 6)), ("rope-vision-narrow", 7, 4, (2, 4))):
        blocks = [(2 * (b // (across // 2)), 2 * (b % (across // 2))) for b in range(down * across // 4)]
        at = torch.tensor([(y + r // 2, x + r % 2) for y, x in blocks for r in range(4)])
        case(name, rope_vision(heads, width, (down, across)), dict(x=random(len(at), heads * width), at=at),
             heads=heads, half=width // 2, theta=10000.0)


def rope_one_axis(module, config, heads, head, turned):
    """A rotary table of transformers on the first `turned` channels of every head."""
    def f(x, position):
        table = module(config)
        if x.dtype == torch.float64:
            widen_rotary(table)
        cos, sin = table(x, position)
        rows = x.view(1, x.shape[0], heads, head).transpose(1, 2)
        y, _ = stablelm.apply_rotary_pos_emb(rows[..., :turned], rows[..., :turned], cos, sin)
        y = torch.cat((y, rows[..., turned:]), dim=-1)
        half = turned // 2
        return {"y": y.transpose(1, 2).reshape(x.shape), "cos": cos[0, :, :half], "sin": sin[0, :, :half]}

    return f


def ropes_of_one_position():
    """rope-partial: StableLM turns only the first channels of a head. rope-long: Phi-3 beyond its first length divides
    the frequencies by the long factors and multiplies cos and sin by a scale."""
    heads, head, theta = 3, 20, 10000.0
    sizes = dict(hidden_size=heads * head, num_attention_heads=heads, rope_theta=theta)
    partial = stablelm.StableLmConfig(**sizes, partial_rotary_factor=0.4)
    factor = [1 + 0.35 * j * j for j in range(head // 2)]
    scaling = {"type": "longrope", "short_factor": [1.0] * (head // 2), "long_factor": factor}
    long = phi3.Phi3Config(**sizes, original_max_position_embeddings=32, max_position_embeddings=1024,
                           rope_scaling=scaling, pad_token_id=0)
    scale = phi3.Phi3RotaryEmbedding(long).attention_scaling
    for name, module, config, turned, position, notes in (
            ("rope-partial", stablelm.StableLmRotaryEmbedding, partial, 8, [0, 1, 2, 3, 40, 41, 90], dict(scale=1)),
            ("rope-long", phi3.Phi3RotaryEmbedding, long, head, [0, 1, 2, 3, 31, 32, 60],
             dict(factor=factor, scale=scale))):
        inputs = dict(x=random(len(position), heads * head), position=torch.tensor([position]))
        case(name, rope_one_axis(module, config, heads, head, turned), inputs, heads=heads, head=head, turned=turned,
             theta=theta, **notes)


def attention(H, K, E, lengths, causal, by_hand):
    ends = np.cumsum([0] + lengths)

    def one(qs, k, v):
        """A sequence's heads [H, n, E]; softmax in float32, as transformers has it."""
        if not by_hand:
            return F.scaled_dot_product_attention(qs, k, v, is_causal=causal)
        n = qs.shape[1]
        mask = torch.full((n, n), -math.inf, dtype=qs.dtype).triu(1) if causal else 0
        return F.softmax(qs @ k.transpose(1, 2) * E ** -0.5 + mask, dim=-1, dtype=torch.float32) @ v

    def f(x_q, x_k, x_v):
        out = []
        for a, b in zip(ends, ends[1:]):
            qs = x_q[a:b].view(b - a, H, E).transpose(0, 1)
            k, v = (t[a:b].view(b - a, K, E).transpose(0, 1).repeat_interleave(H // K, 0) for t in (x_k, x_v))
            out.append(one(qs, k, v).transpose(0, 1).reshape(b - a, H * E))
        return {"y": torch.cat(out)}

    return f


def attentions():
    for name, H, K, E, lengths, causal in (("attention-causal", 6, 2, 14, [5, 1, 9], True),
                                           ("attention-full", 5, 5, 12, [4, 12, 8], False),
                                           ("attention-long", 3, 1, 10, [67, 2, 30], True),
                                           ("attention-long-full", 2, 2, 4, [68, 4], False)):
        by_hand, fused = (attention(H, K, E, lengths, causal, hand) for hand in (True, False))

        def flip(t, n, E=E):
            return t.view(-1, n, E).flip(-1).reshape(t.shape)

        def backwards(x_q, x_k, x_v, f=by_hand, H=H, K=K, flip=flip):
            """Head widths in reverse: another order of the sums over E."""
            return {"y": flip(f(flip(x_q, H), flip(x_k, K), flip(x_v, K))["y"], H)}

        n = sum(lengths)
        inputs = dict(x_q=random(n, H * E, size=1.5), x_k=random(n, K * E, size=1.5), x_v=random(n, K * E))
        case(name, by_hand, inputs, [fused, backwards], heads=H, kv_heads=K, width=E, lengths=lengths, causal=causal)


def activations():
    edges = torch.tensor([[-90.0, -20, -9, -5, -1e-3, -1e-6, 0, 1e-6, 1e-3, 5, 9, 20, 90]])
    x = torch.cat([random(5, 13, size=2.0), edges])
    for name, key in (("gelu", "gelu"), ("gelu_tanh", "gelu_pytorch_tanh"), ("quick_gelu", "quick_gelu")):
        case(name, lambda x, key=key: {"y": ACT2FN[key](x)}, dict(x=x))
    case("swiglu", lambda gate, up: {"y": F.silu(gate) * up}, dict(gate=x, up=random(6, 13)))
    case("add", lambda a, b: {"y": a + b}, dict(a=x, b=random(6, 13)))


def scales():
    """swiglu-joined: gate and up are columns of one matrix. scale: layer scale, one of them zero."""
    case("swiglu-joined", lambda x: {"y": F.silu(x[:, :13]) * x[:, 13:]}, dict(x=random(6, 26, size=2.0)))
    s = 0.5 * random(37)
    s[5] = 0
    case("scale", lambda x, s: {"y": x * s}, dict(x=random(9, 37), s=s))


def scatter(x, rows, at):
    mask = torch.zeros(x.shape[0], dtype=torch.bool)
    mask[at] = True
    return {"y": x.masked_scatter(mask[:, None].expand_as(x), rows)}


def rows():
    case("merge", lambda x: {"y": x.view(-1, 4 * x.shape[1])}, dict(x=random(12, 7)), group=4)
    case("scatter", scatter, dict(x=random(9, 7), rows=random(4, 7), at=torch.tensor([1, 2, 5, 8])))
    case("gather", lambda x, at: {"y": x[at]}, dict(x=random(9, 7), at=torch.tensor([0, 3, 4, 8])))


def mean_loss(logits, labels):
    return {"loss": F.cross_entropy(logits, labels).reshape(1)}


def loss(h, w, labels):
    return mean_loss(F.linear(h, w), labels)


def loss_turned(h, w, labels):
    """The vocabulary in reverse."""
    return mean_loss(F.linear(h, w).flip(-1), torch.where(labels < 0, labels, w.shape[0] - 1 - labels))


def loss_shuffled(h, w, labels):
    """The rows in reverse."""
    return loss(h.flip(0), w, labels.flip(0))


def losses():
    """Logits from a head; labels -100 do not count; the mean over those that do. dy is the loss's own
    gradient, 1."""
    for name, n, d, v, masked in (("cross-entropy", 11, 13, 37, 4), ("cross-entropy-long", 150, 20, 51, 7)):
        labels = torch.randint(0, v, (n,))
        labels[:masked] = -100
        labels[n // 2] = -100
        inputs = dict(h=random(n, d), w=random(v, d), labels=labels)
        case(name, loss, inputs, [loss_turned, loss_shuffled], dy=torch.ones(1))


if __name__ == "__main__":
    torch.manual_seed(SEED)
    for make in (linears, embeddings, norms, ropes, attentions, activations, rows, losses, ropes_of_one_position,
                 scales):
        make()
