#!/usr/bin/env python3
"""Writes the two tiny SmolVLM checkpoints with random weights and awkward sizes, and what transformers makes of them.

weights/tiny-smolvlm-a: four shards, bfloat16, own head, the tags `<row_r_col_c>` and `<global-img>` are tokens, tiles as large as the pictures that the vision
tower's positions were made for. weights/tiny-smolvlm-b: one file, float32, tied head, heads wider than their share, the tags are ordinary text, smaller tiles,
no generation settings.

golden/family/smolvlm:
    CASE.safetensors, CASE.json   passes over no picture, one odd picture, two of different sizes, and one that is not split, as family_qwen2vl.py's cases
    train-CASE, texts.json        a short fine-tuning run and greedy continuations, as golden_train.py and golden_generate.py have them
    pictures.*                    odd pictures (golden/family/smolvlm/NAME.png) as Idefics3ImageProcessor gives them to the model
    sizes.json                    [height, width, longest edge, tile, height and width after the first resize and after the second, rows, columns of tiles]
    buckets.json                  [patches along an edge, patches of position_embedding along an edge, the rows of it that they fall in]
    chats.json, tokenizer-*.json  ids of chat texts (pictures given by their rows and columns) and of plain texts
    settings.json                 the end tokens that generate uses of itself

Pictures become RGB before the processor sees them, as contract.md has it."""
import io, random, shutil

from common import *
import golden_generate, golden_image, golden_text, golden_train

TEMPLATE = ("<|im_start|>{% for message in messages %}{{message['role'] | capitalize}}{% if message['content'][0]['type'] == 'image' %}{{':'}}{% else %}"
            "{{': '}}{% endif %}{% for line in message['content'] %}{% if line['type'] == 'text' %}{{line['text']}}{% elif line['type'] == 'image' %}"
            "{{ '<image>' }}{% endif %}{% endfor %}<end_of_utterance>\n{% endfor %}{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}")
BASE_TOKENS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
TAGS = ["<global-img>"] + [f"<row_{r}_col_{c}>" for r in range(1, 7) for c in range(1, 7)]
PICTURE_TOKENS = ["<fake_token_around_image>", "<image>", "<end_of_utterance>"]
CONFIGS = {
    "tiny-smolvlm-a": dict(
        text=dict(hidden_size=54, num_attention_heads=3, num_key_value_heads=1, intermediate_size=88, num_hidden_layers=2, rope_theta=1e5, rms_norm_eps=1e-5),
        vision=dict(hidden_size=44, num_attention_heads=4, intermediate_size=68, num_hidden_layers=2, image_size=36, patch_size=6), scale_factor=3, tile=36,
        longest_edge=90, tags=TAGS, words=120, dtype=torch.bfloat16, shard="100KB", spare_rows=5, generation=True),
    "tiny-smolvlm-b": dict(
        text=dict(hidden_size=48, num_attention_heads=4, num_key_value_heads=2, head_dim=14, intermediate_size=76, num_hidden_layers=3, rope_theta=273768.0,
                  rms_norm_eps=1e-6, tie_word_embeddings=True),
        vision=dict(hidden_size=30, num_attention_heads=3, intermediate_size=46, num_hidden_layers=2, image_size=38, patch_size=4), scale_factor=2, tile=24,
        longest_edge=50, tags=[], words=90, dtype=torch.float32, shard="5GB", spare_rows=0, generation=False),
}
# name: checkpoint, prompt, answer, pictures of golden/model, whether they are split, gradients
CASES = {
    "a-one": ("tiny-smolvlm-a", "How many windows does the tower have?", "seventeen, 62%", ["odd"], True, True),
    "a-two": ("tiny-smolvlm-a", "Which of the two is older", None, ["wide", "tall"], True, False),
    "a-none": ("tiny-smolvlm-a", "Who painted the bridge?", "Nobody knows.", [], True, False),
    "b-one": ("tiny-smolvlm-b", "What is written  below\nthe clock?", "塔 n°9", ["odd"], True, False),
    "b-two": ("tiny-smolvlm-b", "Are both doors green?", " yes", ["tall", "wide"], True, True),
    "b-none": ("tiny-smolvlm-b", "\nWhich letter stands on it?", None, [], True, False),
    "b-whole": ("tiny-smolvlm-b", "12 <row_1_col_1> doors?", "<global-img>", ["wide", "odd"], False, False),
}
TRAINING = {"train-a": ("tiny-smolvlm-a", 4, golden_train.BASE, True), "train-b": ("tiny-smolvlm-b", 5, dict(golden_train.BASE, loss="token"), False)}


def tokenizer(words, tags):
    """Byte-level BPE as SmolLM has it: no normaliser, digits alone, GPT-2's pattern, no token at the start; tags that are tokens come after the words."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    t = Tokenizer(models.BPE())
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)])
    t.decoder = decoders.ByteLevel()
    t.train_from_iterator(CORPUS, trainers.BpeTrainer(vocab_size=256 + len(BASE_TOKENS) + words, special_tokens=BASE_TOKENS, show_progress=False,
                                                      initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet())))
    t.add_special_tokens([AddedToken(s, normalized=False, special=True) for s in tags + PICTURE_TOKENS])
    return PreTrainedTokenizerFast(tokenizer_object=t, bos_token="<|im_start|>", eos_token="<end_of_utterance>", pad_token="<|im_end|>",
                                   unk_token="<|endoftext|>", model_max_length=4096, padding_side="left", model_input_names=["input_ids", "attention_mask"],
                                   clean_up_tokenization_spaces=False)


def make_checkpoint(name, seed):
    from transformers import GenerationConfig, Idefics3Config, Idefics3ForConditionalGeneration, Idefics3ImageProcessor, Idefics3Processor

    c, folder = CONFIGS[name], path("weights", name, "config.json").rsplit("/", 1)[0]
    shutil.rmtree(folder)
    tok = tokenizer(c["words"], c["tags"])
    bos, pad, eos = tok.convert_tokens_to_ids(["<|im_start|>", "<|im_end|>", "<end_of_utterance>"])
    config = Idefics3Config(
        text_config=dict(c["text"], vocab_size=len(tok) + c["spare_rows"], max_position_embeddings=4096, bos_token_id=bos, eos_token_id=eos, pad_token_id=pad),
        vision_config=c["vision"], scale_factor=c["scale_factor"], image_token_id=tok.convert_tokens_to_ids("<image>"), pad_token_id=pad,
        tie_word_embeddings=c["text"].get("tie_word_embeddings", False))
    model = Idefics3ForConditionalGeneration(config)
    randomise(model, torch.Generator().manual_seed(seed))
    with torch.no_grad():  # positions as large as what they are added to
        model.model.vision_model.embeddings.position_embedding.weight.mul_(4)
    if c["generation"]:
        model.generation_config = GenerationConfig(bos_token_id=bos, pad_token_id=pad, eos_token_id=eos)
    model.to(c["dtype"]).save_pretrained(folder, max_shard_size=c["shard"])
    if not c["generation"]:
        os.remove(folder + "/generation_config.json")
    pictures = Idefics3ImageProcessor(size={"longest_edge": c["longest_edge"]}, max_image_size={"longest_edge": c["tile"]})
    tokens = (c["tile"] // c["vision"]["patch_size"] // c["scale_factor"]) ** 2
    Idefics3Processor(pictures, tok, image_seq_len=tokens, chat_template=TEMPLATE).save_pretrained(folder)
    for f in os.listdir(folder):
        os.chmod(os.path.join(folder, f), 0o644)
    size = sum(os.path.getsize(os.path.join(folder, f)) for f in os.listdir(folder))
    print(f"weights/{name}: {sum(p.numel() for p in model.parameters())} parameters, {size} bytes, "
          f"{len([f for f in os.listdir(folder) if f.endswith('.safetensors')])} files, {len(tok)} tokens")


# ---------------------------------------------------------------- passes

def chat(processor, question, pictures):
    content = [{"type": "image"}] * pictures + [{"type": "text", "text": question}]
    return processor.apply_chat_template([{"role": "user", "content": content}], add_generation_prompt=True)


def encoded(processor, question, pictures):
    """What the processor makes of one user turn."""
    return dict(processor(text=[chat(processor, question, len(pictures))], images=[pictures] if pictures else None, return_tensors="pt"))


def sample(processor, question, answer, pictures):
    """As training builds it: the answer is tokenised on its own, and only it counts in the loss."""
    out = encoded(processor, question, pictures)
    ids = out["input_ids"][0].tolist()
    end = processor.tokenizer(f" {answer}<end_of_utterance>\n")["input_ids"] if answer is not None else []
    return dict(pixels(out), input_ids=torch.tensor([ids + end]), labels=torch.tensor([[-100] * len(ids) + end]))


def isolated(model, stored):
    """Each stage on its own, fed what is stored for the stage before it."""
    width, out = model.lm_head.weight.dtype, {}
    get = lambda k: torch.from_numpy(numpy_of(stored[k])).to(width)
    m, text = model.model, model.model.text_model
    with torch.no_grad():
        if "pixel_values" in stored:
            frames, patch, name = get("pixel_values")[0], m.vision_model.patch_size, "model.vision_model.embeddings"
            mask = torch.ones(frames.shape[0], frames.shape[2] // patch, frames.shape[3] // patch, dtype=torch.bool)
            out["isolated." + name] = m.vision_model.embeddings(frames, mask)
            for i, layer in enumerate(m.vision_model.encoder.layers):
                before, name = get(name), f"model.vision_model.encoder.layers.{i}"
                out["isolated." + name] = layer(before, None)[0]
            out["isolated.model.vision_model.post_layernorm"] = m.vision_model.post_layernorm(get(name))
        x = get("model.text_model.embed_tokens")
        if "pixel_values" in stored:
            x[stored["input_ids"] == model.config.image_token_id] = get("model.connector").flatten(0, 1)
        T = x.shape[1]
        position = torch.arange(T)[None]
        mask = torch.full((T, T), torch.finfo(width).min, dtype=width).triu(1)[None, None]
        for i, layer in enumerate(text.layers):
            angle = text.rotary_emb(x, position)
            out[f"isolated.model.text_model.layers.{i}"] = layer(x, attention_mask=mask, position_ids=position, position_embeddings=angle)[0]
            x = get(f"model.text_model.layers.{i}")
        out["isolated.model.text_model.norm"] = text.norm(x)
        out["isolated.logits"] = model.lm_head(get("model.text_model.norm"))
    return out


def make_case(name):
    from transformers import AutoProcessor

    checkpoint, prompt, answer, pictures, split, grad = CASES[name]
    folder = os.path.join(ROOT, "weights", checkpoint)
    processor = AutoProcessor.from_pretrained(folder)
    processor.image_processor.do_image_splitting = split
    s = sample(processor, prompt, answer, [Image.open(path("golden", "model", p + ".png")) for p in pictures])
    truth, error = truth_and_error(folder, lambda m: trace(m, s, grad))
    alone, alone_error = truth_and_error(folder, lambda m: isolated(m, truth))
    truth["labels"] = s["labels"].int()
    save("family/smolvlm/" + name, {**truth, **alone}, dict(checkpoint="weights/" + checkpoint, prompt=prompt, answer=answer, grad=grad, split=split,
                                                     error={**error, **alone_error}, pictures=[f"golden/model/{p}.png" for p in pictures]))


# ---------------------------------------------------------------- pictures

def expected_rgb(image):
    """Through a PNG file, as golden_image.py's expected() has it."""
    f = io.BytesIO()
    image.save(f, "PNG")
    return Image.fromarray(golden_image.expected(f.getvalue()), "RGB")


def pictures():
    from transformers import Idefics3ImageProcessor

    tile, edge, patch = 20, 70, 5
    p = Idefics3ImageProcessor(size={"longest_edge": edge}, max_image_size={"longest_edge": tile})
    r, soft = np.random.default_rng(SEED), lambda n, w, h: picture(SEED + 60 + n, w, h)
    alpha = Image.fromarray(np.concatenate([np.asarray(soft(5, 41, 30)), r.integers(0, 256, (30, 41, 1), dtype=np.uint8)], -1), "RGBA")
    bars = np.zeros((40, 40, 3), np.uint8)  # hard edges: the filter overshoots and is clipped, three times
    bars[::4], bars[:, 10:20], bars[33:, :, 1] = 255, (255, 0, 60), 255
    images = {"thin": soft(0, 1, 29), "flat": soft(1, 83, 2), "dot": soft(2, 1, 1), "three": soft(9, 45, 3), "sliver": soft(10, 97, 1),
              "large": soft(3, 211, 160), "tall": soft(4, 17, 99), "alpha": alpha,
              "grey": soft(6, 53, 37).convert("L"), "bars": Image.fromarray(bars, "RGB"), "exact": soft(7, 70, 60), "square": soft(8, 70, 70)}
    tensors, cases = {}, []
    for name, image in images.items():
        image.save(path("golden", "family", "smolvlm", name + ".png"), optimize=True)
        for split in (True, False):
            # a picture of 1, 3 or 4 rows would else be taken for one whose first axis is its channels
            out = p(images=[[expected_rgb(image)]], return_tensors="np", do_image_splitting=split, return_row_col_info=True, input_data_format="channels_last")
            assert out["pixel_attention_mask"].all()
            key = name if split else name + "-whole"
            tensors[key] = out["pixel_values"][0]
            cases.append(dict(file=f"golden/family/smolvlm/{name}.png", tensor=key, split=split, rows=out["rows"][0][0], cols=out["cols"][0][0]))
    save("family/smolvlm/pictures", tensors, dict(cases=cases, longest_edge=edge, tile=tile, patch_size=patch, rescale_factor=p.rescale_factor,
                                           image_mean=list(p.image_mean), image_std=list(p.image_std)))


def write_rows(name, rows):
    with open(path("golden", "family", "smolvlm", name), "w", encoding="utf-8") as f:
        f.write("[\n" + ",\n".join(json.dumps(r, ensure_ascii=True, separators=(",", ":")) for r in rows) + "\n]\n")
    print(f"golden/family/smolvlm/{name}: {len(rows)} rows")


def sizes():
    from transformers import Idefics3ImageProcessor
    from transformers.image_utils import ChannelDimension
    from transformers.models.idefics3.image_processing_idefics3 import get_resize_output_image_size

    class Sizes(Idefics3ImageProcessor):
        """The processor's own steps on pictures that have a size and no memory."""

        def resize(self, image, size, *a, **k):
            h, w = get_resize_output_image_size(image, size["longest_edge"], last) if "longest_edge" in size else (size["height"], size["width"])
            return np.broadcast_to(np.uint8(0), (h, w, 3))

    last, p, r, rows = ChannelDimension.LAST, Sizes(), np.random.default_rng(SEED), []
    edges = [(2048, 512), (1536, 384), (1456, 364), (90, 36), (50, 24), (70, 20), (5000, 384), (4097, 512), (91, 7), (512, 512), (300, 512)]
    given = [(1, 1), (1, 3000), (3000, 1), (1, 91), (2, 3000), (480, 640), (683, 1024), (1024, 1024), (300, 1000), (513, 2048), (2048, 513), (1, 90), (37, 36),
             (3, 7)]
    jobs = [(h, w, *e) for h, w in given for e in edges] + [(*map(int, r.integers(1, 3000, 2)), *edges[i % len(edges)]) for i in range(150)]
    for h, w, edge, tile in jobs:
        first = p.resize(np.broadcast_to(np.uint8(0), (h, w, 3)), {"longest_edge": edge})
        second = p.resize_for_vision_encoder(first, tile, input_data_format=last)
        frames, down, across = p.split_image(second, {"longest_edge": tile}, data_format=last, input_data_format=last)
        assert len(frames) == max(down * across, 0) + 1 and all(f.shape[:2] == (tile, tile) for f in frames)
        rows.append([h, w, edge, tile, *first.shape[:2], *second.shape[:2], down, across])
    write_rows("sizes.json", rows)


def bucket(count, side):
    """The positions of `count` patches in one row, by the module itself: its embeddings are the positions' numbers."""
    from transformers.models.idefics3.modeling_idefics3 import Idefics3VisionConfig, Idefics3VisionEmbeddings

    e = Idefics3VisionEmbeddings(Idefics3VisionConfig(hidden_size=1, image_size=side, patch_size=1))
    with torch.no_grad():
        e.patch_embedding.weight.zero_(), e.patch_embedding.bias.zero_()
        e.position_embedding.weight.copy_(torch.arange(side * side).float()[:, None])
        return [int(v) for v in e(torch.zeros(1, 3, 1, count), torch.ones(1, 1, count, dtype=torch.bool)).flatten()]


def buckets():
    """Of all pairs up to 70 those of equal numbers, every seventh, and each where rounding decides: a fraction on a boundary that falls to the wrong side."""
    rows = [[count, side, bucket(count, side)] for count in range(1, 71) for side in range(1, 71)]
    exact_one = lambda count, side: [i * side // count for i in range(count)]
    write_rows("buckets.json", [r for n, r in enumerate(rows) if n % 7 == 0 or r[0] == r[1] or r[2] != exact_one(r[0], r[1])])


# ---------------------------------------------------------------- texts

def chats():
    from transformers import AutoProcessor
    from transformers.models.idefics3.processing_idefics3 import get_image_prompt_string as expanded

    questions = ["How many windows?", "", " ", "  two spaces, 12 34", "\n", "\n\nfirst\n\n\nsecond", "塔 と 橋 n°9", "\tTab's end ",
                 "don't <row_1_col_1> <global-img>", "7"]
    grids = [[], [(0, 0)], [(1, 2)], [(3, 1), (0, 0)], [(6, 6)], [(2, 7), (7, 1)], [(2, 2), (1, 3), (11, 1)]]
    rows = []
    for name in CONFIGS:
        processor = AutoProcessor.from_pretrained(os.path.join(ROOT, "weights", name))
        for question in questions:
            for grid in grids if question == questions[0] else grids[:4]:
                text = chat(processor, question, len(grid))
                for r, c in grid:
                    text = text.replace("<image>", expanded(r, c, processor.image_seq_len, "<fake_token_around_image>", "(picture)", "<global-img>"), 1)
                ids = processor.tokenizer(text.replace("(picture)", "<image>"))["input_ids"]
                rows.append(dict(checkpoint="weights/" + name, question=question, grid=grid, tokens=processor.image_seq_len, ids=ids))
    write_rows("chats.json", rows)


def end_tokens():
    """Of generation_config.json, or without one of the model's and its text model's configuration, as the class itself takes them."""
    rows = [dict(checkpoint="weights/" + name, eos=load(os.path.join(ROOT, "weights", name), torch.float32).generation_config.eos_token_id) for name in CONFIGS]
    write_rows("settings.json", rows)


def tokens():
    from tokenizers import Tokenizer

    for name in CONFIGS:
        t, rows = Tokenizer.from_file(os.path.join(ROOT, "weights", name, "tokenizer.json")), []
        for text in golden_text.texts(random.Random(SEED), 410):
            ids = t.encode(text, add_special_tokens=False).ids
            rows.append(dict(text=text, ids=ids, decoded=t.decode(ids, skip_special_tokens=False), clean=t.decode(ids, skip_special_tokens=True)))
        write_rows(f"tokenizer-{name[-1]}.json", rows)


def inputs(processor, prompts):
    """A batch, ids padded on the left, frames by black ones at the end, which the model drops: the processor takes no batch where one prompt has no picture."""
    parts = [encoded(processor, question, [Image.open(path("golden", "model", p + ".png")) for p in names]) for question, names in prompts]
    left = lambda v, fill: torch.stack([F.pad(x[0], (max(y.shape[1] for y in v) - x.shape[1], 0), value=fill) for x in v])
    ids = [x["input_ids"] for x in parts]
    out = dict(input_ids=left(ids, processor.tokenizer.pad_token_id), attention_mask=left([torch.ones_like(x) for x in ids], 0))
    for k in ("pixel_values", "pixel_attention_mask"):
        like = next((x[k] for x in parts if k in x), None)
        if like is not None:
            v = [x[k][0] if k in x else like[0, :0] for x in parts]
            out[k] = torch.stack([torch.cat([x, x.new_zeros(max(map(len, v)) - len(x), *x.shape[1:])]) for x in v])
    return out


if __name__ == "__main__":
    need_tiny_checkpoints()
    os.makedirs(path("golden", "family", "smolvlm"), exist_ok=True)
    for i, name in enumerate(CONFIGS):
        make_checkpoint(name, SEED + 10 + i)
    for name in CASES:
        make_case(name)
    pictures()
    sizes()
    buckets()
    chats()
    end_tokens()
    tokens()
    golden_train.runs("family/smolvlm/", TRAINING, sample)
    golden_generate.texts("family/smolvlm/texts", CONFIGS, ["<end_of_utterance>", "<|endoftext|>"], inputs)
