#!/usr/bin/env python3
"""Writes golden/layer: single layers with their gradients, small and with awkward sizes. CASE.safetensors holds the inputs (float32 or int32), the upstream
gradient `dy`, and as float64 truth the outputs and the gradients `dX` of every input X; CASE.json the sizes and, per float64 tensor, PyTorch float32's
largest error over several orders of summation and the rms. Every float64 gradient is first held against central differences (gradcheck)."""
from common import *
from transformers.models.qwen2_vl import configuration_qwen2_vl as qc, modeling_qwen2_vl as q
from transformers.activations import ACT2FN


def random(*shape, size=1.0):
    return (size * torch.randn(*shape)).float()


def run(f, inputs, dtype, dy):
    """f's outputs, and the gradients of its floating-point inputs for the upstream gradient dy of its first output."""
    x = {k: v.detach().clone().to(dtype).requires_grad_() if v.is_floating_point() else v for k, v in inputs.items()}
    y = f(**x)
    first = next(iter(y.values()))
    first.backward(dy.to(dtype))
    out = {k: v.detach() for k, v in y.items()}
    out.update({"d" + k: v.grad if v.grad is not None else torch.zeros_like(v) for k, v in x.items() if v.is_floating_point()})
    return out


def case(name, f, inputs, orders=None, dy=None, **notes):
    """orders: further ways to compute the same in float32; the usual contexts are always tried."""
    if dy is None:
        with torch.no_grad(), exact():
            dy = random(*next(iter(f(**inputs).values())).shape)
    names, wide = list(inputs), [v.double().requires_grad_() if v.is_floating_point() else v for v in inputs.values()]
    with exact():
        truth = run(f, inputs, torch.float64, dy)
        assert torch.autograd.gradcheck(lambda *v: next(iter(f(**dict(zip(names, v))).values())), wide, fast_mode=True), name
    runs = []
    for g in [f] + (orders or []):
        for context in (lambda: settings(True, 2), lambda: settings(False, 1), lambda: permuted(1), lambda: permuted(2)):
            with context():
                runs.append(run(g, inputs, torch.float32, dy))
    save("layer/" + name, {**inputs, "dy": dy, **truth}, dict(notes, error=errors(truth, runs)), wide=True)


def norm_orders(f, width):
    """The same norm with its channels shuffled: another order of every sum over channels."""
    out = []
    for seed in range(3):
        order = torch.randperm(width, generator=torch.Generator().manual_seed(seed))
        back = torch.argsort(order)
        out.append(lambda order=order, back=back, **x: {"y": f(**{k: v[..., order] for k, v in x.items()})["y"][..., back]})
    return out


def row_orders(f, rows, of):
    """The same layer with the rows of the inputs named in `of` shuffled: another order of every sum over rows."""
    out = []
    for seed in range(2):
        order = torch.randperm(rows, generator=torch.Generator().manual_seed(seed))
        back = torch.argsort(order)
        out.append(lambda order=order, back=back, **x: {"y": f(**{k: v[order] if k in of else v for k, v in x.items()})["y"][back]})
    return out


def linears():
    f = lambda x, w, b=None: {"y": F.linear(x, w, b)}
    for name, n, i, o, bias in (("linear-bias", 7, 13, 11, True), ("linear-plain", 37, 100, 84, False), ("linear-wide", 3, 197, 77, True)):
        inputs = dict(x=random(n, i), w=random(o, i, size=i ** -0.5))
        if bias:
            inputs["b"] = random(o)
        case(name, f, inputs, row_orders(f, n, ("x",)))


def embeddings():
    ids = torch.tensor([3, 0, 16, 3, 3, 9, 16, 1], dtype=torch.int64)
    case("embedding", lambda table, ids: {"y": F.embedding(ids, table)}, dict(table=random(17, 13), ids=ids))


def rms(x, w):
    m = q.Qwen2RMSNorm(w.shape[0], eps=1e-5)
    m.weight = torch.nn.Parameter(torch.empty(0))
    del m._parameters["weight"]
    m.weight = w
    return {"y": m(x)}


def norms():
    layer = lambda x, w, b: {"y": F.layer_norm(x, (w.shape[0],), w, b, 1e-6)}
    for name, n, d, size in (("small", 5, 13, 1.0), ("wide", 11, 300, 8.0), ("tiny-values", 4, 60, 1e-3)):
        x = random(n, d, size=size)
        x[1] += 3 * size
        case("rmsnorm-" + name, rms, dict(x=x, w=1 + 0.3 * random(d)), norm_orders(rms, d) + row_orders(rms, n, ("x",)), eps=1e-5)
        case("layernorm-" + name, layer, dict(x=x, w=1 + 0.3 * random(d), b=random(d)), norm_orders(layer, d) + row_orders(layer, n, ("x",)), eps=1e-6)


def ropes():
    """Text: theta and sections of a tiny config, three rows of positions as pictures make them, and far ones."""
    for name, heads, sections, theta, far in (("rope-text-near", 3, [2, 5, 3], 1e6, 0), ("rope-text-far", 2, [1, 3, 3], 1e4, 3000)):
        width = 2 * sum(sections)
        config = qc.Qwen2VLConfig(hidden_size=heads * width, num_attention_heads=heads, rope_theta=theta, rope_scaling={"type": "mrope", "mrope_section": list(sections)})
        position = torch.tensor([[0, 1, 2, 3, 3, 3, 3, 3, 3, 6, 7], [0, 1, 2, 3, 3, 3, 4, 4, 4, 6, 7], [0, 1, 2, 3, 4, 5, 3, 4, 5, 6, 7]]) + far

        def f(x, position):
            table = q.Qwen2VLRotaryEmbedding(config)
            if x.dtype == torch.float64:
                widen_rotary(table)
            cos, sin = table(x, position[:, None])
            rows = x.view(1, x.shape[0], heads, width).transpose(1, 2)
            y, _ = q.apply_multimodal_rotary_pos_emb(rows, rows, cos, sin, list(sections))
            pick = lambda t: torch.cat([m[i % 3] for i, m in enumerate(t.split(list(sections) * 2, dim=-1))], dim=-1)[0, :, : width // 2]
            return {"y": y.transpose(1, 2).reshape(x.shape), "cos": pick(cos), "sin": pick(sin)}

        case(name, f, dict(x=random(11, heads * width), position=position), heads=heads, half=width // 2, theta=theta, sections=sections)
    for name, heads, width, grid in (("rope-vision", 5, 12, (4, 6)), ("rope-vision-narrow", 7, 4, (2, 4))):
        place = [(2 * (b // (grid[1] // 2)) + r // 2, 2 * (b % (grid[1] // 2)) + r % 2) for b in range(grid[0] * grid[1] // 4) for r in range(4)]
        at = torch.tensor(place)

        def f(x, at, heads=heads, width=width):
            table = q.VisionRotaryEmbedding(width // 2)
            if x.dtype == torch.float64:
                widen_rotary(table)
            angle = table(max(grid))[at].flatten(1).to(x.dtype)
            both = torch.cat((angle, angle), -1)
            rows = x.view(-1, heads, width)
            y, _ = q.apply_rotary_pos_emb_vision(rows, rows, both.cos(), both.sin())
            return {"y": y.reshape(x.shape), "cos": angle.cos(), "sin": angle.sin()}

        case(name, f, dict(x=random(len(place), heads * width), at=at), heads=heads, half=width // 2, theta=10000.0)


def attentions():
    for name, H, K, E, lengths, causal in (("attention-causal", 6, 2, 14, [5, 1, 9], True), ("attention-full", 5, 5, 12, [4, 12, 8], False),
                                           ("attention-long", 3, 1, 10, [67, 2, 30], True), ("attention-long-full", 2, 2, 4, [68, 4], False)):
        ends = np.cumsum([0] + lengths)
        scale = E ** -0.5

        def f(x_q, x_k, x_v, by_hand=True, H=H, K=K, E=E, causal=causal, ends=ends, scale=scale):
            out = []
            for a, b in zip(ends, ends[1:]):
                qs = x_q[a:b].view(b - a, H, E).transpose(0, 1)
                k, v = (t[a:b].view(b - a, K, E).transpose(0, 1).repeat_interleave(H // K, 0) for t in (x_k, x_v))
                if by_hand:
                    mask = torch.full((b - a, b - a), -math.inf, dtype=x_q.dtype).triu(1) if causal else 0
                    o = F.softmax(qs @ k.transpose(1, 2) * scale + mask, dim=-1, dtype=torch.float32) @ v
                else:
                    o = F.scaled_dot_product_attention(qs, k, v, is_causal=causal)
                out.append(o.transpose(0, 1).reshape(b - a, H * E))
            return {"y": torch.cat(out)}

        def backwards(x_q, x_k, x_v, f=f, H=H, K=K, E=E):
            """Head widths in reverse: another order of the sums over E."""
            flip = lambda t, n: t.view(-1, n, E).flip(-1).reshape(t.shape)
            return {"y": flip(f(flip(x_q, H), flip(x_k, K), flip(x_v, K))["y"], H)}

        n = int(ends[-1])
        case(name, f, dict(x_q=random(n, H * E, size=1.5), x_k=random(n, K * E, size=1.5), x_v=random(n, K * E)),
             [lambda f=f, **x: f(**x, by_hand=False), backwards], heads=H, kv_heads=K, width=E, lengths=lengths, causal=causal)


def activations():
    x = torch.cat([random(5, 13, size=2.0), torch.tensor([[-90.0, -20, -9, -5, -1e-3, -1e-6, 0, 1e-6, 1e-3, 5, 9, 20, 90]])])
    for name, key in (("gelu", "gelu"), ("gelu_tanh", "gelu_pytorch_tanh"), ("quick_gelu", "quick_gelu")):
        case(name, lambda x, key=key: {"y": ACT2FN[key](x)}, dict(x=x))
    case("swiglu", lambda gate, up: {"y": F.silu(gate) * up}, dict(gate=x, up=random(6, 13)))
    case("add", lambda a, b: {"y": a + b}, dict(a=x, b=random(6, 13)))


def rows():
    case("merge", lambda x: {"y": x.view(-1, 4 * x.shape[1])}, dict(x=random(12, 7)), group=4)
    at = torch.tensor([1, 2, 5, 8])

    def scatter(x, rows, at):
        mask = torch.zeros(x.shape[0], dtype=torch.bool)
        mask[at] = True
        return {"y": x.masked_scatter(mask[:, None].expand_as(x), rows)}

    case("scatter", scatter, dict(x=random(9, 7), rows=random(4, 7), at=at))
    case("gather", lambda x, at: {"y": x[at]}, dict(x=random(9, 7), at=torch.tensor([0, 3, 4, 8])))


def losses():
    """Logits from a head, labels -100 do not count; the mean over those that do. dy is the loss's own gradient, 1."""
    for name, n, d, v, masked in (("cross-entropy", 11, 13, 37, 4), ("cross-entropy-long", 150, 20, 51, 7)):
        labels = torch.randint(0, v, (n,))
        labels[:masked] = -100
        labels[n // 2] = -100
        f = lambda h, w, labels: {"loss": F.cross_entropy(F.linear(h, w), labels).reshape(1)}
        turned = lambda h, w, labels: {"loss": F.cross_entropy(F.linear(h, w).flip(-1), torch.where(labels < 0, labels, w.shape[0] - 1 - labels)).reshape(1)}
        shuffled = lambda h, w, labels: {"loss": F.cross_entropy(F.linear(h.flip(0), w), labels.flip(0)).reshape(1)}
        case(name, f, dict(h=random(n, d), w=random(v, d), labels=labels), [turned, shuffled], dy=torch.ones(1))


def ropes_of_one_position():
    """rope-partial: StableLM turns only the first channels of a head. rope-long: Phi-3 beyond its first length divides the frequencies by the long factors
    and multiplies cos and sin by a scale."""
    from transformers.models.phi3 import configuration_phi3 as pc, modeling_phi3 as p
    from transformers.models.stablelm import configuration_stablelm as sc, modeling_stablelm as s

    heads, width, theta = 3, 20, 10000.0
    partial = sc.StableLmConfig(hidden_size=heads * width, num_attention_heads=heads, rope_theta=theta, partial_rotary_factor=0.4)
    factor = [1 + 0.35 * j * j for j in range(width // 2)]
    long = pc.Phi3Config(hidden_size=heads * width, num_attention_heads=heads, rope_theta=theta, original_max_position_embeddings=32, max_position_embeddings=1024,
                         rope_scaling={"type": "longrope", "short_factor": [1.0] * (width // 2), "long_factor": factor}, pad_token_id=0)
    for name, module, config, turned, position, notes in (
            ("rope-partial", s.StableLmRotaryEmbedding, partial, 8, torch.tensor([0, 1, 2, 3, 40, 41, 90]), dict(scale=1)),
            ("rope-long", p.Phi3RotaryEmbedding, long, width, torch.tensor([0, 1, 2, 3, 31, 32, 60]), dict(factor=factor, scale=p.Phi3RotaryEmbedding(long).attention_scaling))):

        def f(x, position, module=module, config=config, turned=turned):
            table = module(config)
            if x.dtype == torch.float64:
                widen_rotary(table)
            cos, sin = table(x, position)
            rows = x.view(1, x.shape[0], heads, width).transpose(1, 2)
            y, _ = s.apply_rotary_pos_emb(rows[..., :turned], rows[..., :turned], cos, sin)
            y = torch.cat((y, rows[..., turned:]), dim=-1)
            return {"y": y.transpose(1, 2).reshape(x.shape), "cos": cos[0, :, : turned // 2], "sin": sin[0, :, : turned // 2]}

        case(name, f, dict(x=random(len(position), heads * width), position=position[None]), heads=heads, head=width, turned=turned, theta=theta, **notes)


if __name__ == "__main__":
    torch.manual_seed(SEED)
    for make in (linears, embeddings, norms, ropes, attentions, activations, rows, losses, ropes_of_one_position):
        make()
