#!/usr/bin/env python3
"""SmolVLM (Idefics3ForConditionalGeneration), and what family.py makes of it.

weights/tiny-smolvlm-a: four shards, bfloat16, own head, the tags `<row_r_col_c>` and `<global-img>` are
tokens, tiles as large as the pictures that the vision tower's positions were made for.
weights/tiny-smolvlm-b: one file, float32, tied head, heads wider than their share, the tags are ordinary
text, smaller tiles, no generation settings.

golden/family/smolvlm, beside what family.py writes:
    pictures.*         odd pictures (NAME.png) as Idefics3ImageProcessor gives them to the model
    sizes.json         [height, width, longest edge, tile, height and width after the first resize and after the second,
                       rows, columns of tiles]
    buckets.json       [patches along an edge, patches of position_embedding along an edge, the rows of it that they get]
    chats.json         ids of chat texts (pictures given by their rows and columns)
    tokenizer-*.json   ids of plain texts
    settings.json      the end tokens that generate uses of itself

Pictures become RGB before the processor sees them, alpha over white (common.rgb_of)."""
import os, random

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

import training
from common import ROOT, SEED, Image, encoded, np, odd_texts, path, picture, rgb_of, save, save_rows, tokenised
from family import CORPUS, Family, case, left_padded, pixels
from truth import load

HERE = ("golden", "family", "smolvlm")
TEMPLATE = (
    "<|im_start|>{% for message in messages %}{{message['role'] | capitalize}}"
    "{% if message['content'][0]['type'] == 'image' %}{{':'}}{% else %}{{': '}}{% endif %}"
    "{% for line in message['content'] %}"
    "{% if line['type'] == 'text' %}{{line['text']}}{% elif line['type'] == 'image' %}{{ '<image>' }}{% endif %}"
    "{% endfor %}<end_of_utterance>\n{% endfor %}{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}")
BASE_TOKENS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
TAGS = ["<global-img>"] + [f"<row_{r}_col_{c}>" for r in range(1, 7) for c in range(1, 7)]
PICTURE_TOKENS = ["<fake_token_around_image>", "<image>", "<end_of_utterance>"]


# ---------------------------------------------------------------- tokenizer and processor

def bpe(texts, size, first=()):
    """Byte-level BPE as SmolLM has it, of `size` entries at most: no normaliser, digits alone, GPT-2's
    pattern; the special tokens `first` have the first ids."""
    t = Tokenizer(models.BPE())
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True),
                                               pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)])
    t.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    t.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=size, special_tokens=list(first),
                                                     initial_alphabet=alphabet, show_progress=False))
    return t


def tokenizer(words, tags):
    """A tiny tokenizer, no token at the start of a text; tags that are tokens come after the words."""
    from transformers import PreTrainedTokenizerFast

    t = bpe(CORPUS, 256 + len(BASE_TOKENS) + words, BASE_TOKENS)
    t.add_special_tokens([AddedToken(s, normalized=False, special=True) for s in tags + PICTURE_TOKENS])
    return PreTrainedTokenizerFast(tokenizer_object=t, bos_token="<|im_start|>", eos_token="<end_of_utterance>",
                                   pad_token="<|im_end|>", unk_token="<|endoftext|>", model_max_length=4096,
                                   padding_side="left", model_input_names=["input_ids", "attention_mask"],
                                   clean_up_tokenization_spaces=False)


# ---------------------------------------------------------------- the family

class SmolVLM(Family):
    name = "smolvlm"
    first_seed = 10
    checkpoints = {
        "tiny-smolvlm-a": dict(
            text=dict(hidden_size=54, num_attention_heads=3, num_key_value_heads=1, intermediate_size=88,
                      num_hidden_layers=2, rope_theta=1e5, rms_norm_eps=1e-5),
            vision=dict(hidden_size=44, num_attention_heads=4, intermediate_size=68, num_hidden_layers=2,
                        image_size=36, patch_size=6), scale_factor=3, tile=36, longest_edge=90, tags=TAGS, words=120,
            spare_rows=5, dtype=torch.bfloat16, shard="100KB", generation=True),
        "tiny-smolvlm-b": dict(
            text=dict(hidden_size=48, num_attention_heads=4, num_key_value_heads=2, head_dim=14, intermediate_size=76,
                      num_hidden_layers=3, rope_theta=273768.0, rms_norm_eps=1e-6, tie_word_embeddings=True),
            vision=dict(hidden_size=30, num_attention_heads=3, intermediate_size=46, num_hidden_layers=2,
                        image_size=38, patch_size=4), scale_factor=2, tile=24, longest_edge=50, tags=[], words=90,
            spare_rows=0, dtype=torch.float32, shard="5GB", generation=False),
    }
    cases = {  # split: whether pictures are split into tiles
        "a-one": case("tiny-smolvlm-a", "How many windows does the tower have?", "seventeen, 62%", ["odd"], grad=True),
        "a-two": case("tiny-smolvlm-a", "Which of the two is older", None, ["wide", "tall"]),
        "a-none": case("tiny-smolvlm-a", "Who painted the bridge?", "Nobody knows.", []),
        "b-one": case("tiny-smolvlm-b", "What is written  below\nthe clock?", "塔 n°9", ["odd"]),
        "b-two": case("tiny-smolvlm-b", "Are both doors green?", " yes", ["tall", "wide"], grad=True),
        "b-none": case("tiny-smolvlm-b", "\nWhich letter stands on it?", None, []),
        "b-whole": case("tiny-smolvlm-b", "12 <row_1_col_1> doors?", "<global-img>", ["wide", "odd"], split=False),
    }
    training = {"train-a": ("tiny-smolvlm-a", 4, training.BASE, True),
                "train-b": ("tiny-smolvlm-b", 5, dict(training.BASE, loss="token"), False),
                "train-turns": ("tiny-smolvlm-b", 0, dict(training.BASE, epochs=3, batch=1), False),
                "train-lora": ("tiny-smolvlm-b", 4, dict(training.LORA, lora_target="v_proj o_proj fc1 proj"), True),
                "train-lora-dropout": ("tiny-smolvlm-a", 4,
                                       dict(training.LORA, lora_target="q_proj up_proj fc2", lora_dropout=0.25), True)}
    recipes = "tiny-smolvlm-b", "v_proj gate_proj fc2"
    ends = ["<end_of_utterance>", "<|endoftext|>"]
    stages = (r"model\.(connector|vision_model\.(embeddings|encoder\.layers\.\d+|post_layernorm)"
              r"|text_model\.(embed_tokens|layers\.\d+|norm))")
    vision, projector, text = "model.vision_model", "model.connector", "model.text_model"

    def build(self, c):
        from transformers import GenerationConfig, Idefics3Config, Idefics3ForConditionalGeneration
        from transformers import Idefics3ImageProcessor, Idefics3Processor

        tok = tokenizer(c["words"], c["tags"])
        names = ("<|im_start|>", "<|im_end|>", "<end_of_utterance>", "<image>")
        bos, pad, eos, image = tok.convert_tokens_to_ids(list(names))
        text = dict(c["text"], vocab_size=len(tok) + c["spare_rows"], max_position_embeddings=4096, bos_token_id=bos,
                    eos_token_id=eos, pad_token_id=pad)
        model = Idefics3ForConditionalGeneration(Idefics3Config(
            text_config=text, vision_config=c["vision"], scale_factor=c["scale_factor"], image_token_id=image,
            pad_token_id=pad, tie_word_embeddings=c["text"].get("tie_word_embeddings", False)))
        if c["generation"]:
            model.generation_config = GenerationConfig(bos_token_id=bos, pad_token_id=pad, eos_token_id=eos)
        pictures = Idefics3ImageProcessor(size={"longest_edge": c["longest_edge"]},
                                          max_image_size={"longest_edge": c["tile"]})
        tokens = (c["tile"] // c["vision"]["patch_size"] // c["scale_factor"]) ** 2
        return model, Idefics3Processor(pictures, tok, image_seq_len=tokens, chat_template=TEMPLATE)

    def randomise(self, model, generator):
        super().randomise(model, generator)
        with torch.no_grad():  # positions as large as what they are added to
            model.model.vision_model.embeddings.position_embedding.weight.mul_(4)

    def prepare(self, processor, case):
        split = processor.image_processor.do_image_splitting = case.get("split", True)
        return dict(split=split)

    def chat(self, processor, question, pictures):
        content = [{"type": "image"}] * pictures + [{"type": "text", "text": question}]
        return processor.apply_chat_template([{"role": "user", "content": content}], add_generation_prompt=True)

    def turn(self, processor, question, pictures, newline=""):
        """What the processor makes of one user turn; `newline` stands before its end."""
        end = "<end_of_utterance>"
        text = self.chat(processor, question, len(pictures)).replace(end, newline + end)
        return dict(processor(text=[text], images=[pictures] if pictures else None, return_tensors="pt"))

    def sample(self, processor, question, answer, pictures, newline=""):
        """The answer is tokenised on its own, and only it counts in the loss."""
        out = self.turn(processor, question, pictures, newline)
        ids = out["input_ids"][0].tolist()
        end = processor.tokenizer(f" {answer}{newline}<end_of_utterance>\n")["input_ids"] if answer is not None else []
        labels = [-100] * len(ids) + end
        return dict(pixels(out), input_ids=torch.tensor([ids + end]), labels=torch.tensor([labels]))

    def conversation(self, processor, turns):
        """The template's text, cut before and behind each answer; each part is tokenised on its own."""
        messages, ids, labels, frames = [], [], [], []
        for human, _, answer in turns:
            texts = training.pieces(human)
            content = [{"type": "text", "text": texts[0]}] if texts[0] else []
            for t in texts[1:]:
                content += [{"type": "image"}, {"type": "text", "text": t}]
            messages += [dict(role="user", content=content),
                         dict(role="assistant", content=[{"type": "text", "text": answer}])]
        text = processor.apply_chat_template(messages)
        for _, pictures, answer in turns:
            end = f" {answer}<end_of_utterance>\n"
            at = text.index("Assistant:" + end) + len("Assistant:")
            part = processor(text=[text[:at]], images=[pictures] if pictures else None, return_tensors="pt")
            ids += part["input_ids"][0].tolist()
            frames += [part["pixel_values"]] if pictures else []
            end_ids = processor.tokenizer(end)["input_ids"]
            labels += [-100] * (len(ids) - len(labels)) + end_ids
            ids += end_ids
            text = text[at + len(end):]
        pixel_values = torch.cat(frames, 1)
        mask = torch.ones(pixel_values.shape[:2] + pixel_values.shape[3:], dtype=torch.int64)
        return dict(pixel_values=pixel_values, pixel_attention_mask=mask, input_ids=torch.tensor([ids]),
                    labels=torch.tensor([labels]))

    def inputs(self, processor, prompts):
        """Frames are padded by black ones at the end, which the model drops: the processor takes no batch
        where one prompt has no picture."""
        turns = [self.turn(processor, question, pictures) for question, pictures in prompts]
        ids = [x["input_ids"] for x in turns]
        out = dict(input_ids=left_padded(ids, processor.tokenizer.pad_token_id),
                   attention_mask=left_padded([torch.ones_like(x) for x in ids], 0))
        for k in ("pixel_values", "pixel_attention_mask"):
            like = next((x[k] for x in turns if k in x), None)
            if like is not None:
                rows = [x[k][0] if k in x else like[0, :0] for x in turns]
                most = max(map(len, rows))
                out[k] = torch.stack([torch.cat([x, x.new_zeros(most - len(x), *x.shape[1:])]) for x in rows])
        return out

    def positions(self, model, s):
        return torch.arange(s["input_ids"].shape[1]).expand(3, 1, -1)

    def decoder_positions(self, stored):
        return stored["position_ids"][0].long()

    def isolated_vision(self, model, stored, get):
        v, name = model.model.vision_model, "model.vision_model.embeddings"
        frames = get("pixel_values")[0]
        down, across = (edge // v.patch_size for edge in frames.shape[2:])
        mask = torch.ones(len(frames), down, across, dtype=torch.bool)
        out = {name: v.embeddings(frames, mask)}
        for i, layer in enumerate(v.encoder.layers):
            before, name = get(name), f"model.vision_model.encoder.layers.{i}"
            out[name] = layer(before, None)[0]
        out["model.vision_model.post_layernorm"] = v.post_layernorm(get(name))
        return out

    # For bench_torch.py.
    model_type, gguf = "idefics3", "llama"  # also for "smolvlm", which is the same model for pictures

    def random_pixels(self, config, patches, dtype):
        v = config.vision_config
        frames = patches // self.training_patches(config)
        return torch.randn(1, frames, 3, v.image_size, v.image_size, dtype=dtype), None

    def training_patches(self, config):
        return (config.vision_config.image_size // config.vision_config.patch_size) ** 2

    def vision_rows(self, model, pixels, grid):
        v, side = model.config.vision_config, model.config.vision_config.image_size
        mask = torch.ones(pixels.shape[1], side // v.patch_size, side // v.patch_size, dtype=bool)
        rows = model.model.vision_model(pixel_values=pixels[0], patch_attention_mask=mask).last_hidden_state
        return model.model.connector(rows)

    def training_forward(self, model, ids, pixels, grid):
        return lambda: model.model(input_ids=ids, pixel_values=pixels, use_cache=False)[0]


FAMILY = SmolVLM()


# ---------------------------------------------------------------- pictures

def images():
    """Odd pictures; bars: hard edges, where the filter overshoots and is clipped, three times."""
    def soft(n, width, height):
        return picture(SEED + 60 + n, width, height)

    noise = np.random.default_rng(SEED).integers(0, 256, (30, 41, 1), dtype=np.uint8)
    alpha = Image.fromarray(np.concatenate([np.asarray(soft(5, 41, 30)), noise], -1), "RGBA")
    bars = np.zeros((40, 40, 3), np.uint8)
    bars[::4], bars[:, 10:20], bars[33:, :, 1] = 255, (255, 0, 60), 255
    return {"thin": soft(0, 1, 29), "flat": soft(1, 83, 2), "dot": soft(2, 1, 1), "three": soft(9, 45, 3),
            "sliver": soft(10, 97, 1), "large": soft(3, 211, 160), "tall": soft(4, 17, 99), "alpha": alpha,
            "grey": soft(6, 53, 37).convert("L"), "bars": Image.fromarray(bars, "RGB"), "exact": soft(7, 70, 60),
            "square": soft(8, 70, 70)}


def pictures():
    from transformers import Idefics3ImageProcessor

    tile, edge, patch, tensors, cases = 20, 70, 5, {}, []
    p = Idefics3ImageProcessor(size={"longest_edge": edge}, max_image_size={"longest_edge": tile})
    for name, image in images().items():
        image.save(path(*HERE, name + ".png"), optimize=True)
        rgb = Image.fromarray(rgb_of(encoded(image, "PNG")), "RGB")
        for split in (True, False):
            # a picture of 1, 3 or 4 rows would else be taken for one whose first axis is its channels
            out = p(images=[[rgb]], return_tensors="np", do_image_splitting=split, return_row_col_info=True,
                    input_data_format="channels_last")
            assert out["pixel_attention_mask"].all()
            key = name if split else name + "-whole"
            tensors[key] = out["pixel_values"][0]
            cases.append(dict(file=f"golden/family/smolvlm/{name}.png", tensor=key, split=split, rows=out["rows"][0][0],
                              cols=out["cols"][0][0]))
    save("family/smolvlm/pictures", tensors,
         dict(cases=cases, longest_edge=edge, tile=tile, patch_size=patch, rescale_factor=p.rescale_factor,
              image_mean=list(p.image_mean), image_std=list(p.image_std)))


def write_rows(name, rows):
    save_rows(rows, *HERE, name, ensure_ascii=True, separators=(",", ":"))


def size_rule():
    """The processor's own steps on pictures that have a size and no memory."""
    from transformers import Idefics3ImageProcessor
    from transformers.image_utils import ChannelDimension
    from transformers.models.idefics3.image_processing_idefics3 import get_resize_output_image_size

    class Sizes(Idefics3ImageProcessor):
        def resize(self, image, size, *a, **k):
            if "longest_edge" in size:
                h, w = get_resize_output_image_size(image, size["longest_edge"], last)
            else:
                h, w = size["height"], size["width"]
            return np.broadcast_to(np.uint8(0), (h, w, 3))

    last, p = ChannelDimension.LAST, Sizes()

    def row(h, w, edge, tile):
        first = p.resize(np.broadcast_to(np.uint8(0), (h, w, 3)), {"longest_edge": edge})
        second = p.resize_for_vision_encoder(first, tile, input_data_format=last)
        frames, down, across = p.split_image(second, {"longest_edge": tile}, data_format=last, input_data_format=last)
        assert len(frames) == max(down * across, 0) + 1 and all(f.shape[:2] == (tile, tile) for f in frames)
        return [h, w, edge, tile, *first.shape[:2], *second.shape[:2], down, across]

    return row


def sizes():
    edges = [(2048, 512), (1536, 384), (1456, 364), (90, 36), (50, 24), (70, 20), (5000, 384), (4097, 512), (91, 7),
             (512, 512), (300, 512)]
    given = [(1, 1), (1, 3000), (3000, 1), (1, 91), (2, 3000), (480, 640), (683, 1024), (1024, 1024), (300, 1000),
             (513, 2048), (2048, 513), (1, 90), (37, 36), (3, 7)]
    r, row = np.random.default_rng(SEED), size_rule()
    jobs = [(h, w, *e) for h, w in given for e in edges]
    jobs += [(*map(int, r.integers(1, 3000, 2)), *edges[i % len(edges)]) for i in range(150)]
    write_rows("sizes.json", [row(*job) for job in jobs])


def bucket(count, side):
    """The positions of `count` patches in one row, by the module itself: its embeddings are the positions'
    numbers."""
    from transformers.models.idefics3.modeling_idefics3 import Idefics3VisionConfig, Idefics3VisionEmbeddings

    e = Idefics3VisionEmbeddings(Idefics3VisionConfig(hidden_size=1, image_size=side, patch_size=1))
    with torch.no_grad():
        e.patch_embedding.weight.zero_(), e.patch_embedding.bias.zero_()
        e.position_embedding.weight.copy_(torch.arange(side * side).float()[:, None])
        return [int(v) for v in e(torch.zeros(1, 3, 1, count), torch.ones(1, 1, count, dtype=torch.bool)).flatten()]


def buckets():
    """Of all pairs up to 70 those of equal numbers, every seventh, and each where rounding decides: a
    fraction on a boundary that falls to the wrong side."""
    rows = [[count, side, bucket(count, side)] for count in range(1, 71) for side in range(1, 71)]

    def rounded(count, side, got):
        return got != [i * side // count for i in range(count)]

    write_rows("buckets.json", [r for n, r in enumerate(rows) if n % 7 == 0 or r[0] == r[1] or rounded(*r)])


# ---------------------------------------------------------------- texts

def chat_ids(processor, question, grid):
    """The ids of a user turn whose pictures have the rows and columns of tiles in `grid`."""
    from transformers.models.idefics3.processing_idefics3 import get_image_prompt_string as expanded

    text = FAMILY.chat(processor, question, len(grid))
    for r, c in grid:
        tiles = expanded(r, c, processor.image_seq_len, "<fake_token_around_image>", "(picture)", "<global-img>")
        text = text.replace("<image>", tiles, 1)
    return processor.tokenizer(text.replace("(picture)", "<image>"))["input_ids"]


def chats():
    from transformers import AutoProcessor

    questions = ["How many windows?", "", " ", "  two spaces, 12 34", "\n", "\n\nfirst\n\n\nsecond", "塔 と 橋 n°9",
                 "\tTab's end ", "don't <row_1_col_1> <global-img>", "7"]
    grids = [[], [(0, 0)], [(1, 2)], [(3, 1), (0, 0)], [(6, 6)], [(2, 7), (7, 1)], [(2, 2), (1, 3), (11, 1)]]
    rows = []
    for name in FAMILY.checkpoints:
        processor = AutoProcessor.from_pretrained(os.path.join(ROOT, "weights", name))
        for question in questions:
            for grid in grids if question == questions[0] else grids[:4]:
                rows.append(dict(checkpoint="weights/" + name, question=question, grid=grid,
                                 tokens=processor.image_seq_len, ids=chat_ids(processor, question, grid)))
    write_rows("chats.json", rows)


def end_tokens():
    """Of generation_config.json, or without one of the model's and its text model's configuration, as the
    class itself takes them."""
    rows = []
    for name in FAMILY.checkpoints:
        model = load(os.path.join(ROOT, "weights", name), torch.float32)
        rows.append(dict(checkpoint="weights/" + name, eos=model.generation_config.eos_token_id))
    write_rows("settings.json", rows)


def tokens():
    for name in FAMILY.checkpoints:
        t = Tokenizer.from_file(os.path.join(ROOT, "weights", name, "tokenizer.json"))
        write_rows(f"tokenizer-{name[-1]}.json", list(tokenised(t, odd_texts(random.Random(SEED), 410))))


if __name__ == "__main__":
    FAMILY.write()
    for make in (pictures, sizes, buckets, chats, end_tokens, tokens):
        make()
