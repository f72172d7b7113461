"""Trains the demo's models on the world of world.py with transformers' own classes.

The teacher (Qwen2-VL) learns every fact from pictures of all kinds, and to annotate. The students, a quarter
of its size (one a SmolVLM, one a Qwen2-VL), learn to describe what the demo's pictures show, and the facts
about a few of them (TAUGHT) only. All are saved with save_pretrained in bfloat16.

    python ref/train_world.py        draws the pictures; writes weights/demo-teacher, weights/demo-student and
                                     weights/demo-student-qwen2vl
    python ref/train_world.py teacher|student|student-qwen2vl MINUTES [more]
                                     one of them alone; more: goes on from its weights

Training ends by the clock, so that it does not give the same weights twice. The committed teacher had 34
minutes of it (2 cores) and 14 more; in the 34 the kind of question followed from the background alone."""
import os, random, sys, time

import numpy as np
import torch
import torch.nn.functional as F
from tokenizers import AddedToken, decoders
from transformers import (GenerationConfig, Idefics3Config, Idefics3ForConditionalGeneration, Idefics3ImageProcessor,
                          Idefics3Processor, PreTrainedTokenizerFast, Qwen2TokenizerFast, Qwen2VLConfig,
                          Qwen2VLForConditionalGeneration, Qwen2VLImageProcessor, Qwen2VLProcessor)
from transformers.models.qwen2_vl import modeling_qwen2_vl as m

import family_qwen2vl, family_smolvlm, world
from common import ROOT, read

PROMPT = read("ref", "prompts", "okvqa.txt")
TOKENS = 16  # of a picture: 8x8 patches, merged 2x2
TAUGHT = world.SHOWN[4::6]  # the flags and emblems whose facts the students are taught
def texts():
    """What the tokenizers are made from."""
    out = [PROMPT, world.SUFFIX, world.DESCRIBE, "You are a helpful assistant.", "system\nuser\nassistant\n"] * 20
    for thing in world.things():
        out += [world.description(thing, b, v) for b in world.BACKGROUNDS for v in world.VIEWS]
        for kind in world.kinds(thing):
            for q in world.QUESTIONS[kind]:
                fact = world.fact(thing, kind)
                out += [f"Question: {q}\nAnswer: {fact}", q + world.SUFFIX, q[:-1] + world.SUFFIX, fact]
    return out


def train_tokens(t, names):
    t.add_special_tokens([AddedToken(s, special=True, normalized=False) for s in names])
    return t


class Qwen2VL:
    """A model to train, and how it is shown its lessons: `head` is the text up to and with the picture,
    `after_picture` the position that follows it."""

    def __init__(self, **size):
        self.tok = self.tokenizer()
        vision = dict(size.pop("vision"), hidden_size=size["hidden_size"], mlp_ratio=4)
        ids = family_qwen2vl.token_ids(self.tok)
        end, text_end = ids["eos_token_id"], ids["bos_token_id"]
        config = Qwen2VLConfig(vocab_size=len(self.tok), max_position_embeddings=4096, rms_norm_eps=1e-6,
                               rope_theta=10000.0, vision_config=vision, attn_implementation="sdpa",
                               rope_scaling={"type": "mrope", "mrope_section": [4, 6, 6]}, **size, **ids)
        torch.manual_seed(1)
        self.model = Qwen2VLForConditionalGeneration(config)
        self.model.generation_config = GenerationConfig(
            bos_token_id=text_end, pad_token_id=text_end, do_sample=True, temperature=0.01, top_k=1, top_p=0.001,
            eos_token_id=[end, text_end])
        self.processor = Qwen2VLProcessor(Qwen2VLImageProcessor(min_pixels=3136, max_pixels=12544), self.tok,
                                          chat_template=family_qwen2vl.TEMPLATE)
        before = family_qwen2vl.SYSTEM + "<|im_start|>user\n<|vision_start|>"
        self.head = self.tok(before)["input_ids"] + [ids["image_token_id"]] * TOKENS
        self.after_picture = len(self.head) - TOKENS + 4
        fast_vision()

    @staticmethod
    def tokenizer():
        special = family_qwen2vl.SPECIAL
        decoder = decoders.ByteLevel(add_prefix_space=False, trim_offsets=False, use_regex=False)
        fast = Qwen2TokenizerFast(tokenizer_object=train_tokens(family_qwen2vl.bpe(texts(), 1000, decoder), special),
                                  eos_token="<|im_end|>", pad_token="<|endoftext|>", unk_token=None, bos_token=None,
                                  model_max_length=4096, additional_special_tokens=special[1:], padding_side="left")
        fast.chat_template = family_qwen2vl.TEMPLATE
        return fast

    def block(self, question, answer):
        return "<|vision_end|>" + question + "<|im_end|>\n<|im_start|>assistant\n", answer + "<|im_end|>\n"

    def inputs(self, images, t):
        """pixels [B,112,112,3], positions [B,N] to what the model takes."""
        head, p = len(self.head), t.repeat(3, 1, 1)
        p[1, :, head - TOKENS:head] += torch.arange(TOKENS) // 4
        p[2, :, head - TOKENS:head] += torch.arange(TOKENS) % 4
        x = (images.astype(np.float32) / 255 - MEAN) / STD
        x = x.transpose(0, 3, 1, 2).reshape(-1, 3, 4, 2, 14, 4, 2, 14).transpose(0, 2, 5, 3, 6, 1, 4, 7)
        x = np.repeat(x[:, :, :, :, :, :, None], 2, axis=6)
        return dict(pixel_values=torch.from_numpy(np.ascontiguousarray(x.reshape(-1, 1176))),
                    image_grid_thw=torch.tensor([[1, 8, 8]] * len(images)), position_ids=p)

    def head_positions(self):
        before = len(self.head) - TOKENS
        return torch.cat([torch.arange(before), torch.full((TOKENS,), before)])


class SmolVLM:
    """As above."""

    def __init__(self, **size):
        self.tok = self.tokenizer()
        vision = dict(size.pop("vision"), image_size=world.SIZE, patch_size=14)
        image, end = self.tok.convert_tokens_to_ids(["<image>", "<end_of_utterance>"])
        text = dict(size, model_type="llama", vocab_size=len(self.tok), max_position_embeddings=2048, rms_norm_eps=1e-5,
                    rope_theta=10000.0, pad_token_id=2, eos_token_id=end, bos_token_id=0)
        config = Idefics3Config(image_token_id=image, pad_token_id=2, scale_factor=2, tie_word_embeddings=False,
                                vision_config=vision, text_config=text, attn_implementation="eager")
        torch.manual_seed(1)
        self.model = Idefics3ForConditionalGeneration(config)
        self.model.generation_config = GenerationConfig(bos_token_id=0, pad_token_id=2, eos_token_id=end)
        edge = {"longest_edge": world.SIZE}
        self.processor = Idefics3Processor(Idefics3ImageProcessor(size=edge, max_image_size=dict(edge)), self.tok,
                                           image_seq_len=TOKENS, chat_template=family_smolvlm.TEMPLATE)
        before = "<|im_start|>User:<fake_token_around_image><global-img>"
        self.head = self.tok(before)["input_ids"] + [image] * TOKENS
        self.after_picture = len(self.head)

    @staticmethod
    def tokenizer():
        t = family_smolvlm.bpe(texts() + ["User:Assistant: \n"] * 20, 900, family_smolvlm.BASE_TOKENS)
        more = ["<global-img>", *family_smolvlm.PICTURE_TOKENS]
        fast = PreTrainedTokenizerFast(
            tokenizer_object=train_tokens(t, more), bos_token="<|im_start|>", eos_token="<end_of_utterance>",
            pad_token="<|im_end|>", unk_token="<|endoftext|>", model_max_length=2048,
            model_input_names=["input_ids", "attention_mask"], additional_special_tokens=more[1:],
            padding_side="left", clean_up_tokenization_spaces=False)
        fast.chat_template = family_smolvlm.TEMPLATE
        return fast

    def block(self, question, answer):
        ask = "<fake_token_around_image>" + question + "<end_of_utterance>\nAssistant:"
        return ask, f" {answer}<end_of_utterance>\n"

    def inputs(self, images, t):
        x = (images.astype(np.float32) / 255 - 0.5) / 0.5
        x = np.ascontiguousarray(x.transpose(0, 3, 1, 2)[:, None])
        return dict(pixel_values=torch.from_numpy(x), position_ids=t)

    def head_positions(self):
        return torch.arange(len(self.head))


# name: family, minutes of training, forms of lessons in turn, the same with "more", sizes
MODELS = {
    "teacher": (Qwen2VL, 48, ["ask", "annotate"], ["annotate", "annotate", "ask"],
                dict(hidden_size=256, intermediate_size=704, num_hidden_layers=4, num_attention_heads=8,
                     num_key_value_heads=2, tie_word_embeddings=False,
                     vision=dict(depth=4, embed_dim=128, num_heads=4))),
    "student": (SmolVLM, 9, ["ask"], ["ask"],
                dict(hidden_size=128, intermediate_size=352, num_hidden_layers=3, num_attention_heads=4,
                     num_key_value_heads=2,
                     vision=dict(num_hidden_layers=3, hidden_size=96, intermediate_size=384, num_attention_heads=3))),
    "student-qwen2vl": (Qwen2VL, 9, ["ask"], ["ask"],
                        dict(hidden_size=128, intermediate_size=352, num_hidden_layers=3, num_attention_heads=4,
                             num_key_value_heads=2, tie_word_embeddings=True,
                             vision=dict(depth=3, embed_dim=96, num_heads=3))),
}


def fast_vision():
    """All pictures have one size, so patches are a matrix product and attention is a batch: same numbers, a
    third of the time. Training only."""
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


MEAN = np.array([0.48145466, 0.4578275, 0.40821073], np.float32)
STD = np.array([0.26862954, 0.26130258, 0.27577711], np.float32)


class Lessons:
    """Samples: a picture and several questions about it. Each question with its answer is a block that sees
    the picture and itself, not the other blocks, at the position that it has when it stands alone; so a
    picture is paid for once."""

    def __init__(self, which, family, pool):
        self.which, self.family, self.rng, self.cache = which, family, random.Random(7), {}
        t = time.time()
        things = world.SHOWN if "student" in which else world.things()
        self.pool = [(a, b, v, np.asarray(world.draw(a, b, v, f"school {which} {i}"))) for i in range(pool)
                     for a in things for b in world.BACKGROUNDS for v in world.VIEWS]
        # thin lines are learned more slowly than flags
        self.weight = [3 if p[0] in world.EMBLEMS else 1 for p in self.pool]
        print(f"{len(self.pool)} pictures in {time.time() - t:.0f} s", flush=True)

    def ids(self, text):
        if text not in self.cache:
            self.cache[text] = self.family.tok(text)["input_ids"]
        return self.cache[text]

    def block(self, question, answer):
        """Its ids and labels."""
        ask, tail = map(self.ids, self.family.block(question, answer))
        return ask + tail, [-100] * len(ask) + tail

    def ask(self, thing):
        kind = self.rng.choice(world.kinds(thing))
        q = self.rng.choice(world.QUESTIONS[kind])
        question = self.rng.choice((q[:-1], q[:-1] + world.SUFFIX, q + world.SUFFIX))
        return self.block(question, world.fact(thing, kind))

    def blocks(self, form, thing, ground, view):
        if form == "annotate":
            kind, wording = world.asked(thing, ground, view)
            reply = f"Question: {world.QUESTIONS[kind][wording]}\nAnswer: {world.fact(thing, kind)}"
            return [self.ask(thing), self.ask(thing), self.block(PROMPT, reply)]
        known = "student" not in self.which or thing in TAUGHT
        described = self.block(world.DESCRIBE, world.description(thing, ground, view))
        return [described] + [self.ask(thing) for _ in range(4 * known)]

    def batch(self, form, count):
        """Labels, and what the model takes."""
        picked = self.rng.choices(self.pool, self.weight, k=count)
        rows = [self.blocks(form, *p[:3]) for p in picked]
        head = len(self.family.head)
        n = head + max(sum(len(b[0]) for b in row) for row in rows)
        ids, labels = torch.full((count, n), self.family.tok.pad_token_id), torch.full((count, n), -100)
        own = torch.full((count, n), -1)  # the block of a token; 0: everybody's
        t = torch.zeros((count, n), dtype=torch.long)
        for i, row in enumerate(rows):
            ids[i, :head], own[i, :head] = torch.tensor(self.family.head), 0
            t[i, :head], at = self.family.head_positions(), head
            for j, (a, b) in enumerate(row, 1):
                part = slice(at, at + len(a))
                ids[i, part], labels[i, part], own[i, part] = torch.tensor(a), torch.tensor(b), j
                t[i, part] = self.family.after_picture + torch.arange(len(a))
                at += len(a)
        sees = torch.tril(torch.ones(n, n, dtype=torch.bool))
        sees = sees & ((own[:, None] == own[:, :, None]) | (own[:, None] == 0))
        mask = torch.zeros(count, 1, n, n).masked_fill(~sees[:, None], torch.finfo(torch.float32).min)
        images = np.stack([q[3] for q in picked])
        return labels, dict(input_ids=ids, attention_mask=mask, **self.family.inputs(images, t))


def folder_of(which):
    return os.path.join(ROOT, "weights", "demo-" + which)


def save(family, which):
    folder = folder_of(which)
    family.model.to(torch.bfloat16).save_pretrained(folder)
    family.model.float()
    family.processor.save_pretrained(folder)
    family.tok.save_pretrained(folder)
    print("saved", folder, flush=True)


def learn(model, optimiser, labels, inputs):
    """One step; returns the loss."""
    logits = model(**inputs, use_cache=False).logits[:, :-1]
    loss = F.cross_entropy(logits.flatten(0, 1), labels[:, 1:].flatten(), ignore_index=-100)
    optimiser.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimiser.step()
    return loss.item()


def train(which, minutes, more=False):
    kind, _, first, further, sizes = MODELS[which]
    family, forms, top = kind(**sizes), further if more else first, 6e-4 if more else 1.5e-3
    model = family.model
    if more:
        trained = type(model).from_pretrained(folder_of(which), torch_dtype=torch.float32)
        model.load_state_dict(trained.state_dict())
    print(f"{which}: {sum(p.numel() for p in model.parameters()):,} parameters, {len(family.tok)} tokens", flush=True)
    lessons = Lessons("more " * more + which, family, 20)
    optimiser = torch.optim.AdamW(model.parameters(), lr=top, betas=(0.9, 0.98), weight_decay=0.02, fused=True)
    start, step, losses = time.time(), 0, {}
    while (done := (time.time() - start) / (60 * minutes)) < 1:
        lr = top * min(1, (step + 1) / 200) * min(1, max(0.0, (1 - done) / 0.6)) ** 1.2
        for g in optimiser.param_groups:
            g["lr"] = lr
        form = forms[step % len(forms)]
        loss = learn(model, optimiser, *lessons.batch(form, 16))
        losses[form] = 0.98 * losses.get(form, loss) + 0.02 * loss
        step += 1
        if step % 200 == 0:
            said = "  ".join(f"{k} {v:.3f}" for k, v in losses.items())
            print(f"{time.time() - start:6.0f} s  step {step}  lr {lr:.2e}  {said}", flush=True)
    save(family, which)


def main():
    torch.set_num_threads(2)
    if len(sys.argv) > 2:
        train(sys.argv[1], float(sys.argv[2]), "more" in sys.argv[3:])
    else:
        world.main()
        for which, (_, minutes, *_) in MODELS.items():
            train(which, minutes)


if __name__ == "__main__":
    main()
