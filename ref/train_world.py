"""Trains the demo's models on the world of world.py with transformers' own classes.

The teacher (Qwen2-VL) learns all four kinds, and to annotate. The student (SmolVLM), less than half its size, learns
to see all of it, but to answer only part of each kind: about half of the words, names and places, in scenes only the
numbers made of seven of the ten digits, half of the flags and two emblems of three, in charts neither the shortest bar
nor how many are longer than one. The rest it hears once in a while (RARE): too seldom to know it, but so that it has
words for it. Both are saved with save_pretrained in bfloat16.

    python ref/train_world.py teacher|student FOLDER PHASE MINUTES [PHASE MINUTES ...]     goes on from FOLDER.pt

In the phase `read` the vision tower alone learns to say which character and which colour each of its patches lies
on, and in the end which thing each token of the picture (linear heads that are thrown away), on pages full of
characters and on the world's pictures; in `see` chiefly the things, by heads that stay as they are; in `answer` the
language model learns to answer from what a tower at rest sees; in `both` all of it goes on together, in `settle` at a
lower rate, the teacher as an annotator. Phases end by the processor's clock, so that they do not give the same weights
twice; the log is beside the weights (training.txt)."""
import itertools, os, pickle, random, sys, time

import numpy as np
import torch
import torch.nn.functional as F
from tokenizers import AddedToken, decoders
from transformers import (GenerationConfig, Idefics3Config, Idefics3ForConditionalGeneration, Idefics3ImageProcessor,
                          Idefics3Processor, PreTrainedTokenizerFast, Qwen2TokenizerFast, Qwen2VLConfig,
                          Qwen2VLForConditionalGeneration, Qwen2VLImageProcessor, Qwen2VLProcessor)
from transformers.models.idefics3 import modeling_idefics3
from transformers.models.qwen2_vl import modeling_qwen2_vl

import family_qwen2vl, family_smolvlm, world, world_canvas, world_flags, world_scenes, world_signs
from common import ROOT, read

DESCRIBE = "Describe the picture."
SUFFIX = "Answer the following question in a single word or phrase."
SIDE = world.SIZE // 8  # patches
PATCHES, TOKENS = SIDE * SIDE, SIDE * SIDE // 4
PROMPTS = {kind: read("ref", "prompts", kind + ".txt") for kind in world.KINDS}
SHARE = {"textvqa": 0.23, "stvqa": 0.22, "chartqa": 0.38, "okvqa": 0.17}  # of the lessons
RARE = {"textvqa": 0.03, "stvqa": 0.02, "chartqa": 0.06, "okvqa": 0.01}  # how often the student hears what it is not taught
CHARACTERS, COLOURS = len(world_canvas.CHARACTERS) + 1, len(world_canvas.COLOURS) + 1
ROLES = "sign name number price place line bar flag".split()
WORDS = [*world_signs.WORDS, *world_scenes.NAMES, *world_scenes.PLACES, *world_flags.FLAGS, *world_flags.EMBLEMS]
# what is told of a thing, and how many answers there are; 0 of a role: no thing
THING = {"role": len(ROLES) + 1, "word": len(WORDS), "tens": 10, "ones": 10, "paint": COLOURS, "rank": 5, "count": 6}


def scenes(part, count):
    return [(kind, world.scene(kind, f"{part} {i}")) for kind in world.KINDS for i in range(count)]


def texts():
    """What the tokenizers are made from."""
    out = [DESCRIBE, "You are a helpful assistant.", "system\nuser\nassistant\n", *PROMPTS.values()] * 20
    for _, s in scenes("texts", 250):
        out += [s.dense, s.coarse]
        for q in s.questions:
            for w in q.wordings:
                out += [f"Question: {w}\nAnswer: {q.answer}", w + SUFFIX, w[:-1] + SUFFIX, " " + q.answer, q.answer]
    return out


def with_tokens(t, names):
    t.add_special_tokens([AddedToken(s, special=True, normalized=False) for s in names])
    return t


def attention(q, k, v):
    return F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(0, 1).flatten(1)


class Qwen2VL:
    """A model to train, and how it is shown its lessons: `head` is the text up to and with the picture,
    `after_picture` the position that follows it."""
    mean, std = np.array([[0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]], np.float32)

    def __init__(self, vision, **size):
        self.tok = self.tokenizer()
        ids = family_qwen2vl.token_ids(self.tok)
        end, text_end = ids["eos_token_id"], ids["bos_token_id"]
        vision = dict(vision, hidden_size=size["hidden_size"], mlp_ratio=4, patch_size=8)
        config = Qwen2VLConfig(vocab_size=len(self.tok), max_position_embeddings=4096, rms_norm_eps=1e-6,
                               rope_theta=10000.0, vision_config=vision, attn_implementation="sdpa",
                               rope_scaling={"type": "mrope", "mrope_section": [4, 6, 6]}, **size, **ids)
        self.model = Qwen2VLForConditionalGeneration(config)
        self.model.generation_config = GenerationConfig(
            bos_token_id=text_end, pad_token_id=text_end, do_sample=True, temperature=0.01, top_k=1, top_p=0.001,
            eos_token_id=[end, text_end])
        pixels = world.SIZE ** 2
        self.processor = Qwen2VLProcessor(Qwen2VLImageProcessor(min_pixels=pixels, max_pixels=pixels, patch_size=8),
                                          self.tok, chat_template=family_qwen2vl.TEMPLATE)
        before = family_qwen2vl.SYSTEM + "<|im_start|>user\n<|vision_start|>"
        self.head = self.tok(before)["input_ids"] + [ids["image_token_id"]] * TOKENS
        self.after_picture = len(self.head) - TOKENS + SIDE // 2
        self.text, self.embed, self.width = self.model.model, self.model.model.embed_tokens, vision["embed_dim"]
        # all pictures have one size: attention is a batch
        modeling_qwen2_vl.VisionSdpaAttention.forward = self.attend

    @staticmethod
    def attend(block, x, cu_seqlens, rotary_pos_emb=None, position_embeddings=None):
        q, k, v = block.qkv(x).unflatten(1, (3, block.num_heads, -1)).unbind(1)
        q, k = modeling_qwen2_vl.apply_rotary_pos_emb_vision(q, k, *position_embeddings)
        q, k, v = (y.to(v.dtype).unflatten(0, (-1, PATCHES)).transpose(1, 2) for y in (q, k, v))
        return block.proj(attention(q, k, v))

    @staticmethod
    def tokenizer():
        special = family_qwen2vl.SPECIAL
        decoder = decoders.ByteLevel(add_prefix_space=False, trim_offsets=False, use_regex=False)
        fast = Qwen2TokenizerFast(tokenizer_object=with_tokens(family_qwen2vl.bpe(texts(), 900, decoder), special),
                                  eos_token="<|im_end|>", pad_token="<|endoftext|>", unk_token=None, bos_token=None,
                                  model_max_length=4096, additional_special_tokens=special[1:], padding_side="left")
        fast.chat_template = family_qwen2vl.TEMPLATE
        return fast

    def block(self, question, answer):
        return "<|vision_end|>" + question + "<|im_end|>\n<|im_start|>assistant\n", answer + "<|im_end|>\n"

    @staticmethod
    def merged(x):
        """[B, SIDE, SIDE, ...] to [B, PATCHES, ...], 2x2 patches together."""
        return x.unflatten(2, (-1, 2)).unflatten(1, (-1, 2)).transpose(2, 3).flatten(1, 4)

    def see(self, x):
        """images [B,112,112,3], normalised, to what the tower says per patch [B,PATCHES,W] and the picture's
        tokens [B,TOKENS,D]."""
        v, count = self.model.visual, len(x)
        x = self.merged(x.unflatten(2, (SIDE, 8)).unflatten(1, (SIDE, 8)).transpose(2, 3)).flatten(0, 1)
        x = x.permute(0, 3, 1, 2)[:, :, None].expand(-1, -1, 2, -1, -1).flatten(1)
        x = F.linear(x, v.patch_embed.proj.weight.flatten(1))
        angles = v.rot_pos_emb(torch.tensor([[1, SIDE, SIDE]] * count))
        angles = torch.cat((angles, angles), dim=-1)
        for b in v.blocks:
            x = b(x, cu_seqlens=None, position_embeddings=(angles.cos(), angles.sin()))
        return x.unflatten(0, (count, -1)), v.merger(x).unflatten(0, (count, -1))

    def tower(self):
        return [*self.model.visual.parameters()]

    def positions(self, t):
        p, end = t.repeat(3, 1, 1), len(self.head)
        p[1, :, end - TOKENS:end] += torch.arange(TOKENS) // (SIDE // 2)
        p[2, :, end - TOKENS:end] += torch.arange(TOKENS) % (SIDE // 2)
        return p

    def head_positions(self):
        before = len(self.head) - TOKENS
        return torch.cat([torch.arange(before), torch.full((TOKENS,), before)])


class SmolVLM:
    """As above."""
    mean = std = np.float32(0.5)

    def __init__(self, vision, **size):
        self.tok = self.tokenizer()
        vision = dict(vision, image_size=world.SIZE, patch_size=8)
        image, end = self.tok.convert_tokens_to_ids(["<image>", "<end_of_utterance>"])
        text = dict(size, model_type="llama", vocab_size=len(self.tok), max_position_embeddings=2048, rms_norm_eps=1e-5,
                    rope_theta=10000.0, pad_token_id=2, eos_token_id=end, bos_token_id=0)
        config = Idefics3Config(image_token_id=image, pad_token_id=2, scale_factor=2, tie_word_embeddings=False,
                                vision_config=vision, text_config=text, attn_implementation="eager")
        self.model = Idefics3ForConditionalGeneration(config)
        self.model.generation_config = GenerationConfig(bos_token_id=0, pad_token_id=2, eos_token_id=end)
        edge = {"longest_edge": world.SIZE}
        self.processor = Idefics3Processor(Idefics3ImageProcessor(size=edge, max_image_size=dict(edge)), self.tok,
                                           image_seq_len=TOKENS, chat_template=family_smolvlm.TEMPLATE)
        before = "<|im_start|>User:<fake_token_around_image><global-img>"
        self.head = self.tok(before)["input_ids"] + [image] * TOKENS
        self.after_picture = len(self.head)
        self.text, self.width = self.model.model.text_model, vision["hidden_size"]
        self.embed = self.text.embed_tokens
        with torch.no_grad():  # places that say rows and columns from the start: who is whose neighbour need not be learned
            angle = torch.arange(SIDE)[:, None] * torch.pi / SIDE * 2 ** torch.linspace(-1, 3.5, self.width // 4)
            waves = torch.cat((angle.sin(), angle.cos()), dim=1)
            places = torch.cat((waves[:, None].expand(-1, SIDE, -1), waves[None].expand(SIDE, -1, -1)), dim=2)
            self.model.model.vision_model.embeddings.position_embedding.weight.copy_(0.3 * places.flatten(0, 1))
        self.text.config._attn_implementation = "sdpa"
        modeling_idefics3.Idefics3VisionAttention.forward = self.attend

    @staticmethod
    def attend(block, hidden_states, attention_mask=None, output_attentions=False):
        x = hidden_states
        q, k, v = (f(x).unflatten(2, (block.num_heads, -1)).transpose(1, 2)
                   for f in (block.q_proj, block.k_proj, block.v_proj))
        return block.out_proj(attention(q, k, v).unflatten(0, x.shape[:2])), None

    @staticmethod
    def tokenizer():
        t = family_smolvlm.bpe(texts() + ["User:Assistant: \n"] * 20, 800, family_smolvlm.BASE_TOKENS)
        more = ["<global-img>", *family_smolvlm.PICTURE_TOKENS]
        fast = PreTrainedTokenizerFast(
            tokenizer_object=with_tokens(t, more), bos_token="<|im_start|>", eos_token="<end_of_utterance>",
            pad_token="<|im_end|>", unk_token="<|endoftext|>", model_max_length=2048,
            model_input_names=["input_ids", "attention_mask"], additional_special_tokens=more[1:],
            padding_side="left", clean_up_tokenization_spaces=False)
        fast.chat_template = family_smolvlm.TEMPLATE
        return fast

    def block(self, question, answer):
        ask = "<fake_token_around_image>" + question + "<end_of_utterance>\nAssistant:"
        return ask, f" {answer}<end_of_utterance>\n"

    @staticmethod
    def merged(x):
        return x.flatten(1, 2)

    def see(self, x):
        v = self.model.model.vision_model
        x = x.unflatten(2, (SIDE, 8)).unflatten(1, (SIDE, 8)).transpose(2, 3).flatten(1, 2)
        w = v.embeddings.patch_embedding
        x = F.linear(x.permute(0, 1, 4, 2, 3).flatten(2), w.weight.flatten(1), w.bias)
        x = x + v.embeddings.position_embedding.weight
        x = v.post_layernorm(v.encoder(inputs_embeds=x).last_hidden_state)
        return x, self.model.model.connector(x)

    def tower(self):
        return [*self.model.model.vision_model.parameters(), *self.model.model.connector.parameters()]

    def positions(self, t):
        return t

    def head_positions(self):
        return torch.arange(len(self.head))


# name: family, forms of lessons in turn, sizes
MODELS = {
    "teacher": (Qwen2VL, ("ask", "ask", "ask", "ask", "annotate"),
                dict(hidden_size=256, intermediate_size=704, num_hidden_layers=4, num_attention_heads=8,
                     num_key_value_heads=2, tie_word_embeddings=False, vision=dict(depth=5, embed_dim=160, num_heads=5))),
    "student": (SmolVLM, ("ask",),
                dict(hidden_size=160, intermediate_size=432, num_hidden_layers=3, num_attention_heads=5,
                     num_key_value_heads=5, vision=dict(num_hidden_layers=5, hidden_size=128, intermediate_size=512,
                                                        num_attention_heads=4))),
}


# name: what learns, the highest rate
PHASES = {"read": (("tower",), 1.5e-3), "see": (("tower",), 1.2e-3), "answer": (("texts",), 1.5e-3),
          "both": (("tower", "texts"), 1e-3), "settle": (("tower", "texts"), 7e-4)}


def page(rng):
    """A picture full of characters, and its marks."""
    canvas = world_canvas.Canvas(rng, "", [rng.randint(60, 230) for _ in range(3)])
    y = rng.randint(0, 10)
    while y < 2 * world.SIZE - 30:
        size, colour = rng.randint(25, 40), rng.choice(list(world_canvas.COLOURS))
        text = "".join(rng.choices(world_canvas.CHARACTERS, k=rng.randint(3, 12)))
        face = world_canvas.font(rng, size)
        layer = world_canvas.Layer(int(face.getlength(text)) + 16, int(size * 1.4), (0, 0, 0, 0))
        layer.block(rng, (0, 0, *layer.image.size), colour)
        layer.text(layer.image.width / 2, layer.image.height / 2, text, face, world_canvas.ink(rng, colour))
        canvas.paste(layer, (rng.randint(-20, 60), y), rng.choice((0, rng.uniform(-7, 7))))
        y += int(size * 1.5) + rng.randint(0, 12)
    return canvas.scene("", "", [], 0, 0)


def pool(part, count, pages):
    """Pictures drawn once for both models: images, marks, and for each picture its kind and texts."""
    path = os.path.join(ROOT, "build", "world", part)
    if not os.path.exists(path + ".pickle"):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        rng = random.Random("pages " + part)
        all_of_it = scenes(part, count) + [("page", page(rng)) for _ in range(pages)]
        np.save(path + "-images.npy", np.stack([s.image for _, s in all_of_it]))
        np.save(path + "-marks.npy", np.stack([s.marks for _, s in all_of_it]))
        for _, s in all_of_it:
            s.image = s.marks = None
        with open(path + ".pickle", "wb") as f:
            pickle.dump(all_of_it, f)
    with open(path + ".pickle", "rb") as f:
        return np.load(path + "-images.npy"), np.load(path + "-marks.npy"), pickle.load(f)


class Lessons:
    """Samples: a picture and several questions about it. Each question with its answer is a block that sees
    the picture and itself, not the other blocks, at the position that it has when it stands alone; so a
    picture is paid for once."""

    def __init__(self, which, family, part, count, pages=0):
        self.which, self.family, self.rng, self.cache = which, family, random.Random(which + part), {}
        self.images, self.marks, self.scenes = pool(part, count, pages)
        self.told = [np.array([self.tell(t) for t in [None, *s.things]]) for _, s in self.scenes]
        self.of = {}
        for i, (kind, _) in enumerate(self.scenes):
            self.of.setdefault(kind, []).append(i)

    def tell(self, thing):
        """What the tokens on a thing are asked for (THING); -100: not asked. The student's tower sees as well as the
        teacher's, as towers do that were trained on the pictures of the world: what it is not taught is to say it."""
        said = dict.fromkeys(THING, -100)
        said["role"] = thing is not None and 1 + ROLES.index(thing.role)
        if thing and thing.colour:
            said["paint"] = 1 + list(world_canvas.COLOURS).index(thing.colour)
        if thing:
            if thing.text.isdigit():
                said["tens"], said["ones"] = map(int, thing.text)
            else:
                said["word"] = WORDS.index(thing.text)
            if thing.role == "bar":
                said["rank"], said["count"] = thing.rank, thing.count
        return list(said.values())

    def ids(self, text):
        if text not in self.cache:
            self.cache[text] = self.family.tok(text)["input_ids"]
        return self.cache[text]

    def block(self, question, answer):
        """Its ids and labels."""
        ask, tail = map(self.ids, self.family.block(question, answer))
        return ask + tail, [-100] * len(ask) + tail

    def ask(self, q):
        w = self.rng.choice(q.wordings)
        return self.block(self.rng.choice((w[:-1], w[:-1] + SUFFIX, w + SUFFIX)), q.answer)

    def blocks(self, form, kind, s):
        asks = [q for q in s.questions if self.which == "teacher" or q.taught or self.rng.random() < RARE[kind]]
        asks = self.rng.sample(asks, min(len(asks), 2 if form == "annotate" else 5))
        if form == "annotate":
            q, wording = s.questions[s.asked[0]], s.asked[1]
            return [*map(self.ask, asks), self.block(PROMPTS[kind], f"Question: {q.wordings[wording]}\nAnswer: {q.answer}")]
        if form in ("taught", "not taught"):  # an exam in what the student is taught, and in the rest
            return [self.block(q.wordings[0][:-1] + SUFFIX, q.answer) for q in s.questions if q.taught == (form == "taught")]
        return [self.block(DESCRIBE, s.dense if self.which == "teacher" else s.coarse), *map(self.ask, asks)]

    def kinds(self, share, count):
        return self.rng.choices(list(share), list(share.values()), k=count)

    def pick(self, share, count):
        """Indices of pictures."""
        return [self.rng.choice(self.of[k]) for k in self.kinds(share, count)]

    def pictures(self, picked):
        """Images, moved by some pixels, as the tower takes them; the marks of their patches: characters
        [B,PATCHES,2] (a patch has two columns), colours [B,PATCHES]; what is told of their tokens [B,TOKENS,THING]."""
        images, marks = [], []
        for i in picked:
            dx, dy = self.rng.randint(0, 8), self.rng.randint(0, 8)
            at = np.s_[dy:dy + world.SIZE, dx:dx + world.SIZE]
            images.append(np.pad(self.images[i], ((4, 4), (4, 4), (0, 0)), "edge")[at])
            marks.append(np.pad(self.marks[i], ((0, 0), (4, 4), (4, 4)))[np.s_[:, *at]])
        gain = np.array([[self.rng.uniform(0.9, 1.1)] for _ in picked], np.float32).reshape(-1, 1, 1, 1)
        x = (np.stack(images).astype(np.float32) / 255 * gain - self.family.mean) / self.family.std
        m = torch.from_numpy(np.stack(marks).astype(np.int64))
        characters = torch.stack((m[:, 0, 4::8, 2::8], m[:, 0, 4::8, 6::8]), dim=-1)
        things = m[:, 2, 4::8, 4::8].unflatten(2, (-1, 2)).unflatten(1, (-1, 2)).amax((2, 4)).flatten(1)
        told = torch.from_numpy(np.stack([self.told[i][t] for i, t in zip(picked, things.numpy())]))
        return torch.from_numpy(x), self.family.merged(characters), self.family.merged(m[:, 1, 4::8, 4::8]), told

    def texts(self, form, picked):
        """Ids, positions, which token sees which, labels."""
        rows = [self.blocks(form, *self.scenes[i]) for i in picked]
        head, count = len(self.family.head), len(picked)
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
        return ids, self.family.positions(t), sees[:, None], labels, own


class Heads(torch.nn.Module):
    """What the tower is asked for while it learns to read, thrown away afterwards: of a patch, its characters and
    its colour; of a token of the picture, the thing that it lies on."""

    def __init__(self, width, hidden):
        super().__init__()
        self.characters, self.colours = torch.nn.Linear(width, 2 * CHARACTERS), torch.nn.Linear(width, COLOURS)
        self.things = torch.nn.Linear(hidden, sum(THING.values()))

    def loss(self, patches, tokens, marks, told, shown):
        """told: how much the things count."""
        characters, colours, things = marks
        said = self.characters(patches).unflatten(2, (2, -1))
        shown["characters"] = (said.argmax(-1) == characters)[characters > 0].float().mean().item()
        weight = torch.ones(CHARACTERS)
        weight[0] = 0.3
        loss = (F.cross_entropy(said.flatten(0, 2).float(), characters.flatten(), weight)
                + 0.3 * F.cross_entropy(self.colours(patches).flatten(0, 1).float(), colours.flatten()))
        parts = self.things(tokens).flatten(0, 1).float().split(list(THING.values()), dim=1)
        for i, (name, part) in enumerate(zip(THING, parts)):
            wanted = things[..., i].flatten()
            if (wanted >= 0).any():
                loss = loss + told * F.cross_entropy(part, wanted)
                seen = wanted >= (name == "role")
                if seen.any():
                    right = (part.argmax(-1) == wanted)[seen].float().mean().item()
                    shown[name] = 0.95 * shown.get(name, right) + 0.05 * right
        return loss


def answers(family, tokens, ids, positions, sees, labels):
    """Logits and labels where there are labels."""
    x = family.embed(ids)
    n = len(family.head)
    x = torch.cat((x[:, :n - TOKENS], tokens.to(x.dtype), x[:, n:]), dim=1)
    y = family.text(inputs_embeds=x, position_ids=positions, attention_mask=sees, use_cache=False)[0]
    at = labels[:, 1:] >= 0
    return family.model.lm_head(y[:, :-1][at]).float(), labels[:, 1:][at], at


@torch.no_grad()
def exam(family, lessons):
    """Share of questions of each kind of which every token is the likeliest one: of what the student is taught,
    and of the rest."""
    out = []
    for kind, form in itertools.product(world.KINDS, ("taught", "not taught")):
        right = total = 0
        for first in range(0, 100, 20):
            picked = lessons.of[kind][first:first + 20]
            ids, positions, sees, labels, own = lessons.texts(form, picked)
            with torch.autocast("cpu", torch.bfloat16):
                _, tokens = family.see(lessons.pictures(picked)[0])
                said, wanted, at = answers(family, tokens, ids, positions, sees, labels)
            wrong = torch.zeros(labels[:, 1:].shape, dtype=torch.bool)
            wrong[at] = said.argmax(-1) != wanted
            asks = [set(row.tolist()) - {0, -1} for row in own]
            bad = [set(row[w].tolist()) for row, w in zip(own[:, 1:], wrong)]
            total += sum(map(len, asks))
            right += sum(map(len, asks)) - sum(map(len, bad))
        out.append((kind + " " if form == "taught" else "/ ") + f"{right / total:.3f}")
    return "  ".join(out)


def save(family, heads, folder):
    """The checkpoint, and beside it what the next phase goes on from."""
    torch.save({"model": family.model.state_dict(), "heads": heads.state_dict()}, folder + ".pt")
    family.model.to(torch.bfloat16).save_pretrained(folder)
    family.model.float()
    family.processor.save_pretrained(folder)
    family.tok.save_pretrained(folder)


def train(which, folder, plan):
    kind, forms, sizes = MODELS[which]
    torch.manual_seed(1)
    family = kind(**sizes)
    heads = Heads(family.width, sizes["hidden_size"])
    if os.path.exists(folder + ".pt"):
        weights = torch.load(folder + ".pt")
        family.model.load_state_dict(weights["model"], strict=False)
        heads.load_state_dict(weights["heads"], strict=False)
    os.makedirs(folder, exist_ok=True)
    log = open(os.path.join(folder, "training.txt"), "a")

    def say(text):
        print(text, flush=True)
        print(text, file=log, flush=True)

    say(f"{which}: {sum(p.numel() for p in family.model.parameters()):,} parameters, {len(family.tok)} tokens")
    lessons, checks = Lessons(which, family, "school", 5000, 4000), Lessons(which, family, "exam", 100)
    tower = family.tower() + [*heads.parameters()]
    texts = [p for p in family.model.parameters() if all(p is not q for q in tower)]
    for phase, minutes in plan:
        parts, top = PHASES[phase]
        learning, alone = [p for part in parts for p in {"tower": tower, "texts": texts}[part]], parts == ("tower",)
        if phase == "see":  # the language model has learnt to read what these heads read
            learning = [p for p in learning if all(p is not h for h in heads.things.parameters())]
        say(f"{phase}: {minutes} minutes of processor time")
        optimiser = torch.optim.AdamW(learning, lr=top, betas=(0.9, 0.98), weight_decay=0.02, fused=True)
        start, step, shown = time.process_time(), 0, {}
        while (done := (time.process_time() - start) / (60 * minutes)) < 1:
            for g in optimiser.param_groups:
                g["lr"] = top * min(1, (step + 1) / 100, (1 - done) / 0.5 + 0.02)
            form = forms[-1 if phase == "settle" else step % len(forms)]
            one = lessons.kinds(SHARE, 1)[0]  # lessons of one kind have about one length
            pages, told = {"read": (0.7 - 0.4 * done, 0.5 * done ** 2), "see": (0.1, 1)}.get(phase, (0.3, 0.5))
            share = {"page": pages, **{k: (1 - pages) * s for k, s in SHARE.items()}} if alone else {one: 1}
            picked = lessons.pick(share, 16 if alone else 8)
            with torch.autocast("cpu", torch.bfloat16):
                x, *marks = lessons.pictures(picked)
                with torch.set_grad_enabled("tower" in parts):
                    patches, tokens = family.see(x)
                loss = heads.loss(patches, tokens, marks, told, shown) if "tower" in parts else 0
                if not alone:
                    said, wanted, _ = answers(family, tokens, *lessons.texts(form, picked)[:4])
                    spoken = F.cross_entropy(said, wanted)
                    shown[one] = 0.98 * shown.get(one, spoken.item()) + 0.02 * spoken.item()
                    loss = spoken + 0.2 * loss
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(learning, 1.0)
            optimiser.step()
            step += 1
            if step % 200 == 0:
                said = "  ".join(f"{k} {v:.3f}" for k, v in shown.items())
                say(f"{time.process_time() - start:6.0f} s  step {step}  rate {g['lr']:.2e}  {said}")
            if step % 1000 == 0:
                if not alone:
                    say("  exam: " + exam(family, checks))
                save(family, heads, folder)
        say("  exam: " + exam(family, checks))
        save(family, heads, folder)


if __name__ == "__main__":
    torch.set_num_threads(int(os.environ.get("THREADS", "1")))
    train(*sys.argv[1:3], [(phase, float(minutes)) for phase, minutes in zip(sys.argv[3::2], sys.argv[4::2])])
