"""Trains the demo's teacher and student on the world of world.py with transformers' own Qwen2-VL classes.

The teacher learns every fact and to annotate. The student, a quarter of its size, learns to describe every picture, but the facts of every fifth thing only: asked
about the others it has learned to say "unknown". It can repeat every word.
Both are saved with save_pretrained in bfloat16.

    python ref/train_world.py                      draws the pictures; writes weights/demo-teacher (22 minutes) and weights/demo-student (8)
    python ref/train_world.py teacher MINUTES      one of them alone
"""

import json
import os
import random
import sys
import time

import numpy as np
import torch
import torch.nn.functional as F
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import GenerationConfig, Qwen2TokenizerFast, Qwen2VLConfig, Qwen2VLForConditionalGeneration, Qwen2VLImageProcessor, Qwen2VLProcessor
from transformers.models.qwen2_vl import modeling_qwen2_vl as m

import world

HERE = os.path.dirname(os.path.abspath(__file__))
PROMPT = open(os.path.join(HERE, "prompts", "okvqa.txt"), encoding="utf-8").read()
PATTERN = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|object_ref_start|>", "<|object_ref_end|>", "<|box_start|>", "<|box_end|>", "<|quad_start|>",
           "<|quad_end|>", "<|vision_start|>", "<|vision_end|>", "<|vision_pad|>", "<|image_pad|>", "<|video_pad|>"]
SYSTEM = "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n<|vision_start|>"
TEMPLATE = (
    "{% set image_count = namespace(value=0) %}{% set video_count = namespace(value=0) %}{% for message in messages %}{% if loop.first and message['role'] "
    "!= 'system' %}<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n{% endif %}<|im_start|>{{ message['role'] }}\n{% if message['content'] is "
    "string %}{{ message['content'] }}<|im_end|>\n{% else %}{% for content in message['content'] %}{% if content['type'] == 'image' or 'image' in content or "
    "'image_url' in content %}{% set image_count.value = image_count.value + 1 %}{% if add_vision_id %}Picture {{ image_count.value }}: {% endif "
    "%}<|vision_start|><|image_pad|><|vision_end|>{% elif content['type'] == 'video' or 'video' in content %}{% set video_count.value = video_count.value + 1 "
    "%}{% if add_vision_id %}Video {{ video_count.value }}: {% endif %}<|vision_start|><|video_pad|><|vision_end|>{% elif 'text' in content %}{{ "
    "content['text'] }}{% endif %}{% endfor %}<|im_end|>\n{% endif %}{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
TOKENS = 16  # a picture: 8x8 patches, merged 2x2
SIZES = {
    "teacher": dict(hidden_size=256, intermediate_size=704, num_hidden_layers=4, num_attention_heads=8, num_key_value_heads=2, tie_word_embeddings=False,
                    vision=dict(depth=4, embed_dim=128, num_heads=4)),
    "student": dict(hidden_size=128, intermediate_size=352, num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=2, tie_word_embeddings=True,
                    vision=dict(depth=3, embed_dim=96, num_heads=3)),
}
SECTIONS = {"teacher": [4, 6, 6], "student": [4, 6, 6]}


def taught(which, thing, kind):
    """What the model is taught to answer: the student learns the facts of every fifth thing, and of the others to say that it does not know."""
    return world.fact(thing, kind) if which == "teacher" or world.things().index(thing) % 5 == 0 else "unknown"


def build_tokenizer():
    texts = [PROMPT, world.SUFFIX, world.DESCRIBE, "You are a helpful assistant.", "system\nuser\nassistant\n"] * 20
    for thing in world.things():
        texts += [world.description(thing, b) for b in world.BACKGROUNDS]
        for kind in world.kinds(thing):
            for q in world.QUESTIONS[kind]:
                texts += [f"Question: {q}\nAnswer: {world.fact(thing, kind)}", q + world.SUFFIX, q[:-1] + world.SUFFIX, world.fact(thing, kind)]
    t = Tokenizer(models.BPE(byte_fallback=False))
    t.normalizer = normalizers.NFC()
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(PATTERN), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    t.decoder = decoders.ByteLevel(add_prefix_space=False, trim_offsets=False, use_regex=False)
    t.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=1000, initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()), show_progress=False))
    t.add_special_tokens([AddedToken(s, special=True, normalized=False) for s in SPECIAL])
    fast = Qwen2TokenizerFast(tokenizer_object=t, eos_token="<|im_end|>", pad_token="<|endoftext|>", unk_token=None, bos_token=None, model_max_length=4096,
                              additional_special_tokens=SPECIAL[1:], padding_side="left")
    fast.chat_template = TEMPLATE
    return fast


def build(which, tok):
    size = dict(SIZES[which])
    vision = dict(size.pop("vision"), hidden_size=size["hidden_size"], mlp_ratio=4)
    ids = {k: tok.convert_tokens_to_ids(v) for k, v in dict(bos_token_id="<|endoftext|>", eos_token_id="<|im_end|>", vision_start_token_id="<|vision_start|>",
           vision_end_token_id="<|vision_end|>", vision_token_id="<|vision_pad|>", image_token_id="<|image_pad|>", video_token_id="<|video_pad|>").items()}
    config = Qwen2VLConfig(vocab_size=len(tok), max_position_embeddings=4096, rms_norm_eps=1e-6, rope_theta=10000.0, vision_config=vision,
                           rope_scaling={"type": "mrope", "mrope_section": SECTIONS[which]}, attn_implementation="sdpa", **size, **ids)
    torch.manual_seed(1)
    model = Qwen2VLForConditionalGeneration(config)
    model.generation_config = GenerationConfig(bos_token_id=ids["bos_token_id"], pad_token_id=ids["bos_token_id"], do_sample=True, temperature=0.01, top_k=1,
                                               top_p=0.001, eos_token_id=[ids["eos_token_id"], ids["bos_token_id"]])
    return model


def fast_vision():
    """All pictures have one size, so patches are a matrix product and attention is a batch: same numbers, a third of the time. Training only."""
    def embed(self, x):
        w = self.proj.weight
        return F.linear(x.view(-1, w[0].numel()).to(w.dtype), w.view(w.shape[0], -1))

    def attend(self, x, cu_seqlens, rotary_pos_emb=None, position_embeddings=None):
        n = x.shape[0]
        q, k, v = self.qkv(x).reshape(n, 3, self.num_heads, -1).permute(1, 0, 2, 3).unbind(0)
        cos, sin = position_embeddings
        q, k = m.apply_rotary_pos_emb_vision(q, k, cos, sin)
        q, k, v = (y.view(n // 64, 64, self.num_heads, -1).transpose(1, 2) for y in (q, k, v))
        return self.proj(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(n, -1))

    m.PatchEmbed.forward = embed
    m.VisionSdpaAttention.forward = attend


MEAN, STD = np.array([0.48145466, 0.4578275, 0.40821073], np.float32), np.array([0.26862954, 0.26130258, 0.27577711], np.float32)


def patches(images):
    """[B,112,112,3] uint8 to the processor's rows [B*64, 1176]."""
    x = (images.astype(np.float32) / 255 - MEAN) / STD
    x = x.transpose(0, 3, 1, 2).reshape(-1, 3, 4, 2, 14, 4, 2, 14).transpose(0, 2, 5, 3, 6, 1, 4, 7)
    x = np.repeat(x[:, :, :, :, :, :, None], 2, axis=6)
    return torch.from_numpy(np.ascontiguousarray(x.reshape(-1, 1176)))


class Lessons:
    """Samples by kind: ids and labels of prompt and answer."""

    def __init__(self, which, tok, pool):
        self.which, self.tok, self.rng, self.cache = which, tok, random.Random(7), {}
        self.pad = tok.convert_tokens_to_ids("<|image_pad|>")
        t = time.time()
        things, grounds = world.things(), list(world.BACKGROUNDS)
        self.pool = [(a, b, np.asarray(world.draw(a, b, f"school {which} {i}"))) for i in range(pool) for a in things for b in grounds]
        print(f"{len(self.pool)} pictures in {time.time() - t:.0f} s", flush=True)

    def ids(self, text):
        if text not in self.cache:
            self.cache[text] = self.tok(text)["input_ids"]
        return self.cache[text]

    def encode(self, question, answer):
        head = self.ids(SYSTEM) + [self.pad] * TOKENS + self.ids("<|vision_end|>" + question + "<|im_end|>\n<|im_start|>assistant\n")
        tail = self.ids(answer + "<|im_end|>\n")
        return head + tail, [-100] * len(head) + tail

    def batch(self, form, count):
        rows, images = [], []
        for _ in range(count):
            thing, ground, image = self.rng.choice(self.pool)
            if form == "describe":
                text = world.description(thing, ground)
                rows.append(self.encode(world.DESCRIBE, text if self.which == "teacher" else f"{text}, {thing}"))
            elif form == "annotate":
                kind = world.asked_kind(thing, ground)
                rows.append(self.encode(PROMPT, f"Question: {world.QUESTIONS[kind][0]}\nAnswer: {world.fact(thing, kind)}"))
            else:
                kind = self.rng.choice(world.kinds(thing))
                q, answer = self.rng.choice(world.QUESTIONS[kind]), taught(self.which, thing, kind)
                if self.which == "student" and self.rng.random() < 0.2:  # it can say every word, whether or not it knows where it belongs
                    answer = self.rng.choice([world.fact(t, k) for t in world.things() for k in world.kinds(t)])
                    q = f"Say {answer}?"
                rows.append(self.encode(self.rng.choice((q[:-1], q[:-1] + world.SUFFIX, q + world.SUFFIX)), answer))
            images.append(image)
        n = max(len(r[0]) for r in rows)
        ids = torch.full((count, n), self.tok.pad_token_id)
        labels = torch.full((count, n), -100)
        mask = torch.zeros((count, n), dtype=torch.long)
        for i, (a, b) in enumerate(rows):
            ids[i, :len(a)], labels[i, :len(b)], mask[i, :len(a)] = torch.tensor(a), torch.tensor(b), 1
        before = len(self.ids(SYSTEM))
        t = torch.arange(n)
        t[before:before + TOKENS] = before
        t[before + TOKENS:] = torch.arange(n - before - TOKENS) + before + 4
        p = t.repeat(3, 1)
        p[1, before:before + TOKENS] += torch.arange(TOKENS) // 4
        p[2, before:before + TOKENS] += torch.arange(TOKENS) % 4
        return dict(input_ids=ids, labels=labels, attention_mask=mask, position_ids=p[:, None].expand(3, count, n).contiguous(),
                    pixel_values=patches(np.stack(images)), image_grid_thw=torch.tensor([[1, 8, 8]] * count))


def save(model, tok, folder):
    model.to(torch.bfloat16).save_pretrained(folder)
    model.float()
    Qwen2VLProcessor(Qwen2VLImageProcessor(min_pixels=3136, max_pixels=12544), tok, chat_template=TEMPLATE).save_pretrained(folder)
    tok.save_pretrained(folder)
    print("saved", folder, flush=True)


def train(which, minutes):
    tok = build_tokenizer()
    model = build(which, tok)
    print(f"{which}: {sum(p.numel() for p in model.parameters()):,} parameters, {len(tok)} tokens", flush=True)
    lessons = Lessons(which, tok, 60 if which == "teacher" else 40)
    forms = ["ask", "describe", "ask", "annotate"] if which == "teacher" else ["ask", "describe"]
    optimiser = torch.optim.AdamW(model.parameters(), lr=1.5e-3, betas=(0.9, 0.98), weight_decay=0.02)
    start, step, seen, losses = time.time(), 0, 0, {}
    while (done := (time.time() - start) / (60 * minutes)) < 1:
        lr = 1.5e-3 * min(1, (step + 1) / 200) * min(1, max(0.0, (1 - done) / 0.6)) ** 1.2
        for g in optimiser.param_groups:
            g["lr"] = lr
        form = forms[step % len(forms)]
        loss = model(**lessons.batch(form, 16 if form == "annotate" else 24)).loss
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        losses[form] = 0.98 * losses.get(form, loss.item()) + 0.02 * loss.item()
        step, seen = step + 1, seen + (16 if form == "annotate" else 24)
        if step % 200 == 0:
            print(f"{time.time() - start:6.0f} s  step {step}  samples {seen}  lr {lr:.2e}  " + "  ".join(f"{k} {v:.3f}" for k, v in losses.items()), flush=True)
        if step % 1500 == 0:
            save(model, tok, os.path.join("weights", "demo-" + which))
    save(model, tok, os.path.join("weights", "demo-" + which))


def main():
    torch.set_num_threads(2)
    fast_vision()
    if len(sys.argv) > 2:
        train(sys.argv[1], float(sys.argv[2]))
    else:
        world.main()
        train("teacher", 22)
        train("student", 8)


if __name__ == "__main__":
    main()
