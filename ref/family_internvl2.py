#!/usr/bin/env python3
"""InternVL2 (model_internvl2.py), and what own_family.py and family.py make of it.

weights/tiny-internvl2-a: InternLM2, bfloat16, shards, pictures in tiles with a thumbnail, a trained length
that longer prompts exceed, so that dynamic NTK sets in.
weights/tiny-internvl2-b: Phi-3, float32, one file, one tile for each picture, an original length that longer
prompts exceed, so that the long rope factors set in.

golden/family/internvl2, beside what family.py writes:
    pictures.*   tiles of some pictures, normalised
    grids.json   [width, height, tile, least and greatest number of tiles, columns, rows]
    chats.json   ids of chat texts (pictures given by their number of tiles)"""
import json, math, os

import sentencepiece
import torch

import slow_tokenizers, training
from common import ROOT, SEED, Image, np, path, rgb_of, save
from family import case
from model_internvl2 import CONTEXT, InternVL2, internvl2_of
from own_family import OwnFamily, write_json
from slow_tokenizers import PICTURE_TOKENS, added

SYSTEM = ("你是由上海人工智能实验室联合商汤科技开发的书生多模态大模型，英文名叫", "InternVL, ",
          "是一个有用无害的人工智能助手。")
# By config.json's `template`: a turn, and what ends an answer.
TEMPLATES = {
    "internlm2-chat": ("<|im_start|>system\n%s<|im_end|><|im_start|>user\n%s<|im_end|><|im_start|>assistant\n",
                       "<|im_end|>"),
    "phi3-chat": ("<|system|>\n%s<|end|><|user|>\n%s<|end|><|assistant|>\n", "<|end|>"),
}
INTERN_TOKENS = ["<|plugin|>", "<|interpreter|>", "<|action_end|>", "<|action_start|>", "<|im_end|>", "<|im_start|>"]
PHI3_TOKENS = [f"<|{t}|>" for t in (
    "endoftext assistant placeholder1 placeholder2 placeholder3 placeholder4 system end placeholder5 placeholder6 "
    "user").split()]
WORDS = ["system user assistant image", "how many windows does the tower have", "which of the two is older",
         "who painted the bridge", "what is written below the clock", "are both doors green yes", "nobody knows",
         "which letter stands on the gate", "seventeen and sixty"]
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
BASE = dict(training.BASE, learning_rate=2e-3)


# ---------------------------------------------------------------- tokenizer

class Tokenizer:
    """The class that a folder's configuration names, and its config.json."""

    def __init__(self, folder):
        self.inner = slow_tokenizers.opened(folder)
        self.special = {i for i, t in self.inner.added_tokens_decoder.items() if t.special}
        with open(os.path.join(folder, "config.json"), encoding="utf-8") as f:
            self.config = json.load(f)

    def id(self, token):
        return self.inner.convert_tokens_to_ids(token)

    def encode(self, text):
        return self.inner(text)["input_ids"]

    def plain(self, ids):
        """Without tokens flagged special, where transformers would leave out the listed ones only, and without the
        ids that are rows of the table and no tokens."""
        return self.inner.decode([i for i in ids if i not in self.special and i < len(self.inner)])


def pieces(intern, count):
    """tokenizer.model: byte pairs with all bytes and few words. The two long stretches of the system text are
    pieces of their own, and in InternLM2's the line's end and the names that added tokens replace."""
    own = [SYSTEM[0], SYSTEM[2]]
    if intern:
        own += ["\n"] + [f"[UNUSED_TOKEN_{n}]" for n in range(141, 147)]
    size = 3 + len(own) + 256 + len(set("".join(WORDS))) + count
    return slow_tokenizers.pieces(WORDS, size, character_coverage=1.0, user_defined_symbols=own,
                                  add_dummy_prefix=not intern)


def write_tokenizer(folder, intern, count):
    """The tokenizer's files; the number of ids."""
    model = pieces(intern, count)
    with open(os.path.join(folder, "tokenizer.model"), "wb") as f:
        f.write(model)
    sp = sentencepiece.SentencePieceProcessor(model_proto=model)
    size = sp.get_piece_size()
    decoder = {0: added("<unk>"), 1: added("<s>"), 2: added("</s>", rstrip=not intern, special=intern)}
    if intern:
        unused = [sp.piece_to_id(f"[UNUSED_TOKEN_{141 + n}]") for n in range(6)]
        decoder.update({i: added(t) for i, t in zip(unused, INTERN_TOKENS)})
        more, listed = PICTURE_TOKENS, INTERN_TOKENS[::-1] + PICTURE_TOKENS
        kind = dict(tokenizer_class="InternLM2Tokenizer",
                    auto_map={"AutoTokenizer": ["tokenization_internlm2.InternLM2Tokenizer", None]})
    else:
        more, listed = PHI3_TOKENS + PICTURE_TOKENS, PICTURE_TOKENS
        kind = dict(tokenizer_class="LlamaTokenizer", legacy=False, add_prefix_space=True)
    decoder.update({size + n: added(t, rstrip=t in PHI3_TOKENS[1:]) for n, t in enumerate(more)})
    end = "</s>" if intern else "<|endoftext|>"
    names = dict(bos_token="<s>", eos_token=end, pad_token=end, unk_token="<unk>", additional_special_tokens=listed)
    write_json(folder, "tokenizer_config.json",
               dict(names, **kind, add_bos_token=True, add_eos_token=False, clean_up_tokenization_spaces=False,
                    model_max_length=8192, added_tokens_decoder={str(k): v for k, v in decoder.items()}))
    write_json(folder, "special_tokens_map.json", names)
    write_json(folder, "added_tokens.json", {t: size + n for n, t in enumerate(more)})
    return size + len(more)


# ---------------------------------------------------------------- pictures

def grid(width, height, tile, least, most):
    """(columns, rows) nearest to the picture's ratio; of equally near ones the larger if the picture has half
    its area."""
    pairs = [(i, j) for i in range(1, most + 1) for j in range(1, most + 1) if least <= i * j <= most]
    best, nearest = (1, 1), math.inf
    for i, j in sorted(pairs, key=lambda p: (p[0] * p[1], p)):
        away = abs(width / height - i / j)
        if away < nearest or (away == nearest and width * height > 0.5 * tile * tile * i * j):
            best, nearest = (i, j), away
    return best


def tiles(image, config):
    """[tiles, 3, S, S], the thumbnail last."""
    size, image, out = config["force_image_size"], image.convert("RGB"), []
    if config["dynamic_image_size"]:
        across, down = grid(*image.size, size, config["min_dynamic_patch"], config["max_dynamic_patch"])
        whole = image.resize((size * across, size * down), Image.Resampling.BICUBIC)
        corners = [(x * size, y * size) for y in range(down) for x in range(across)]
        out = [whole.crop((x, y, x + size, y + size)) for x, y in corners]
    if not out or (len(out) > 1 and config["use_thumbnail"]):
        out.append(image.resize((size, size), Image.Resampling.BICUBIC))
    pixels = torch.from_numpy(np.stack([np.asarray(t) for t in out])).float().div(255)
    return ((pixels - torch.tensor(MEAN)) / torch.tensor(STD)).permute(0, 3, 1, 2).contiguous()


def tokens_per_tile(config):
    side = config["force_image_size"] // config["vision_config"]["patch_size"]
    return int(side**2 * config["downsample_ratio"] ** 2)


# ---------------------------------------------------------------- the family

class InternVL2Family(OwnFamily):
    name, model_class, model_of, training_tokens = "internvl2", InternVL2, internvl2_of, 256
    checkpoints = {
        "tiny-internvl2-a": dict(
            text=dict(architectures=["InternLM2ForCausalLM"], model_type="internlm2", hidden_size=16,
                      num_attention_heads=4, num_key_value_heads=2, intermediate_size=26, rope_theta=1e6, bias=False,
                      max_position_embeddings=72, rope_scaling=dict(type="dynamic", factor=2.0)),
            vision=dict(hidden_size=9, num_attention_heads=3, intermediate_size=14, patch_size=3, image_size=12),
            template="internlm2-chat", tiles=4, dynamic=True, pieces=36, spare_rows=3, dtype=torch.bfloat16,
            shard="16KB", seed=21),
        "tiny-internvl2-b": dict(
            text=dict(architectures=["Phi3ForCausalLM"], model_type="phi3", hidden_size=12, num_attention_heads=2,
                      num_key_value_heads=1, intermediate_size=22, rope_theta=1e4, sliding_window=262144,
                      max_position_embeddings=512, original_max_position_embeddings=48,
                      rope_scaling=dict(type="su", short_factor=[1.02, 1.13, 1.35], long_factor=[1.61, 3.57, 9.39])),
            vision=dict(hidden_size=10, num_attention_heads=2, intermediate_size=18, patch_size=6, image_size=12),
            template="phi3-chat", tiles=1, dynamic=False, pieces=26, spare_rows=0, dtype=torch.float32, shard="5GB",
            seed=40),
    }
    cases = {
        "a-one": case("tiny-internvl2-a", "How many?", "62%", ["odd"], grad=True, alone=True),
        "a-two": case("tiny-internvl2-a", "older?", None, ["tall", "odd"], alone=False),
        "b-none": case("tiny-internvl2-b", "\nWhich  塔 letter?", None, [], alone=False),
        "b-two": case("tiny-internvl2-b", "Both?", "yes", ["tall", "wide"], grad=True, alone=True),
    }
    training = {"train-a": ("tiny-internvl2-a", 4, BASE, False),
                "train-b": ("tiny-internvl2-b", 5, dict(BASE, loss="token", decay="all"), False),
                "train-lora-a": ("tiny-internvl2-a", 4, dict(training.LORA, lora_target="wqkv w3 fc1 mlp1.1"), True),
                "train-lora-b": ("tiny-internvl2-b", 4, dict(training.LORA, lora_target="qkv_proj gate_up_proj qkv"), True)}
    stages = (r"vision_model\.(embeddings|encoder\.layers\.\d+)|mlp1"
              r"|language_model\.model\.(tok_embeddings|embed_tokens|layers\.\d+|norm)")
    vision, projector, text = "vision_model", "mlp1", "language_model.model"

    def ends_of(self, name):
        return ["<|im_end|>", "<|im_start|>"] if name.endswith("a") else ["<|end|>", "<|endoftext|>"]

    def make_folder(self, folder, c):
        size = c["vision"]["image_size"]
        intern = c["text"]["model_type"] == "internlm2"
        rows = write_tokenizer(folder, intern, c["pieces"]) + c["spare_rows"]
        id_of = slow_tokenizers.opened(folder).convert_tokens_to_ids
        end = id_of("</s>" if intern else "<|endoftext|>")
        text = dict(c["text"], vocab_size=rows, hidden_act="silu", rms_norm_eps=1e-5,
                    num_hidden_layers=c["text"].get("num_hidden_layers", 2),
                    tie_word_embeddings=False, bos_token_id=1, eos_token_id=end, pad_token_id=end)
        vision = dict(c["vision"], architectures=["InternVisionModel"], model_type="intern_vit_6b", hidden_act="gelu",
                      layer_norm_eps=1e-6, norm_type="layer_norm", num_channels=3,
                      num_hidden_layers=c["vision"].get("num_hidden_layers", 2),
                      qk_normalization=False, qkv_bias=True, initializer_factor=1.0)
        config = dict(architectures=["InternVLChatModel"], model_type="internvl_chat", downsample_ratio=0.5,
                      dynamic_image_size=c["dynamic"], force_image_size=size, min_dynamic_patch=1,
                      max_dynamic_patch=c["tiles"], ps_version="v2", select_layer=-1, template=c["template"],
                      torch_dtype=str(c["dtype"])[6:], use_thumbnail=True, llm_config=text, vision_config=vision)
        write_json(folder, "config.json", config)
        ends = self.ends_of("a" if intern else "b")
        write_json(folder, "generation_config.json", dict(eos_token_id=[id_of(t) for t in ends]))
        write_json(folder, "preprocessor_config.json",
                   dict(crop_size=size, do_center_crop=True, do_normalize=True, do_resize=True, image_mean=MEAN,
                        image_std=STD, feature_extractor_type="CLIPFeatureExtractor", size=size))
        return InternVL2(config)

    def processor(self, folder):
        return Tokenizer(folder)

    def chat(self, processor, question, counts):
        """`counts`: the number of tiles of each picture."""
        each, one = tokens_per_tile(processor.config), len(counts) == 1
        user = ""
        for n, count in enumerate(counts):
            user += ("" if one else f"Image-{n + 1}: ") + f"<img>{CONTEXT * (each * count)}</img>\n"
        return TEMPLATES[processor.config["template"]][0] % ("".join(SYSTEM), user + question)

    def sample(self, processor, question, answer, pictures):
        """One text with its answer; all behind the prompt counts in the loss."""
        values = [tiles(p, processor.config) for p in pictures]
        text = self.chat(processor, question, [len(v) for v in values])
        ids = every = processor.encode(text)
        if answer is not None:
            every = processor.encode(text + answer + TEMPLATES[processor.config["template"]][1])
        assert every[: len(ids)] == ids
        labels = [-100] * len(ids) + every[len(ids):]
        out = dict(input_ids=torch.tensor([every]), labels=torch.tensor([labels]))
        return dict(out, pixel_values=torch.cat(values)) if values else out

    def isolated_vision(self, model, stored, get):
        v, name = model.vision_model, "vision_model.embeddings"
        out = {name: v.embeddings(get("pixel_values"))}
        for i, layer in enumerate(v.encoder.layers):
            before, name = get(name), f"vision_model.encoder.layers.{i}"
            out[name] = layer(before)
        return dict(out, mlp1=model.mlp1(model.squares(get(name))))

    @torch.no_grad()
    def isolated(self, model, stored):
        get, text, out = self.getter(model, stored), model.language_model.model, {}
        x = get(f"{self.text}.{'tok_embeddings' if model.intern else 'embed_tokens'}")
        if "pixel_values" in stored:
            out.update(self.isolated_vision(model, stored, get))
            x[stored["input_ids"] == model.context] = get("mlp1").flatten(0, 1)
        T = x.shape[1]
        position = torch.arange(T)[None]
        mask = torch.full((T, T), torch.finfo(x.dtype).min, dtype=x.dtype).triu(1)[None, None]
        for i, layer in enumerate(text.layers):
            name = f"{self.text}.layers.{i}"
            if model.intern:
                out[name] = layer(x, text.rotary(x, position))
            else:
                out[name] = layer(x, attention_mask=mask, position_embeddings=text.rotary_emb(x, position))[0]
            x = get(name)
        out[self.text + ".norm"] = text.norm(x)
        out["logits"] = model.head(get(self.text + ".norm"))
        return {"isolated." + k: v for k, v in out.items()}


FAMILY = InternVL2Family()


# ---------------------------------------------------------------- pictures, grids, chats

def pictures():
    config = dict(force_image_size=5, use_thumbnail=True, min_dynamic_patch=1)
    tensors, cases = {}, []
    for n, (name, most, dynamic) in enumerate([
            ("model/odd", 6, True), ("model/wide", 12, True), ("family/smolvlm/alpha", 5, True),
            ("family/smolvlm/dot", 12, True), ("family/smolvlm/sliver", 3, True), ("family/smolvlm/grey", 12, False)]):
        with open(path("golden", name + ".png"), "rb") as f:
            image = Image.fromarray(rgb_of(f.read()), "RGB")
        row = dict(max_dynamic_patch=most, dynamic_image_size=dynamic)
        tensors[str(n)] = tiles(image, dict(config, **row))
        cases.append(dict(row, file=f"golden/{name}.png", tensor=str(n)))
    save("family/internvl2/pictures", tensors, dict(cases=cases, force_image_size=5, image_mean=MEAN, image_std=STD))


def grids():
    given = [(1, 1), (1, 3000), (3000, 1), (448, 448), (449, 448), (640, 480), (1024, 683), (800, 1280), (300, 900),
             (900, 300), (1344, 448), (448, 896), (896, 896), (150, 100), (100, 150), (700, 500), (500, 700),
             (335, 268), (1120, 896)]
    jobs = [(w, h, 448, 1, most) for w, h in given for most in (1, 6, 12)]
    r = np.random.default_rng(SEED)
    for n in range(70):
        jobs.append((*map(int, r.integers(1, 1500, 2)), (448, 56, 16)[n % 3], 1, (6, 12, 24, 3, 2)[n % 5]))
    FAMILY.write_rows("grids.json", [[*job, *grid(*job)] for job in jobs])


def chats():
    rows = []
    for name in FAMILY.checkpoints:
        tok = FAMILY.processor(os.path.join(ROOT, "weights", name))
        for question, counts in [("How many?", []), ("How many?", [1]), ("which", [1, 3]), ("", [2]),
                                 (" two  spaces, 12 ", [1]), ("\n\nfirst\n", [1]), ("塔 n°9 .", []),
                                 ("it's <|im_start|> </s> <img>", [])]:
            ids = tok.encode(FAMILY.chat(tok, question, counts))
            rows.append(dict(checkpoint="weights/" + name, question=question, tiles=counts, ids=ids))
    FAMILY.write_rows("chats.json", rows)


if __name__ == "__main__":
    FAMILY.write()
    for make in (pictures, grids, chats):
        make()
