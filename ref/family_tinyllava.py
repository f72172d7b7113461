#!/usr/bin/env python3
"""TinyLLaVA (model_tinyllava.py), and what own_family.py and family.py make of it.

weights/tiny-tinyllava-a: float16, shards, one head for keys and values, an odd share of channels that turn.
weights/tiny-tinyllava-b: float32, one file, pixels that no patch reaches, no generation settings.

In golden/family/tinyllava, input_ids hold -200 once for each picture; labels and position_ids are of the
spliced sequence. Beside what family.py writes:
    pictures.*   some pictures, padded to a square and normalised
    chats.json   ids of chat texts (given the number of pictures)

weights/tiny-tinyllava-factory-a: float16, shards; weights/tiny-tinyllava-factory-b: float32, one file,
padded pictures, no generation settings: TinyLLaVA Factory's names, with the last layer and the head of the
tower on disk and unused. golden/family/tinyllava-factory has what family.py writes of them."""
import base64, json, os, re

import torch

import training
from common import ROOT, Image, np, path, rgb_of, save
from family import case
from model_tinyllava import IMAGE, TinyLlava, TinyLlavaFactory, tinyllava_of
from own_family import OwnFamily, write_json
from slow_tokenizers import ARCADE_SPECIALS, QWEN2_PATTERN, Arcade100kTokenizer

SYSTEM = ("A chat between a curious user and an artificial intelligence assistant. The assistant gives helpful, "
          "detailed, and polite answers to the user's questions.")
END = "<|endoftext|>"
WORDS = SYSTEM + " USER: ASSISTANT:"
BASE = dict(training.BASE, learning_rate=2e-3)


# ---------------------------------------------------------------- tokenizer

class Tokenizer(Arcade100kTokenizer):
    """With the sizes of a folder's pictures."""

    def __init__(self, folder):
        super().__init__(folder)
        with open(os.path.join(folder, "config.json"), encoding="utf-8") as f:
            c = json.load(f)
        v = c["vision_config"]
        self.size, self.pad = v["image_size"], c["image_aspect_ratio"] == "pad"
        self.rows = (v["image_size"] // v["patch_size"]) ** 2 - (c["model_type"] == "tinyllava")

    def id(self, token):
        return self.first_special + ARCADE_SPECIALS.index(token)

    def plain(self, ids):
        return self.decode(ids, skip_special_tokens=True)


def merged(words, pair):
    for w in words:
        i = 0
        while i + 1 < len(w):
            if (w[i], w[i + 1]) == pair:
                w[i : i + 2] = [pair[0] + pair[1]]
            i += 1


def ranks(count):
    """All bytes, those that GPT-2 shows as they are first; then the most frequent neighbours within the
    pattern's pieces, over and over."""
    import regex

    shown = [b for b in range(256) if 33 <= b <= 126 or 161 <= b <= 172 or 174 <= b]
    out = [bytes([b]) for b in shown + [b for b in range(256) if b not in shown]]
    words = [[bytes([b]) for b in piece.encode()] for piece in regex.findall(QWEN2_PATTERN, WORDS)]
    while len(out) < 256 + count:
        times = {}
        for w in words:
            for pair in zip(w, w[1:]):
                times[pair] = times.get(pair, 0) + 1
        best = max(times, key=lambda p: (times[p], p))
        out.append(best[0] + best[1])
        merged(words, best)
    return out


# ---------------------------------------------------------------- pictures

def pixel_values(image, size, pad=True):
    """[1, 3, size, size]: in the middle of a grey square (unless stretched), resized, between -1 and 1."""
    square = image = image.convert("RGB")
    if pad:
        side = max(image.size)
        square = Image.new("RGB", (side, side), (int(0.5 * 255),) * 3)
        square.paste(image, ((side - image.width) // 2, (side - image.height) // 2))
    x = np.asarray(square.resize((size, size), Image.Resampling.BICUBIC)).astype(np.float64) * (1 / 255)
    x = (x.astype(np.float32) - np.float32(0.5)) / np.float32(0.5)
    return torch.from_numpy(x).permute(2, 0, 1)[None].contiguous()


# ---------------------------------------------------------------- the family

class TinyLlavaFamily(OwnFamily):
    name, model_class, model_of, training_tokens = "tinyllava", TinyLlava, tinyllava_of, 729
    checkpoints = {
        "tiny-tinyllava-a": dict(
            text=dict(hidden_size=20, num_attention_heads=2, num_key_value_heads=1, intermediate_size=28, rope_pct=0.45,
                      rope_theta=10000, norm_eps=1e-5),
            vision=dict(hidden_size=15, num_attention_heads=3, intermediate_size=22, num_hidden_layers=3, patch_size=5,
                        image_size=15), merges=92, dtype=torch.float16, shard="35KB", seed=20, generation=True),
        "tiny-tinyllava-b": dict(
            text=dict(hidden_size=16, num_attention_heads=2, num_key_value_heads=2, intermediate_size=22, rope_pct=0.5,
                      rope_theta=500.0, norm_eps=1e-6),
            vision=dict(hidden_size=10, num_attention_heads=2, intermediate_size=14, num_hidden_layers=3, patch_size=4,
                        image_size=11), merges=88, dtype=torch.float32, shard="5GB", seed=40, generation=False),
    }
    cases = {
        "a-two": case("tiny-tinyllava-a", "older?", None, ["wide", "tall"], alone=True),
        "b-none": case("tiny-tinyllava-b", "\nWhich?", None, [], alone=False),
        "b-one": case("tiny-tinyllava-b", "Is  it\n塔?", "a 9", ["tall"], grad=True, alone=False),
    }
    training = {"train-a": ("tiny-tinyllava-a", 4, BASE, False),
                "train-b": ("tiny-tinyllava-b", 5, dict(BASE, loss="token", schedule="linear"), False),
                "train-lora": ("tiny-tinyllava-a", 4, dict(training.LORA, lora_target="k_proj down_proj out_proj mm_projector.2"), True)}
    stages = (r"model\.(vision_tower\.vision_tower\.vision_model\.(embeddings|encoder\.layers\.\d+)|mm_projector"
              r"|embed_tokens|layers\.\d+|norm)")
    vision, projector, text = "model.vision_tower", "model.mm_projector", "model"
    tower = ".vision_tower.vision_model."   # below `vision`
    unused = r"\.post_layernorm\."          # parameters on disk only

    def ends_of(self, name):
        return [END]

    def config(self, c, end):
        """config.json, and the model of it; `end`: the id of the end token."""
        width = c["vision"]["hidden_size"]
        vision = dict(c["vision"], model_type="siglip_vision_model", hidden_act="gelu_pytorch_tanh",
                      layer_norm_eps=1e-6, num_channels=3)
        config = dict(c["text"], architectures=["TinyLlavaStablelmForCausalLM"], model_type="tiny_llava_stablelm",
                      bos_token_id=end, eos_token_id=end, hidden_act="silu", image_aspect_ratio="pad",
                      max_position_embeddings=4096, mm_hidden_size=width, mm_projector_type="mlp2x_gelu",
                      mm_use_im_patch_token=False, mm_use_im_start_end=False, mm_vision_select_feature="patch",
                      mm_vision_select_layer=-2, mm_vision_tower="bczhou/TinyLLaVA-2.0B-SigLIP",
                      num_hidden_layers=c["text"].get("num_hidden_layers", 2),
                      tie_word_embeddings=False, tokenizer_model_max_length=3072, torch_dtype=str(c["dtype"])[6:],
                      use_qkv_bias=True, vocab_size=end + len(ARCADE_SPECIALS) + c.get("spare_rows", 0), vision_config=vision)
        return config, TinyLlava(config)

    def make_folder(self, folder, c):
        with open(os.path.join(folder, "arcade100k.tiktoken"), "w") as f:
            f.writelines(f"{base64.b64encode(word).decode()} {n}\n" for n, word in enumerate(ranks(c["merges"])))
        end = Arcade100kTokenizer(folder).first_special
        config, model = self.config(c, end)
        write_json(folder, "config.json", config)
        if c["generation"]:
            write_json(folder, "generation_config.json", dict(bos_token_id=end, eos_token_id=end))
        names = dict(bos_token=END, eos_token=END, pad_token=END, unk_token=END)
        write_json(folder, "special_tokens_map.json", names)
        write_json(folder, "tokenizer_config.json",
                   dict(names, added_tokens_decoder={}, clean_up_tokenization_spaces=True, errors="replace",
                        model_max_length=3072, padding_side="right", tokenizer_class="Arcade100kTokenizer",
                        auto_map={"AutoTokenizer": ["tokenization_arcade100k.Arcade100kTokenizer", None]}))
        return model

    def processor(self, folder):
        return Tokenizer(folder)

    def chat(self, processor, question, pictures):
        front = "<image>" * pictures + ("\n" if pictures else "")
        return f"{SYSTEM} USER: {front}{question} ASSISTANT:"

    def ids_of(self, tok, text):
        """Each stretch between pictures on its own."""
        ids = []
        for n, part in enumerate(text.split("<image>")):
            ids += ([IMAGE] if n else []) + tok.encode(part)
        return ids

    def sample(self, processor, question, answer, pictures):
        """The answer is tokenised together with what stands before it; it counts in the loss with its leading
        space."""
        text = self.chat(processor, question, len(pictures))
        ids = every = self.ids_of(processor, text)
        if answer is not None:
            every = self.ids_of(processor, f"{text} {answer}{END}")
        assert every[: len(ids)] == ids
        labels = []
        for n, i in enumerate(every):
            labels += [-100] * processor.rows if i == IMAGE else [-100 if n < len(ids) else i]
        out = dict(input_ids=torch.tensor([every]), labels=torch.tensor([labels]))
        if pictures:
            out["pixel_values"] = torch.cat([pixel_values(p, processor.size, processor.pad) for p in pictures])
        return out

    def is_unused(self, name):
        return re.search(self.unused, name) is not None

    def trace(self, model, s, grad=False):
        """What is on disk only has no gradient."""
        return {k: v for k, v in super().trace(model, s, grad).items() if not self.is_unused(k)}

    def after_tower(self, x):
        """The rows of the last layer that the projector takes."""
        return x

    def isolated_vision(self, model, stored, get):
        tower = self.vision + self.tower
        name = tower + "embeddings"
        out = {name: model.tower.embeddings(model.patches(get("pixel_values")))}
        for i, layer in enumerate(model.tower.encoder.layers[:2]):
            before, name = get(name), f"{tower}encoder.layers.{i}"
            out[name] = layer(before, None)[0]
        return dict(out, **{self.projector: model.projector(self.after_tower(get(name)))})

    @torch.no_grad()
    def isolated(self, model, stored):
        get, out, pictures = self.getter(model, stored), {}, []
        if "pixel_values" in stored:
            out.update(self.isolated_vision(model, stored, get))
            pictures = get(self.projector)
        x = model.spliced(stored["input_ids"], get(self.text + ".embed_tokens"), pictures)[None]
        T = x.shape[1]
        position = torch.arange(T)[None]
        mask = torch.full((T, T), torch.finfo(x.dtype).min, dtype=x.dtype).triu(1)[None, None]
        for i, layer in enumerate(model.decoder.layers):
            name, angle = f"{self.text}.layers.{i}", model.decoder.rotary_emb(x, position)
            out[name] = layer(x, attention_mask=mask, position_ids=position, position_embeddings=angle)[0]
            x = get(name)
        out[self.text + ".norm"] = model.decoder.norm(x)
        out["logits"] = model.head(get(self.text + ".norm"))
        return {"isolated." + k: v for k, v in out.items()}


class FactoryFamily(TinyLlavaFamily):
    name, model_class, model_of, training_tokens = "tinyllava-factory", TinyLlavaFactory, tinyllava_of, 728
    checkpoints = {
        "tiny-tinyllava-factory-a": dict(
            text=dict(hidden_size=16, num_attention_heads=2, num_key_value_heads=1, intermediate_size=22,
                      partial_rotary_factor=0.5, rope_theta=10000, layer_norm_eps=1e-5, tie_word_embeddings=False),
            vision=dict(hidden_size=12, num_attention_heads=3, intermediate_size=18, num_hidden_layers=3, patch_size=5,
                        image_size=16), aspect="square", merges=92, dtype=torch.float16, shard="30KB", seed=70,
            generation=True),
        "tiny-tinyllava-factory-b": dict(
            text=dict(hidden_size=12, num_attention_heads=2, num_key_value_heads=2, intermediate_size=18,
                      partial_rotary_factor=0.4, rope_theta=300.0, layer_norm_eps=1e-6, tie_word_embeddings=False),
            vision=dict(hidden_size=10, num_attention_heads=2, intermediate_size=14, num_hidden_layers=3, patch_size=4,
                        image_size=9), aspect="pad", merges=88, dtype=torch.float32, shard="5GB", seed=80,
            generation=False),
    }
    cases = {
        "a-two": case("tiny-tinyllava-factory-a", "older?", None, ["wide", "tall"], alone=True),
        "b-one": case("tiny-tinyllava-factory-b", "Is it?", "a 9", ["tall"], grad=True, alone=False),
    }
    training = {"train-a": ("tiny-tinyllava-factory-a", 3, BASE, False),
                "train-lora": ("tiny-tinyllava-factory-a", 3,
                               dict(training.LORA, lora_target="q_proj mlp.fc2 connector._connector.2"), True)}
    stages = (r"vision_tower\._vision_tower\.vision_model\.(embeddings|encoder\.layers\.[01])|connector\._connector"
              r"|language_model\.model\.(embed_tokens|layers\.\d+|norm)")
    vision, projector, text = "vision_tower", "connector._connector", "language_model.model"
    tower = "._vision_tower.vision_model."
    unused = r"\.(post_layernorm|head|encoder\.layers\.2)\."

    def config(self, c, end):
        text = dict(c["text"], model_type="stablelm", bos_token_id=end, eos_token_id=end, hidden_act="silu",
                    max_position_embeddings=4096, num_hidden_layers=2, qk_layernorm=False, use_parallel_residual=False,
                    use_qkv_bias=True, vocab_size=end + len(ARCADE_SPECIALS))
        vision = dict(c["vision"], model_type="siglip_vision_model", hidden_act="gelu_pytorch_tanh",
                      layer_norm_eps=1e-6, num_channels=3)
        config = dict(architectures=["TinyLlavaForConditionalGeneration"], model_type="tinyllava",
                      connector_type="mlp2x_gelu", hidden_size=text["hidden_size"], image_aspect_ratio=c["aspect"],
                      image_token_index=IMAGE, llm_model_name_or_path="stabilityai/stablelm-2-zephyr-1_6b",
                      text_config=text, tokenizer_model_max_length=2048, tokenizer_padding_side="right",
                      torch_dtype=str(c["dtype"])[6:], vision_config=vision, vision_feature_layer=-2,
                      vision_feature_select_strategy="patch", vision_hidden_size=vision["hidden_size"],
                      vision_model_name_or_path="google/siglip-so400m-patch14-384", vocab_size=text["vocab_size"])
        return config, TinyLlavaFactory(config)

    def after_tower(self, x):
        return x[:, 1:]


FAMILY, FACTORY = TinyLlavaFamily(), FactoryFamily()


# ---------------------------------------------------------------- pictures, chats

def pictures():
    tensors, cases = {}, []
    for n, (name, size) in enumerate([("model/odd", 14), ("model/tall", 9), ("family/smolvlm/alpha", 10),
                                      ("family/smolvlm/dot", 5), ("family/smolvlm/sliver", 11),
                                      ("family/smolvlm/square", 8)]):
        with open(path("golden", name + ".png"), "rb") as f:
            tensors[str(n)] = pixel_values(Image.fromarray(rgb_of(f.read()), "RGB"), size)
        cases.append(dict(file=f"golden/{name}.png", tensor=str(n), image_size=size))
    save("family/tinyllava/pictures", tensors, dict(cases=cases))


def chats():
    rows = []
    for name in FAMILY.checkpoints:
        tok = FAMILY.processor(os.path.join(ROOT, "weights", name))
        for question, count in [("How many?", 0), ("How many?", 1), ("which", 2), ("", 1), (" two  spaces, 12 ", 1),
                                ("\n\nfirst\n", 1), ("塔 n°9 .", 0), ("it's <|im_start|>", 1)]:
            ids = FAMILY.ids_of(tok, FAMILY.chat(tok, question, count))
            rows.append(dict(checkpoint="weights/" + name, question=question, pictures=count, ids=ids))
    FAMILY.write_rows("chats.json", rows)


if __name__ == "__main__":
    FAMILY.write()
    FACTORY.write()
    for make in (pictures, chats):
        make()
