"""TinyLLaVA-2.0B, and what TinyLLaVA Factory saves with the same decoder, in PyTorch: transformers' SigLIP and
StableLM classes put together.

Modules have the names that weights have on disk, as in model_internvl2.py. Nothing here writes a file."""
import json, os, types

import torch
from torch import nn
from transformers import SiglipVisionConfig, SiglipVisionModel, StableLmConfig, StableLmForCausalLM
from transformers.models.siglip.modeling_siglip import SiglipVisionTransformer
from transformers.models.stablelm.modeling_stablelm import StableLmModel

from model_internvl2 import checkpoint_tensors, loss_of
from truth import LOADERS

IMAGE = -200  # stands in input_ids once for each picture, whose rows are put in there
SO400M = dict(hidden_size=1152, intermediate_size=4304, num_hidden_layers=27, num_attention_heads=16, patch_size=14,
              image_size=384)


def untyped(c):
    """What transformers' configuration classes take."""
    return {k: v for k, v in c.items() if k != "model_type"}


def siglip(c, attention):
    """All but the last layer and the head; the norm behind it is on disk and unused."""
    config = SiglipVisionConfig(**untyped(c), vision_use_head=False, attn_implementation=attention)
    config.num_hidden_layers -= 1
    return SiglipVisionTransformer(config)


def stablelm(c, attention):
    names = ("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
             "num_key_value_heads", "hidden_act", "max_position_embeddings", "rope_theta", "use_qkv_bias",
             "bos_token_id", "eos_token_id")
    return StableLmModel(StableLmConfig(
        **{k: c[k] for k in names}, layer_norm_eps=c["norm_eps"], partial_rotary_factor=c["rope_pct"],
        use_parallel_residual=False, qk_layernorm=False, pad_token_id=None, attn_implementation=attention))


class TinyLlava(nn.Module):
    def __init__(self, c, attention="eager"):
        super().__init__()
        vision, D = c.get("vision_config", SO400M), c["hidden_size"]
        self.config, self.model = c, stablelm(c, attention)
        self.model.vision_tower = nn.Module()
        self.model.vision_tower.vision_tower = nn.Module()
        self.model.vision_tower.vision_tower.vision_model = siglip(vision, attention)
        self.model.mm_projector = nn.Sequential(nn.Linear(vision["hidden_size"], D), nn.GELU(), nn.Linear(D, D))
        self.lm_head = nn.Linear(D, c["vocab_size"], bias=False)

    @property
    def tower(self):
        return self.model.vision_tower.vision_tower.vision_model

    @property
    def decoder(self):
        return self.model

    @property
    def head(self):
        return self.lm_head

    @property
    def projector(self):
        return self.model.mm_projector

    def patches(self, pixel_values):
        """What a patch does not reach at the right and lower edge is left out."""
        c = self.tower.config
        side = c.image_size // c.patch_size * c.patch_size
        return pixel_values[..., :side, :side].to(self.head.weight.dtype)

    def features(self, pixel_values):
        x = self.tower.embeddings(self.patches(pixel_values))
        return self.projector(self.tower.encoder(inputs_embeds=x, return_dict=True).last_hidden_state)

    def spliced(self, input_ids, text, pictures):
        """[T, D]: the text's rows with each picture's rows where its IMAGE stands."""
        here, out, used = (input_ids[0] == IMAGE).nonzero().flatten().tolist(), [], 0
        for n, at in enumerate(here):
            out += [text[used : at - n], pictures[n]]
            used = at - n
        return torch.cat(out + [text[used:]])

    def rows(self, input_ids, pixel_values=None):
        text = self.embedding(input_ids[input_ids != IMAGE])
        pictures = self.features(pixel_values) if pixel_values is not None else []
        return self.spliced(input_ids, text, pictures)[None]

    @property
    def embedding(self):
        return self.decoder.embed_tokens

    def hidden(self, rows, cache=None):
        """The rows after the decoder's last norm."""
        return self.decoder(inputs_embeds=rows, past_key_values=cache, use_cache=cache is not None).last_hidden_state

    def forward(self, input_ids, labels=None, pixel_values=None, attention_mask=None, use_cache=False, cache=None):
        """labels are of the spliced sequence."""
        logits = self.head(self.hidden(self.rows(input_ids, pixel_values), cache))
        return types.SimpleNamespace(logits=logits, loss=None if labels is None else loss_of(logits, labels))


class TinyLlavaFactory(TinyLlava):
    """The Factory's names; the whole tower is there, the rows that enter its last layer are taken, and of these
    the first is left out."""

    def __init__(self, c, attention="eager"):
        nn.Module.__init__(self)
        vision, D = c["vision_config"], c["text_config"]["hidden_size"]
        self.config = c
        self.language_model = StableLmForCausalLM(StableLmConfig(
            **untyped(c["text_config"]), pad_token_id=None, attn_implementation=attention))
        self.vision_tower = nn.Module()
        self.vision_tower._vision_tower = SiglipVisionModel(SiglipVisionConfig(
            **untyped(vision), attn_implementation=attention))
        self.connector = nn.Module()
        self.connector._connector = nn.Sequential(nn.Linear(vision["hidden_size"], D), nn.GELU(), nn.Linear(D, D))

    @property
    def tower(self):
        return self.vision_tower._vision_tower.vision_model

    @property
    def decoder(self):
        return self.language_model.model

    @property
    def head(self):
        return self.language_model.lm_head

    @property
    def projector(self):
        return self.connector._connector

    def features(self, pixel_values):
        out = self.vision_tower._vision_tower(self.patches(pixel_values), output_hidden_states=True)
        return self.projector(out.hidden_states[-2][:, 1:])


def tinyllava_of(folder, attention):
    """The folder's model before its weights."""
    with open(os.path.join(folder, "config.json")) as f:
        config = json.load(f)
    return (TinyLlavaFactory if config["model_type"] == "tinyllava" else TinyLlava)(config, attention)


def load_tinyllava(folder, attention):
    model = tinyllava_of(folder, attention)
    model.load_state_dict({k: v.float() for k, v in checkpoint_tensors(folder).items()})
    return model


LOADERS["tiny_llava_stablelm"] = LOADERS["tinyllava"] = load_tinyllava
