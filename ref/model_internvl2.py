"""InternVL2 in PyTorch: InternViT, pixel shuffle, mlp1 and InternLM2 on plain modules, Phi-3 as transformers'
own class.

Modules have the names that weights have on disk: a state_dict is the checkpoint, a hook on a module sees what
`mpa trace` names, and a gradient is called by its tensor. Nothing here writes a file."""
import json, math, os, types

import torch
import torch.nn.functional as F
from torch import nn
from transformers import Phi3Config, Phi3ForCausalLM
from transformers.models.llama.modeling_llama import LlamaRMSNorm, apply_rotary_pos_emb, repeat_kv

from truth import LOADERS

CONTEXT = "<IMG_CONTEXT>"


def attend(q, k, v, kind, causal):
    """softmax(q k^T / sqrt(E)) v for [N, H, T, E]; keys may begin earlier than queries. As the public eager
    code has it, q is scaled before the product."""
    rows, keys = q.shape[-2], k.shape[-2]
    mask = torch.full((rows, keys), -math.inf, dtype=q.dtype).triu(keys - rows + 1) if causal else None
    if kind == "sdpa":
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    score = (q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2)
    return F.softmax(score if mask is None else score + mask, dim=-1) @ v


class VisionEmbeddings(nn.Module):
    def __init__(self, c):
        super().__init__()
        width, self.side = c["hidden_size"], c["image_size"] // c["patch_size"]
        self.class_embedding = nn.Parameter(torch.zeros(1, 1, width))
        self.patch_embedding = nn.Conv2d(3, width, c["patch_size"], c["patch_size"])
        self.position_embedding = nn.Parameter(torch.zeros(1, self.side**2 + 1, width))

    def forward(self, pixels):
        x = self.patch_embedding(pixels).flatten(2).transpose(1, 2)
        return torch.cat([self.class_embedding.expand(len(x), -1, -1), x], 1) + self.position_embedding


class VisionAttention(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.heads, self.kind, width = c["num_attention_heads"], c["attention"], c["hidden_size"]
        self.qkv, self.proj = nn.Linear(width, 3 * width, bias=c["qkv_bias"]), nn.Linear(width, width)

    def forward(self, x):
        n, t, width = x.shape
        q, k, v = self.qkv(x).view(n, t, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        return self.proj(attend(q, k, v, self.kind, False).transpose(1, 2).reshape(n, t, width))


class VisionLayer(nn.Module):
    """Layer scale multiplies what a branch adds."""

    def __init__(self, c):
        super().__init__()
        width, eps = c["hidden_size"], c["layer_norm_eps"]
        self.attn, self.mlp = VisionAttention(c), nn.Module()
        self.mlp.fc1, self.mlp.fc2 = nn.Linear(width, c["intermediate_size"]), nn.Linear(c["intermediate_size"], width)
        self.norm1, self.norm2 = nn.LayerNorm(width, eps=eps), nn.LayerNorm(width, eps=eps)
        self.ls1, self.ls2 = nn.Parameter(torch.ones(width)), nn.Parameter(torch.ones(width))

    def forward(self, x):
        x = x + self.ls1 * self.attn(self.norm1(x))
        return x + self.ls2 * self.mlp.fc2(F.gelu(self.mlp.fc1(self.norm2(x))))


class Vision(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.embeddings, self.encoder = VisionEmbeddings(c), nn.Module()
        self.encoder.layers = nn.ModuleList(VisionLayer(c) for _ in range(c["num_hidden_layers"]))

    def forward(self, pixels):
        x = self.embeddings(pixels)
        for layer in self.encoder.layers:
            x = layer(x)
        return x


def pixel_shuffle(x, factor):
    """[N, side, side, C] -> [N, (side/f)^2, C f^2]: rows of squares in raster order, channel (dy f + dx) C + c."""
    n, side, _, width = x.shape
    x = x.view(n, side // factor, factor, side // factor, factor, width).transpose(2, 3)
    return x.reshape(n, (side // factor) ** 2, width * factor**2)


class Rotary(nn.Module):
    """cos and sin of a sequence. Dynamic NTK: beyond the trained length the base grows with the length of the
    whole sequence."""

    def __init__(self, c):
        super().__init__()
        self.width, self.base = c["hidden_size"] // c["num_attention_heads"], c["rope_theta"]
        self.trained = c["max_position_embeddings"]
        scaling = c.get("rope_scaling") or {}
        self.kind, self.factor = scaling.get("type"), scaling.get("factor", 1.0)

    def forward(self, x, positions):
        wide, length = torch.float64 if x.dtype == torch.float64 else torch.float32, int(positions.max()) + 1
        base, d = self.base, self.width
        if self.kind == "dynamic" and length > self.trained:
            base = base * (self.factor * length / self.trained - (self.factor - 1)) ** (d / (d - 2))
        inv = 1.0 / base ** (torch.arange(0, d, 2, dtype=wide) / d)
        angle = positions.to(wide)[..., None] * inv
        angle = torch.cat([angle, angle], -1)
        return angle.cos().to(x.dtype), angle.sin().to(x.dtype)


class InternAttention(nn.Module):
    """wqkv's rows: for each key/value head its query heads, then its key, then its value."""

    def __init__(self, c, index):
        super().__init__()
        D, H, self.kv = c["hidden_size"], c["num_attention_heads"], c["num_key_value_heads"]
        self.groups, self.width, self.index, self.kind = H // self.kv, D // H, index, c["attention"]
        self.wqkv = nn.Linear(D, (H + 2 * self.kv) * self.width, bias=c["bias"])
        self.wo = nn.Linear(D, D, bias=c["bias"])

    def forward(self, x, angle, cache):
        n, t, D = x.shape
        y = self.wqkv(x).view(n, t, self.kv, self.groups + 2, self.width)
        q = y[..., : self.groups, :].flatten(2, 3).transpose(1, 2)
        k, v = y[..., -2, :].transpose(1, 2), y[..., -1, :].transpose(1, 2)
        q, k = apply_rotary_pos_emb(q, k, *angle)
        if cache is not None:
            k, v = cache.update(k, v, self.index)
        y = attend(q, repeat_kv(k, self.groups), repeat_kv(v, self.groups), self.kind, True)
        return self.wo(y.transpose(1, 2).reshape(n, t, D))


class InternLayer(nn.Module):
    def __init__(self, c, index):
        super().__init__()
        D, hidden, eps = c["hidden_size"], c["intermediate_size"], c["rms_norm_eps"]
        self.attention, self.feed_forward = InternAttention(c, index), nn.Module()
        self.feed_forward.w1 = nn.Linear(D, hidden, bias=False)
        self.feed_forward.w2 = nn.Linear(hidden, D, bias=False)
        self.feed_forward.w3 = nn.Linear(D, hidden, bias=False)
        self.attention_norm, self.ffn_norm = LlamaRMSNorm(D, eps), LlamaRMSNorm(D, eps)

    def forward(self, x, angle, cache=None):
        x = x + self.attention(self.attention_norm(x), angle, cache)
        y, m = self.ffn_norm(x), self.feed_forward
        return x + m.w2(F.silu(m.w1(y)) * m.w3(y))


class InternModel(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.tok_embeddings = nn.Embedding(c["vocab_size"], c["hidden_size"])
        self.layers = nn.ModuleList(InternLayer(c, i) for i in range(c["num_hidden_layers"]))
        self.norm, self.rotary = LlamaRMSNorm(c["hidden_size"], c["rms_norm_eps"]), Rotary(c)


class InternLM2(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.model, self.output = InternModel(c), nn.Linear(c["hidden_size"], c["vocab_size"], bias=False)

    def hidden(self, x, past_key_values=None):
        """The rows after the last norm."""
        start = past_key_values.get_seq_length() if past_key_values is not None else 0
        angle = self.model.rotary(x, torch.arange(start, start + x.shape[1])[None])
        for layer in self.model.layers:
            x = layer(x, angle, past_key_values)
        return self.model.norm(x)

    def forward(self, inputs_embeds, past_key_values=None, **_):
        return types.SimpleNamespace(logits=self.output(self.hidden(inputs_embeds, past_key_values)))


def phi3(c):
    """transformers' class; 'su' is its 'longrope'."""
    own = ("architectures", "auto_map", "model_type", "attention", "torch_dtype", "attn_implementation")
    keep = {k: v for k, v in c.items() if k not in own}
    config = Phi3Config(**json.loads(json.dumps(keep)), attn_implementation=c["attention"])
    return Phi3ForCausalLM(config)


class InternVL2(nn.Module):
    def __init__(self, c, attention="eager"):
        super().__init__()
        vision, text = dict(c["vision_config"], attention=attention), dict(c["llm_config"], attention=attention)
        self.config, self.shuffle = c, round(1 / c["downsample_ratio"])
        self.intern = text["architectures"][0] == "InternLM2ForCausalLM"
        self.vision_model, self.language_model = Vision(vision), InternLM2(text) if self.intern else phi3(text)
        wide, D = vision["hidden_size"] * self.shuffle**2, text["hidden_size"]
        self.mlp1 = nn.Sequential(nn.LayerNorm(wide), nn.Linear(wide, D), nn.GELU(), nn.Linear(D, D))

    @property
    def embedding(self):
        m = self.language_model.model
        return m.tok_embeddings if self.intern else m.embed_tokens

    @property
    def head(self):
        return self.language_model.output if self.intern else self.language_model.lm_head

    def squares(self, x):
        """The patches without the class token, 2 by 2."""
        return pixel_shuffle(x[:, 1:].unflatten(1, (self.vision_model.embeddings.side,) * 2), self.shuffle)

    def features(self, pixel_values):
        return self.mlp1(self.squares(self.vision_model(pixel_values)))

    def hidden(self, rows, cache=None):
        """The rows after the decoder's last norm."""
        if self.intern:
            return self.language_model.hidden(rows, cache)
        return self.language_model.model(inputs_embeds=rows, past_key_values=cache, use_cache=cache is not None)[0]

    def rows(self, input_ids, pixel_values=None):
        x = self.embedding(input_ids)
        if pixel_values is not None:
            pictures = self.features(pixel_values.to(x.dtype))
            here = input_ids == self.context
            x = x.masked_scatter(here[..., None], pictures)
            assert int(here.sum()) == pictures.shape[0] * pictures.shape[1]
        return x

    def forward(self, input_ids, labels=None, pixel_values=None, attention_mask=None, use_cache=False, cache=None):
        rows = self.rows(input_ids, pixel_values)
        logits = self.language_model(inputs_embeds=rows, past_key_values=cache, use_cache=cache is not None).logits
        return types.SimpleNamespace(logits=logits, loss=None if labels is None else loss_of(logits, labels))


def loss_of(logits, labels):
    return F.cross_entropy(logits[0, :-1], labels[0, 1:], ignore_index=-100)


def checkpoint_tensors(folder):
    from safetensors.torch import load_file

    out = {}
    for name in sorted(os.listdir(folder)):
        if name.endswith(".safetensors"):
            out.update(load_file(os.path.join(folder, name)))
    return out


def internvl2_of(folder, attention):
    """The folder's model before its weights."""
    with open(os.path.join(folder, "config.json")) as f, open(os.path.join(folder, "added_tokens.json")) as added:
        model = InternVL2(json.load(f), attention)
        model.context = json.load(added)[CONTEXT]
    return model


def load_internvl2(folder, attention):
    model = internvl2_of(folder, attention)
    model.load_state_dict({k: v.float() for k, v in checkpoint_tensors(folder).items()})
    return model


LOADERS["internvl_chat"] = load_internvl2
