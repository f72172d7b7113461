#!/usr/bin/env python3
"""Qwen2-VL (Qwen2VLForConditionalGeneration), and what family.py makes of it.

weights/tiny-qwen2vl-a: four shards, bfloat16, own head, sampling with a repetition penalty.
weights/tiny-qwen2vl-b: one file, float32, tied head, no generation settings.

golden/family/qwen2vl, beside what family.py writes:
    pictures.*    pictures as the slow Qwen2VLImageProcessor gives them to the model, one of a patch's equal frames,
                  and its size rule"""
import re

import torch
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

import training
from common import SEED, np, picture, save
from family import CORPUS, Family, case

SYSTEM = "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
PICTURE = "<|vision_start|><|image_pad|><|vision_end|>"
PATTERN = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
           r"|\s+(?!\S)|\s+")
SPECIAL = [f"<|{s}|>" for s in (
    "endoftext", "im_start", "im_end", "object_ref_start", "object_ref_end", "box_start", "box_end", "quad_start",
    "quad_end", "vision_start", "vision_end", "vision_pad", "image_pad", "video_pad")]
TEMPLATE = (
    "{% set image_count = namespace(value=0) %}{% set video_count = namespace(value=0) %}"
    "{% for message in messages %}"
    "{% if loop.first and message['role'] != 'system' %}"
    "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n{% endif %}"
    "<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}<|im_end|>\n{% else %}"
    "{% for content in message['content'] %}"
    "{% if content['type'] == 'image' or 'image' in content or 'image_url' in content %}"
    "{% set image_count.value = image_count.value + 1 %}"
    "{% if add_vision_id %}Picture {{ image_count.value }}: {% endif %}"
    "<|vision_start|><|image_pad|><|vision_end|>"
    "{% elif content['type'] == 'video' or 'video' in content %}"
    "{% set video_count.value = video_count.value + 1 %}"
    "{% if add_vision_id %}Video {{ video_count.value }}: {% endif %}"
    "<|vision_start|><|video_pad|><|vision_end|>"
    "{% elif 'text' in content %}{{ content['text'] }}{% endif %}{% endfor %}<|im_end|>\n{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}")


# ---------------------------------------------------------------- tokenizer and processor

def bpe(texts, size, decoder=None):
    """Byte-level BPE with Qwen2's normaliser and pattern, of `size` merged entries at most, without added
    tokens."""
    t = Tokenizer(models.BPE())
    t.normalizer = normalizers.NFC()
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(PATTERN), "isolated"),
                                               pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    t.decoder = decoder or decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    t.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=size, initial_alphabet=alphabet, show_progress=False))
    return t


def tokenizer(words):
    """A tiny tokenizer of about `words` merged entries, with Qwen2's added tokens."""
    from transformers import Qwen2TokenizerFast

    t = bpe(CORPUS, 256 + words)
    t.add_special_tokens(SPECIAL)
    return Qwen2TokenizerFast(tokenizer_object=t, pad_token="<|endoftext|>", eos_token="<|im_end|>",
                              unk_token="<|endoftext|>", bos_token=None, additional_special_tokens=None,
                              model_max_length=32768, padding_side="left", clean_up_tokenization_spaces=False)


def processor_for(tok, min_pixels, max_pixels):
    from transformers import Qwen2VLImageProcessor, Qwen2VLProcessor

    return Qwen2VLProcessor(Qwen2VLImageProcessor(min_pixels=min_pixels, max_pixels=max_pixels), tok)


def token_ids(tok):
    """The ids of special tokens that config.json names."""
    names = dict(bos="<|endoftext|>", eos="<|im_end|>", vision_start="<|vision_start|>", vision_end="<|vision_end|>",
                 vision="<|vision_pad|>", image="<|image_pad|>", video="<|video_pad|>")
    return {k + "_token_id": tok.convert_tokens_to_ids(v) for k, v in names.items()}


# ---------------------------------------------------------------- the family

class Qwen2VL(Family):
    name = "qwen2vl"
    checkpoints = {
        "tiny-qwen2vl-a": dict(
            text=dict(hidden_size=60, num_attention_heads=3, num_key_value_heads=1, intermediate_size=100,
                      num_hidden_layers=3, rope_theta=1e6, rms_norm_eps=1e-6, tie_word_embeddings=False,
                      rope_scaling={"type": "mrope", "mrope_section": [2, 5, 3]}),
            vision=dict(depth=2, embed_dim=60, num_heads=5, mlp_ratio=3), words=170, spare_rows=5,
            dtype=torch.bfloat16, shard="230KB",
            generation=dict(do_sample=True, temperature=0.7, top_k=7, top_p=0.8, repetition_penalty=1.05)),
        "tiny-qwen2vl-b": dict(
            text=dict(hidden_size=84, num_attention_heads=6, num_key_value_heads=2, intermediate_size=148,
                      num_hidden_layers=2, rope_theta=10000.0, rms_norm_eps=1e-5, tie_word_embeddings=True,
                      rope_scaling={"type": "mrope", "mrope_section": [1, 3, 3]}),
            vision=dict(depth=3, embed_dim=28, num_heads=7, mlp_ratio=5), words=150, spare_rows=0,
            dtype=torch.float32, shard="5GB", generation=None),
    }
    cases = {
        "a-one": case("tiny-qwen2vl-a", "How many windows does the tower have?", "seventeen, 62%", ["odd"], grad=True),
        "a-two": case("tiny-qwen2vl-a", "Which of the two is older", None, ["wide", "tall"]),
        "a-none": case("tiny-qwen2vl-a", "Who painted the bridge?", "Nobody knows.", []),
        "b-one": case("tiny-qwen2vl-b", "What is written  below\nthe clock?", "塔 n°9", ["odd"]),
        "b-two": case("tiny-qwen2vl-b", "Are both doors green?", " yes", ["tall", "wide"], grad=True),
        "b-none": case("tiny-qwen2vl-b", "\nWhich letter stands on it?", None, []),
    }
    training = {
        "train-cosine": ("tiny-qwen2vl-a", 4, training.BASE, True),
        "train-token": ("tiny-qwen2vl-b", 4,
                        dict(training.BASE, batch=4, micro_batch=2, epochs=3, loss="token", decay="all",
                             schedule="linear", beta2=0.98, epsilon=1e-7, clip=0.0), True),
        "train-leftover": ("tiny-qwen2vl-b", 5, training.BASE, False),
        "train-turns": ("tiny-qwen2vl-a", 0, dict(training.BASE, epochs=3, batch=1), False),
        "train-lora": ("tiny-qwen2vl-a", 4, dict(training.LORA, lora_target="q_proj down_proj proj mlp.0"), True),
        "train-lora-dropout": ("tiny-qwen2vl-b", 4,
                               dict(training.LORA, lora_target="v_proj, gate_proj, fc2, qkv", lora_dropout=0.25), True),
    }
    recipes = "tiny-qwen2vl-b", "q_proj down_proj fc1"
    ends = ["<|im_end|>", "<|endoftext|>"]
    stages = r"visual\.(patch_embed|blocks\.\d+|merger)|model\.(embed_tokens|layers\.\d+|norm)"
    vision, projector, text = "visual", "visual.merger", "model"

    def build(self, c):
        from transformers import GenerationConfig, Qwen2VLConfig, Qwen2VLForConditionalGeneration

        tok = tokenizer(c["words"])
        ids, vision = token_ids(tok), dict(c["vision"], hidden_size=c["text"]["hidden_size"])
        config = Qwen2VLConfig(vocab_size=len(tok) + c["spare_rows"], max_position_embeddings=4096, sliding_window=4096,
                               use_sliding_window=False, vision_config=vision, **ids, **c["text"])
        model, end, text_end = Qwen2VLForConditionalGeneration(config), ids["eos_token_id"], ids["bos_token_id"]
        if c["generation"]:
            model.generation_config = GenerationConfig(bos_token_id=text_end, pad_token_id=text_end,
                                                       eos_token_id=[end, text_end], **c["generation"])
        return model, processor_for(tok, 3136, 9408)

    def chat(self, processor, question, pictures):
        user = PICTURE * pictures + question
        return f"{SYSTEM}<|im_start|>user\n{user}<|im_end|>\n<|im_start|>assistant\n"

    def sample(self, processor, question, answer, pictures, newline=""):
        """Each part of the text is tokenised on its own; `newline` stands before each end of turn."""
        tok, out = processor.tokenizer, {}
        user = PICTURE * len(pictures) + question
        if pictures:
            p = processor.image_processor(images=pictures, return_tensors="pt")
            out["pixel_values"], out["image_grid_thw"] = p["pixel_values"], p["image_grid_thw"]
            for g in p["image_grid_thw"]:
                user = user.replace("<|image_pad|>", "<|placeholder|>" * (int(g.prod()) // 4), 1)
            user = user.replace("<|placeholder|>", "<|image_pad|>")
        parts = [SYSTEM.replace("<|im_end|>", newline + "<|im_end|>"),
                 f"<|im_start|>user\n{user}{newline}<|im_end|>\n<|im_start|>assistant\n"]
        ids = sum((tok(t)["input_ids"] for t in parts), [])
        end = tok(f"{answer}{newline}<|im_end|>\n")["input_ids"] if answer is not None else []
        out["input_ids"], out["labels"] = torch.tensor([ids + end]), torch.tensor([[-100] * len(ids) + end])
        return out

    def conversation(self, processor, turns):
        """As the published trainer does it: each turn and each answer is tokenised on its own."""
        tok, ids, labels = processor.tokenizer, processor.tokenizer(SYSTEM)["input_ids"], []
        p = processor.image_processor(images=[x for _, pictures, _ in turns for x in pictures], return_tensors="pt")
        counts = [int(g.prod()) // 4 for g in p["image_grid_thw"]]
        for human, _, answer in turns:
            user = re.sub(r"\n?<image>\n?", PICTURE, human)
            while "<|image_pad|>" in user:
                user = user.replace("<|image_pad|>", "<|placeholder|>" * counts.pop(0), 1)
            user = user.replace("<|placeholder|>", "<|image_pad|>")
            ids += tok(f"<|im_start|>user\n{user}<|im_end|>\n<|im_start|>assistant\n")["input_ids"]
            end = tok(answer + "<|im_end|>\n")["input_ids"]
            labels += [-100] * (len(ids) - len(labels)) + end
            ids += end
        return dict(pixel_values=p["pixel_values"], image_grid_thw=p["image_grid_thw"], input_ids=torch.tensor([ids]),
                    labels=torch.tensor([labels]))

    def inputs(self, processor, prompts):
        texts = [self.chat(processor, question, len(pictures)) for question, pictures in prompts]
        pictures = [p for _, pictures in prompts for p in pictures]
        return processor(text=texts, images=pictures or None, padding=True, return_tensors="pt")

    def positions(self, model, s):
        ids = s["input_ids"]
        return model.get_rope_index(ids, s.get("image_grid_thw"), None, torch.ones_like(ids))[0]

    def isolated_vision(self, model, stored, get):
        v, grid = model.visual, stored["image_grid_thw"].long()
        angle = v.rot_pos_emb(grid)
        angle = torch.cat((angle, angle), -1)
        angle = angle.cos(), angle.sin()
        ends = torch.nn.functional.pad((grid[:, 1] * grid[:, 2]).cumsum(0), (1, 0)).int()
        out, before = {"visual.patch_embed": v.patch_embed(get("pixel_values"))}, get("visual.patch_embed")
        for i, block in enumerate(v.blocks):
            name = f"visual.blocks.{i}"
            out[name], before = block(before, cu_seqlens=ends, position_embeddings=angle), get(name)
        out["visual.merger"] = v.merger(before)
        return out

    # For bench_torch.py.
    model_type, gguf = "qwen2_vl", "qwen2"

    def random_pixels(self, config, patches, dtype):
        wide = {1536: 48, 256: 16}[patches]
        return torch.randn(patches, 1176, dtype=dtype), torch.tensor([[1, patches // wide, wide]])

    def training_patches(self, config):
        return 256

    def vision_rows(self, model, pixels, grid):
        return model.visual(pixels, grid_thw=grid)

    def step_positions(self, at, batch):
        at = torch.tensor([at])
        return dict(position_ids=at.view(1, 1, 1).expand(3, batch, 1), cache_position=at)

    def training_forward(self, model, ids, pixels, grid):
        position, _ = model.get_rope_index(ids, grid)

        def forward():
            x, rows = model.model.embed_tokens(ids), self.vision_rows(model, pixels, grid)
            x = x.masked_scatter((ids == model.config.image_token_id)[..., None], rows)
            return model.model(inputs_embeds=x, use_cache=False, position_ids=position)[0]
        return forward


FAMILY = Qwen2VL()


# ---------------------------------------------------------------- pictures

def size_rule(small, large):
    """[width, height, min_pixels, max_pixels, width after, height after], the last two null where it is an
    error."""
    from transformers.models.qwen2_vl.image_processing_qwen2_vl import smart_resize

    given = [(1, 1), (27, 100), (100, 27), (28, 28), (28, 5600), (28, 5601), (42, 42), (70, 70), (14 * 9, 14 * 5)]
    given += [(int(w), int(h)) for w, h in np.random.default_rng(SEED).integers(20, 2000, (120, 2))]
    rows = []
    for i, (w, h) in enumerate(given):
        least, most = ((small, large), (3136, 12845056), (100352, 401408))[i % 3]
        try:
            nh, nw = smart_resize(h, w, 28, least, most)
        except ValueError:
            nh = nw = None
        rows.append([w, h, least, most, nw, nh])
    return rows


def pictures():
    """The smallest and largest number of pixels are tiny, so that all branches of the size rule are taken."""
    from transformers import Qwen2VLImageProcessor

    small, large = 4 * 28 * 28, 12 * 28 * 28
    p = Qwen2VLImageProcessor(min_pixels=small, max_pixels=large)
    tensors, cases = {}, []
    for n, (w, h) in enumerate([(61, 47), (28, 28), (29, 150), (170, 30), (112, 84), (150, 149), (42, 70), (28, 210)]):
        image = picture(SEED + 30 + n, w, h)
        out = p(images=[image], return_tensors="np")
        tensors[f"{n}/rgb"] = np.asarray(image)
        frames = out["pixel_values"].reshape(-1, 3, p.temporal_patch_size, p.patch_size**2)
        assert (frames == frames[:, :, :1]).all()
        tensors[f"{n}/pixel_values"] = frames[:, :, 0]
        tensors[f"{n}/image_grid_thw"] = out["image_grid_thw"]
        cases.append(f"{n}")
    notes = dict(cases=cases, sizes=size_rule(small, large), min_pixels=small, max_pixels=large,
                 patch_size=p.patch_size, temporal_patch_size=p.temporal_patch_size, merge_size=p.merge_size,
                 rescale_factor=p.rescale_factor, image_mean=list(p.image_mean), image_std=list(p.image_std))
    save("family/qwen2vl/pictures", tensors, notes)


if __name__ == "__main__":
    FAMILY.write()
    pictures()
