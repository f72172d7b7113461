#!/usr/bin/env python3
"""Writes the two tiny Qwen2-VL checkpoints with random weights and awkward sizes, weights/tiny-qwen2vl-a (four shards, bfloat16, own head, sampling with a
repetition penalty) and weights/tiny-qwen2vl-b (one file, float32, tied head, no generation settings), the pictures in golden/model that all families are shown, and golden/family/qwen2vl: for each checkpoint passes over no
picture, one odd picture and two pictures of different sizes.

golden/family/qwen2vl/CASE.safetensors: inputs and every tensor of contract.md's Trace (CASE with gradients where "grad" is true), and `isolated.STAGE`: the stage's
output when it is fed the golden output of the stage before, as stored. CASE.json: checkpoint, prompt, answer, pictures, PyTorch float32's largest error
and the rms of every tensor."""
import shutil
from common import *
import golden_generate, golden_train

CONFIGS = {
    "tiny-qwen2vl-a": dict(
        text=dict(hidden_size=60, num_attention_heads=3, num_key_value_heads=1, intermediate_size=100, num_hidden_layers=3, rope_theta=1e6, rms_norm_eps=1e-6,
                  tie_word_embeddings=False, rope_scaling={"type": "mrope", "mrope_section": [2, 5, 3]}),
        vision=dict(depth=2, embed_dim=60, num_heads=5, mlp_ratio=3), words=170, dtype=torch.bfloat16, shard="230KB", spare_rows=5,
        generation=dict(do_sample=True, temperature=0.7, top_k=7, top_p=0.8, repetition_penalty=1.05)),
    "tiny-qwen2vl-b": dict(
        text=dict(hidden_size=84, num_attention_heads=6, num_key_value_heads=2, intermediate_size=148, num_hidden_layers=2, rope_theta=10000.0, rms_norm_eps=1e-5,
                  tie_word_embeddings=True, rope_scaling={"type": "mrope", "mrope_section": [1, 3, 3]}),
        vision=dict(depth=3, embed_dim=28, num_heads=7, mlp_ratio=5), words=150, dtype=torch.float32, shard="5GB", spare_rows=0, generation=None),
}
# name: checkpoint, prompt, answer, pictures (name, width, height), gradients
CASES = {
    "a-one": ("tiny-qwen2vl-a", "How many windows does the tower have?", "seventeen, 62%", ["odd"], True),
    "a-two": ("tiny-qwen2vl-a", "Which of the two is older", None, ["wide", "tall"], False),
    "a-none": ("tiny-qwen2vl-a", "Who painted the bridge?", "Nobody knows.", [], False),
    "b-one": ("tiny-qwen2vl-b", "What is written  below\nthe clock?", "塔 n°9", ["odd"], False),
    "b-two": ("tiny-qwen2vl-b", "Are both doors green?", " yes", ["tall", "wide"], True),
    "b-none": ("tiny-qwen2vl-b", "\nWhich letter stands on it?", None, [], False),
}
# name: checkpoint, number of pairs, settings, whether the final weights are kept
TRAINING = {
    "train-cosine": ("tiny-qwen2vl-a", 4, golden_train.BASE, True),
    "train-token": ("tiny-qwen2vl-b", 4, dict(golden_train.BASE, batch=4, micro_batch=2, epochs=3, loss="token", decay="all", schedule="linear", beta2=0.98, epsilon=1e-7, clip=0.0), True),
    "train-leftover": ("tiny-qwen2vl-b", 5, golden_train.BASE, False),
}
PICTURES = {"odd": (11, 97, 61), "wide": (12, 151, 40), "tall": (13, 43, 88)}


def make_checkpoint(name, seed):
    from transformers import GenerationConfig, Qwen2VLConfig, Qwen2VLForConditionalGeneration

    c, folder = CONFIGS[name], path("weights", name, "config.json").rsplit("/", 1)[0]
    shutil.rmtree(folder)
    tok = tokenizer(c["words"])
    ident = tok.convert_tokens_to_ids
    config = Qwen2VLConfig(
        vocab_size=len(tok) + c["spare_rows"], max_position_embeddings=4096, sliding_window=4096, use_sliding_window=False, bos_token_id=ident("<|endoftext|>"),
        eos_token_id=ident("<|im_end|>"), vision_start_token_id=ident("<|vision_start|>"), vision_end_token_id=ident("<|vision_end|>"),
        vision_token_id=ident("<|vision_pad|>"), image_token_id=ident("<|image_pad|>"), video_token_id=ident("<|video_pad|>"),
        vision_config=dict(c["vision"], hidden_size=c["text"]["hidden_size"]), **c["text"])
    model = Qwen2VLForConditionalGeneration(config)
    randomise(model, torch.Generator().manual_seed(seed))
    if c["generation"]:
        model.generation_config = GenerationConfig(bos_token_id=ident("<|endoftext|>"), pad_token_id=ident("<|endoftext|>"),
                                                   eos_token_id=[ident("<|im_end|>"), ident("<|endoftext|>")], **c["generation"])
    model.to(c["dtype"]).save_pretrained(folder, max_shard_size=c["shard"])
    if c["generation"] is None:
        os.remove(folder + "/generation_config.json")
    processor_for(tok, 3136, 9408).save_pretrained(folder)
    for f in os.listdir(folder):
        os.chmod(os.path.join(folder, f), 0o644)
    size = sum(os.path.getsize(os.path.join(folder, f)) for f in os.listdir(folder))
    print(f"weights/{name}: {sum(p.numel() for p in model.parameters())} parameters, {size} bytes, "
          f"{len([f for f in os.listdir(folder) if f.endswith('.safetensors')])} files")


def isolated(model, stored):
    """Each stage on its own, fed what is stored for the stage before it."""
    width, out = model.lm_head.weight.dtype, {}
    get = lambda k: torch.from_numpy(numpy_of(stored[k])).to(width)
    with torch.no_grad():
        if "pixel_values" in stored:
            v, grid = model.visual, stored["image_grid_thw"].long()
            angle = v.rot_pos_emb(grid)
            angle = torch.cat((angle, angle), -1)
            ends = F.pad((grid[:, 1] * grid[:, 2]).cumsum(0), (1, 0)).int()
            before = get("pixel_values")
            out["isolated.visual.patch_embed"] = v.patch_embed(before)
            before = get("visual.patch_embed")
            for i, block in enumerate(v.blocks):
                out[f"isolated.visual.blocks.{i}"] = block(before, cu_seqlens=ends, position_embeddings=(angle.cos(), angle.sin()))
                before = get(f"visual.blocks.{i}")
            out["isolated.visual.merger"] = v.merger(before)
        x = get("model.embed_tokens")
        if "pixel_values" in stored:
            x[stored["input_ids"] == model.config.image_token_id] = get("visual.merger")
        position = stored["position_ids"].long()
        T = x.shape[1]
        mask = torch.full((T, T), torch.finfo(width).min, dtype=width).triu(1)[None, None]
        for i, layer in enumerate(model.model.layers):
            out[f"isolated.model.layers.{i}"] = layer(x, attention_mask=mask, position_ids=position, position_embeddings=model.model.rotary_emb(x, position))[0]
            x = get(f"model.layers.{i}")
        out["isolated.model.norm"] = model.model.norm(x)
        out["isolated.logits"] = model.lm_head(get("model.norm"))
    return out


def make_case(name):
    from transformers import Qwen2VLProcessor

    checkpoint, prompt, answer, pictures, grad = CASES[name]
    folder = os.path.join(ROOT, "weights", checkpoint)
    processor = Qwen2VLProcessor.from_pretrained(folder)
    s = sample(processor, prompt, answer, [Image.open(path("golden", "model", p + ".png")) for p in pictures])
    truth, error = truth_and_error(folder, lambda m: trace(m, s, grad))
    alone, alone_error = truth_and_error(folder, lambda m: isolated(m, truth))
    truth["labels"] = s["labels"].int()
    save("family/qwen2vl/" + name, {**truth, **alone}, dict(checkpoint="weights/" + checkpoint, prompt=prompt, answer=answer, grad=grad, error={**error, **alone_error},
                                                   pictures=[f"golden/model/{p}.png" for p in pictures]))


def pictures():
    """Pictures go in as RGB; the smallest and largest number of pixels are tiny, so that all branches of the size rule are taken. `sizes` has the rule alone:
    [width, height, min_pixels, max_pixels, width after, height after], the last two null where it raises an error."""
    from transformers import Qwen2VLImageProcessor
    from transformers.models.qwen2_vl.image_processing_qwen2_vl import smart_resize

    small, large = 4 * 28 * 28, 12 * 28 * 28
    p = Qwen2VLImageProcessor(min_pixels=small, max_pixels=large)
    tensors, cases, sizes, r = {}, [], [], np.random.default_rng(SEED)
    for n, (w, h) in enumerate([(61, 47), (28, 28), (29, 150), (170, 30), (112, 84), (150, 149), (42, 70), (28, 210)]):
        out = p(images=[picture(SEED + 30 + n, w, h)], return_tensors="np")
        tensors[f"{n}/rgb"] = np.asarray(picture(SEED + 30 + n, w, h))
        tensors[f"{n}/pixel_values"] = out["pixel_values"]
        tensors[f"{n}/image_grid_thw"] = out["image_grid_thw"]
        cases.append(f"{n}")
    given = [(1, 1), (27, 100), (100, 27), (28, 28), (28, 5600), (28, 5601), (42, 42), (70, 70), (14 * 9, 14 * 5)]
    given += [(int(w), int(h)) for w, h in r.integers(20, 2000, (120, 2))]
    for i, (w, h) in enumerate(given):
        least, most = ((small, large), (3136, 12845056), (100352, 401408))[i % 3]
        try:
            nh, nw = smart_resize(h, w, 28, least, most)
        except ValueError:
            nh = nw = None
        sizes.append([w, h, least, most, nw, nh])
    notes = {"cases": cases, "sizes": sizes, "min_pixels": small, "max_pixels": large, "patch_size": p.patch_size, "temporal_patch_size": p.temporal_patch_size,
             "merge_size": p.merge_size, "rescale_factor": p.rescale_factor, "image_mean": list(p.image_mean), "image_std": list(p.image_std)}
    save("family/qwen2vl/pictures", tensors, notes)


def inputs(processor, prompts):
    pictures = [Image.open(path("golden", "model", p + ".png")) for _, names in prompts for p in names]
    texts = [chat(question, len(names)) for question, names in prompts]
    return processor(text=texts, images=pictures or None, padding=True, return_tensors="pt")


if __name__ == "__main__":
    for i, name in enumerate(CONFIGS):
        make_checkpoint(name, SEED + i)
    for name, what in PICTURES.items():
        picture(*what).save(path("golden", "model", name + ".png"), optimize=True)
    for name in CASES:
        make_case(name)
    pictures()
    golden_train.runs("family/qwen2vl/", TRAINING, sample)
    golden_generate.texts("family/qwen2vl/texts", CONFIGS, ["<|im_end|>", "<|endoftext|>"], inputs)
