#!/usr/bin/env python3
"""Writes golden/block: two or three layers of transformers' own decoders and vision towers, and of InternViT,
with their gradients. They are of families that this program does not open yet: what src/model/block takes as
data is held against them.

CASE.safetensors holds `x`, the weights under names as on disk, the upstream gradient `dy`, and as float64
truth `y`, the result of each layer, and the gradient `dX` of every input X; CASE.json the sizes and PyTorch
float32's own error (see golden_layer.py)."""
import torch
import torch.nn.functional as F
from torch import nn
from torch.func import functional_call
from transformers.models.phi3 import modeling_phi3 as phi3
from transformers.models.siglip import modeling_siglip as siglip
from transformers.models.stablelm import modeling_stablelm as stablelm

from common import SEED
from golden_layer import case, random
from truth import widen_rotary


def weights_of(module, name=""):
    """Random values for every parameter, under its name below `name`; norms' gains are about 1."""
    out = {}
    for k, v in module.named_parameters():
        wide = random(*v.shape, size=v[0].numel() ** -0.5) if v.dim() > 1 else 0.3 * random(*v.shape)
        out[name + k] = wide + 1 if "norm" in k and k.endswith("weight") else wide
    return out


def below(weights, name):
    """The weights of one module, without its name."""
    return {k[len(name):]: v for k, v in weights.items() if k.startswith(name)}


def wide_as(module, x):
    """The module in x's type, its rotary tables too."""
    module.to(x.dtype)
    if x.dtype == torch.float64:
        widen_rotary(module)
    return module


# ---------------------------------------------------------------- decoders

def decoder(layers, table, position):
    """A stack of decoder layers over one sequence."""
    def f(x, **weights):
        n = len(x)
        mask = torch.full((1, 1, n, n), -torch.inf, dtype=x.dtype).triu(1)
        angles = wide_as(table, x)(x[None], position)
        h, out = x[None], {}
        for i, layer in enumerate(layers):
            kwargs = dict(attention_mask=mask, position_embeddings=angles)
            h = functional_call(wide_as(layer, x), below(weights, f"model.layers.{i}."), (h,), kwargs)[0]
            out[f"model.layers.{i}"] = h[0]
        return {"y": h[0], **out}

    return f


def decoders():
    """phi3: joined products, long rope beyond the first length. stablelm: LayerNorm with a bias, biases on q, k and
    v, and only some channels of a head turn."""
    heads, kv, head, hidden, theta, n = 6, 2, 8, 34, 10000.0, 11
    sizes = dict(hidden_size=heads * head, intermediate_size=hidden, num_hidden_layers=2, num_attention_heads=heads,
                 num_key_value_heads=kv, rope_theta=theta, vocab_size=10, pad_token_id=0, attn_implementation="eager")
    factor = [1 + 0.4 * j for j in range(head // 2)]
    scaling = {"type": "longrope", "short_factor": [1.0] * (head // 2), "long_factor": factor}
    long = phi3.Phi3Config(**sizes, original_max_position_embeddings=8, max_position_embeddings=256,
                           rope_scaling=scaling)
    partial = stablelm.StableLmConfig(**sizes, use_qkv_bias=True, partial_rotary_factor=0.5)
    scale = phi3.Phi3RotaryEmbedding(long).attention_scaling
    for name, module, config, notes in (
            ("phi3", phi3, long, dict(turned=head, factor=factor, scale=scale, eps=long.rms_norm_eps)),
            ("stablelm", stablelm, partial, dict(turned=4, scale=1, eps=partial.layer_norm_eps))):
        prefix = "Phi3" if name == "phi3" else "StableLm"
        make, rotary = (getattr(module, prefix + part) for part in ("DecoderLayer", "RotaryEmbedding"))
        layers = [make(config, i).eval() for i in range(2)]
        assert getattr(layers[0].self_attn, "rotary_ndims", head) == notes["turned"]
        weights = {k: v for i, m in enumerate(layers) for k, v in weights_of(m, f"model.layers.{i}.").items()}
        f = decoder(layers, rotary(config), torch.arange(n)[None])
        case(name, f, dict(x=random(n, heads * head), **weights), dy=random(n, heads * head), room="block", heads=heads, kv_heads=kv, head=head,
             hidden=hidden, theta=theta, **notes)


# ---------------------------------------------------------------- vision towers

class InternViTLayer(nn.Module):
    """x += ls1 proj(attention(norm1(x))), x += ls2 fc2(gelu(fc1(norm2(x)))); names as on disk."""

    def __init__(self, width, hidden, heads):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width, eps=1e-6), nn.LayerNorm(width, eps=1e-6)
        self.attn = nn.ModuleDict({"qkv": nn.Linear(width, 3 * width), "proj": nn.Linear(width, width)})
        self.mlp = nn.ModuleDict({"fc1": nn.Linear(width, hidden), "fc2": nn.Linear(hidden, width)})
        self.ls1, self.ls2 = nn.Parameter(torch.ones(width)), nn.Parameter(torch.ones(width))

    def forward(self, x):
        frames, n, width = x.shape
        q, k, v = self.attn["qkv"](self.norm1(x)).view(frames, n, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        a = F.softmax(q @ k.transpose(2, 3) * q.shape[-1] ** -0.5, dim=-1) @ v
        x = x + self.ls1 * self.attn["proj"](a.transpose(1, 2).reshape(frames, n, width))
        return x + self.ls2 * self.mlp["fc2"](F.gelu(self.mlp["fc1"](self.norm2(x))))


def internvit():
    """Frames of down x across patches, a class token in front of each, positions for all of them; no last norm, and
    the class token is left out at the end."""
    frames, down, across, patch, width, hidden, heads = 3, 2, 3, 4, 20, 28, 5
    n = down * across
    layers = [InternViTLayer(width, hidden, heads) for _ in range(2)]
    weights = {k: v for i, m in enumerate(layers) for k, v in weights_of(m, f"vision_model.encoder.layers.{i}.").items()}
    e = "vision_model.embeddings."
    weights = {e + "class_embedding": random(1, 1, width), e + "position_embedding": 0.5 * random(1, 1 + n, width),
               e + "patch_embedding.weight": random(width, 3, patch, patch, size=0.15),
               e + "patch_embedding.bias": random(width), **weights}

    def f(x, **w):
        rows = F.linear(x, w[e + "patch_embedding.weight"].flatten(1), w[e + "patch_embedding.bias"])
        h = torch.cat((w[e + "class_embedding"].expand(frames, -1, -1), rows.view(frames, n, width)), 1)
        h = h + w[e + "position_embedding"]
        out = {"vision_model.embeddings": h.flatten(0, 1)}
        for i, layer in enumerate(layers):
            h = functional_call(layer.to(x.dtype), below(w, f"vision_model.encoder.layers.{i}."), (h,))
            out[f"vision_model.encoder.layers.{i}"] = h.flatten(0, 1)
        return {"y": h[:, 1:].flatten(0, 1), **out}

    case("internvit", f, dict(x=random(frames * n, 3 * patch * patch), **weights), dy=random(frames * n, width),
         room="block", frames=frames,
         down=down, across=across, patch=patch, width=width, hidden=hidden, heads=heads)


def siglip_without_last():
    """SigLIP's hidden state before its last layer, which nobody reads: its weights have no gradient, and neither
    has the last norm."""
    frames, side, patch, width, hidden, heads = 2, 3, 4, 20, 28, 5
    config = siglip.SiglipVisionConfig(hidden_size=width, intermediate_size=hidden, num_hidden_layers=3,
                                       num_attention_heads=heads, image_size=side * patch, patch_size=patch)
    config._attn_implementation = "eager"
    model = siglip.SiglipVisionTransformer(config).eval()
    model.use_head = False
    name = "vision_model."
    weights = {k: v for k, v in weights_of(model, name).items() if not k.startswith(name + "head.")}
    weights[name + "embeddings.position_embedding.weight"] *= 0.5

    def f(x, **w):
        grid = x.view(frames, side, side, 3, patch, patch).permute(0, 3, 1, 4, 2, 5)
        pixels = grid.reshape(frames, 3, side * patch, side * patch)
        states = functional_call(model.to(x.dtype), below(w, name), (pixels,), dict(output_hidden_states=True)).hidden_states
        rows = [h.flatten(0, 1) for h in states]
        return {"y": rows[-2], name + "embeddings": rows[0],
                **{f"{name}encoder.layers.{i}": rows[i + 1] for i in range(2)}}

    n = frames * side * side
    case("siglip", f, dict(x=random(n, 3 * patch * patch), **weights), dy=random(n, width), room="block", frames=frames,
         down=side, across=side, patch=patch, width=width, hidden=hidden, heads=heads)


if __name__ == "__main__":
    torch.manual_seed(SEED)
    for make in (decoders, internvit, siglip_without_last):
        make()
