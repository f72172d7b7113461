#!/usr/bin/env python3
"""Compares mpa with transformers at real size: the shapes of SmolVLM-500M, Qwen2-VL-2B, InternVL2-2B and
TinyLLaVA-2.0B, with random weights that this program writes to build/real-size (about 15 GiB, kept for the
next time; nothing of it is committed).

    python ref/real_size.py [smolvlm] [qwen2vl] [internvl2] [tinyllava] [qwen2vl-7b] [--mpa FILE]
                            [--scratch FOLDER] [--threads N] [--only texts|trace]
                                                          default: all but the last, one after the other

For each: greedy continuations of a question about each of three pictures, by `mpa ask` and by transformers
(of the last two families by model_NAME.py) in float32; and the tensors of `mpa trace` against float64, in
units of the largest error that PyTorch's own float32 runs make. InternVL2 cuts pictures into two tiles at most
and has the small ids of a tiny tokenizer. Weights are widened one module at a time, as 2.2e9 of them take 17 GiB in
float64. Qwen2-VL-7B (16.6 GB more on disk) has its texts compared, not its trace. Exit status: 0 all as it
should be, 1 a text differs or an error is above LIMIT units, 77 not enough memory for a model."""
import argparse, contextlib, gc, json, math, os, resource, shutil, subprocess, sys, time

import torch
import torch.nn.functional as F

import family, family_internvl2, family_qwen2vl, family_smolvlm, family_tinyllava
from common import ROOT, SEED, Image, picture, shown
from family import INPUTS
from own_family import write_weights
from truth import errors, exact, load, settings, unfilled

LIMIT, TOKENS = 4, 16
RUNS = [("sdpa", True), ("eager", False)]  # attention, mkldnn
PICTURES = [(31, 448, 336), (32, 300, 500), (33, 512, 512)]
QUESTIONS = ["How many windows does the yellow house have?", "What is written below the clock?", "Who painted the 2 towers?"]
PARTS = ("vision", "projector", "text", "logits")


# ---------------------------------------------------------------- checkpoints

def with_real_ids(tok, words, reserved=0):
    """The same tokenizer with made-up words, which no merge leads to, up to the id `words`, so that its added
    tokens get the ids of the original's; `reserved` more of these come before the last one."""
    from tokenizers import Tokenizer

    t = json.loads(tok.backend_tokenizer.to_str())
    vocabulary, letters = t["model"]["vocab"], "abcdefghijklmnopqrstuvwxyz"
    moved = sorted((a for a in t["added_tokens"] if a["id"] >= len(vocabulary)), key=lambda a: a["id"])
    moved[-1:-1] = [dict(moved[-1], content=f"<|reserved_special_token_{i}|>") for i in range(reserved)]
    for i in range(len(vocabulary), words):
        vocabulary["Ġx" + "".join(letters[i // 26**n % 26] for n in range(4))] = i
    for i, a in enumerate(moved):
        a["id"] = words + i
    t["added_tokens"] = [a for a in t["added_tokens"] if a["id"] < words] + moved
    tok._tokenizer = Tokenizer.from_str(json.dumps(t))
    return tok


def make_qwen2vl(width=1536, hidden=8960, heads=12, kv_heads=2, vocab=151936, tied=True):
    from transformers import GenerationConfig, Qwen2VLConfig, Qwen2VLForConditionalGeneration
    from transformers.modeling_utils import no_init_weights

    tok = with_real_ids(family_qwen2vl.tokenizer(300), 151643)
    assert tok.convert_tokens_to_ids(["<|endoftext|>", "<|im_end|>", "<|image_pad|>"]) == [151643, 151645, 151655]
    vision = dict(depth=32, embed_dim=1280, num_heads=16, mlp_ratio=4, hidden_size=width, patch_size=14)
    config = Qwen2VLConfig(
        hidden_size=width, intermediate_size=hidden, num_hidden_layers=28, num_attention_heads=heads,
        num_key_value_heads=kv_heads, vocab_size=vocab, rms_norm_eps=1e-6, rope_theta=1e6,
        rope_scaling={"type": "mrope", "mrope_section": [16, 24, 24]}, max_position_embeddings=32768,
        tie_word_embeddings=tied, vision_config=vision, **family_qwen2vl.token_ids(tok))
    with no_init_weights():  # randomise() gives every weight its value
        model = Qwen2VLForConditionalGeneration._from_config(config, torch_dtype=torch.bfloat16)
    model.tie_weights()  # that is part of what was left out
    model.generation_config = GenerationConfig(do_sample=True, temperature=0.01, top_k=1, top_p=0.001,
                                               bos_token_id=151643, pad_token_id=151643,
                                               eos_token_id=[151645, 151643])
    return model, family_qwen2vl.processor_for(tok, 100352, 401408)


def make_qwen2vl_7b():
    return make_qwen2vl(width=3584, hidden=18944, heads=28, kv_heads=4, vocab=152064, tied=False)


def make_smolvlm():
    from transformers import GenerationConfig, Idefics3Config, Idefics3ForConditionalGeneration
    from transformers import Idefics3ImageProcessor, Idefics3Processor

    text = dict(model_type="llama", hidden_size=960, intermediate_size=2560, num_hidden_layers=32,
                num_attention_heads=15, num_key_value_heads=5, head_dim=64, vocab_size=49280,
                max_position_embeddings=8192, rms_norm_eps=1e-5, rope_theta=1e5, pad_token_id=2, eos_token_id=49279)
    vision = dict(hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12,
                  image_size=512, patch_size=16)
    config = Idefics3Config(text_config=text, vision_config=vision, scale_factor=4, image_token_id=49190,
                            pad_token_id=2, tie_word_embeddings=False)
    model = Idefics3ForConditionalGeneration._from_config(config, torch_dtype=torch.bfloat16)
    model.generation_config = GenerationConfig(bos_token_id=0, eos_token_id=49279, pad_token_id=2)
    tok = with_real_ids(family_smolvlm.tokenizer(300, family_smolvlm.TAGS), 49152, 88)
    assert tok.convert_tokens_to_ids(["<|im_end|>", "<image>", "<end_of_utterance>"]) == [2, 49190, 49279]
    pictures = Idefics3ImageProcessor(size={"longest_edge": 2048}, max_image_size={"longest_edge": 512})
    return model, Idefics3Processor(pictures, tok, image_seq_len=64, chat_template=family_smolvlm.TEMPLATE)


def saved(make):
    """Writes what `make` returns with save_pretrained."""
    def write(folder, kind):
        model, processor = make()
        kind.randomise(model, torch.Generator().manual_seed(SEED))
        model.save_pretrained(folder, max_shard_size="1GB")
        processor.save_pretrained(folder)
    return write


def written(**c):
    """Writes a folder of a family whose model is written here."""
    def write(folder, kind):
        with unfilled(torch.bfloat16):
            model = kind.make_folder(folder, c)
        kind.randomise(model, torch.Generator().manual_seed(SEED))
        write_weights(folder, model, torch.bfloat16, "1GB")
    return write


def shape(name):
    """A configuration of ref/shapes."""
    with open(os.path.join(ROOT, "ref", "shapes", name + ".json"), encoding="utf-8") as f:
        return json.load(f)


INTERNVL2 = written(
    text=shape("internvl2-2b")["llm_config"], vision=shape("internvl2-2b")["vision_config"],
    template="internlm2-chat", tiles=2, dynamic=True, pieces=36, spare_rows=92216, dtype=torch.bfloat16)
TINYLLAVA = written(
    text={k: v for k, v in shape("tinyllava-2.0b").items() if k != "vision_config"},
    vision=shape("tinyllava-2.0b")["vision_config"], merges=92, spare_rows=99971, dtype=torch.bfloat16, generation=True)

# name: title, family, what writes the folder, GiB of memory that the comparison takes, whether traces are compared too
MODELS = {"smolvlm": ("SmolVLM-500M", family_smolvlm.FAMILY, saved(make_smolvlm), 10, True),
          "qwen2vl": ("Qwen2-VL-2B", family_qwen2vl.FAMILY, saved(make_qwen2vl), 11, True),
          "internvl2": ("InternVL2-2B", family_internvl2.FAMILY, INTERNVL2, 11, True),
          "tinyllava": ("TinyLLaVA-2.0B", family_tinyllava.FAMILY, TINYLLAVA, 11, True),
          "qwen2vl-7b": ("Qwen2-VL-7B", family_qwen2vl.FAMILY, saved(make_qwen2vl_7b), 21, False)}


def checkpoint(name, scratch):
    """The folder of the checkpoint and its pictures, made where it is not complete yet."""
    folder = os.path.join(scratch, name)
    if not os.path.exists(folder + "/complete"):
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        _, kind, write, _, _ = MODELS[name]
        write(folder, kind)
        for seed, width, height in PICTURES:
            picture(seed, width, height).save(f"{folder}/{seed}.png")
        open(folder + "/complete", "w").close()
    return folder


# ---------------------------------------------------------------- transformers with wide weights

def load_wide(folder, dtype, attention):
    """The checkpoint computing in `dtype`. Its weights stay as they are stored; each module has wide ones
    only while it runs. At any other time it has values of the right type and shape that are not numbers, so
    that no use of them goes unseen."""
    model = family.of_folder(folder).stored(folder, attention).eval()
    stored = {p: p.data for p in model.parameters()}
    absent = {p: torch.full((1,), math.nan, dtype=dtype).expand(p.shape) for p in stored}

    def widen(module, args):
        for p in module.parameters(recurse=False):
            p.data = stored[p].to(dtype)

    def narrow(module, args, result):
        for p in module.parameters(recurse=False):
            p.data = absent[p]

    def look_up(module, args, result):
        return F.embedding(args[0], stored[module.weight]).to(dtype)

    for p in stored:
        p.requires_grad_(False).data = absent[p]
    for m in model.modules():
        if isinstance(m, torch.nn.Embedding):  # few of its rows are needed
            m.register_forward_hook(look_up)
        elif any(True for _ in m.parameters(recurse=False)):
            m.register_forward_pre_hook(widen)
            m.register_forward_hook(narrow)
    return model


def prove_widening():
    """On the tiny checkpoints in bfloat16: bit for bit what a model with all its weights widened computes."""
    for name in ("tiny-qwen2vl-a", "tiny-smolvlm-a", "tiny-internvl2-a", "tiny-tinyllava-a"):
        folder = os.path.join(ROOT, "weights", name)
        kind, s = family.of_folder(folder), sample_of(folder, QUESTIONS[0], shown("odd"))
        for dtype, attention, context in ((torch.float64, "eager", exact),
                                          (torch.float32, "sdpa", contextlib.nullcontext)):
            traces = []
            for model in (load(folder, dtype, attention), load_wide(folder, dtype, attention)):
                with context(model):
                    traces.append(kind.trace(model, s))
            a, b = traces
            assert a.keys() == b.keys(), name
            assert all(torch.equal(a[k], b[k]) and a[k].dtype == b[k].dtype for k in a), name


def sample_of(folder, question, image):
    kind = family.of_folder(folder)
    return kind.sample(kind.processor(folder), question, None, [image])


# ---------------------------------------------------------------- the comparison

def mpa(options, *arguments):
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(options.threads))
    command = [options.mpa, *arguments, "--quiet"]
    r = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **threads})
    if r.returncode:
        sys.exit(f"{options.mpa} {arguments[0]}: exit {r.returncode}\n{r.stderr}")
    return r.stdout


def trace_file(folder):
    """Beside the checkpoint: of a folder's files, all with that ending are its weights."""
    return folder + ".trace.safetensors"


def answers(folder, options, asked, traced):
    """What mpa says about each picture, and its trace of the first one in a file, where these are wanted: before any
    model is in memory here."""
    jobs = [("--model", folder, "--image", f"{folder}/{seed}.png", "--prompt", question)
            for (seed, *_), question in zip(PICTURES, QUESTIONS)]
    greedy = ("--greedy", "--json", "--max-new-tokens", str(TOKENS))
    out = [json.loads(mpa(options, "ask", *job, *greedy)) for job in jobs if asked]
    if traced:
        mpa(options, "trace", *jobs[0], "--out", trace_file(folder))
    return out


def same_texts(folder, found):
    """How many of PyTorch's texts are the same, and the smallest distance between its two best tokens."""
    model, kind = load_wide(folder, torch.float32, "sdpa"), family.of_folder(folder)
    same, margin, seen = 0, math.inf, set()
    for (seed, *_), question, own in zip(PICTURES, QUESTIONS, found):
        s = sample_of(folder, question, Image.open(f"{folder}/{seed}.png"))
        ids, text, gap = kind.continued_greedily(model, folder, s, TOKENS)
        margin, seen = min(margin, gap), seen | set(ids)
        if own["token_ids"] == ids and own["text"] == text and own["prompt_tokens"] == s["labels"].shape[1]:
            same += 1
        else:
            print(f"  picture {seed}: PyTorch {ids} {text!r}\n{'':12}mpa {own['token_ids']} {own['text']!r}")
    print(f"  {same} of {len(PICTURES)} texts the same; {TOKENS} tokens each, {len(seen)} different; "
          f"best and second at least {margin:.2g} apart")
    return same


def stage(kind, name):
    if name == "logits":
        return "logits"
    return {"merger": "projector", "vision": "vision", "rest": "text"}[kind.part_of(name)]


def truth_and_units(kind, folder):
    """The float64 trace of the first picture, and per tensor the error that transformers' own float32
    makes."""
    s = sample_of(folder, QUESTIONS[0], Image.open(f"{folder}/{PICTURES[0][0]}.png"))
    model = load_wide(folder, torch.float64, "eager")
    with exact(model):
        truth = kind.trace(model, s)
    del model
    unit = {}
    for attention, mkldnn in RUNS:
        gc.collect()
        model = load_wide(folder, torch.float32, attention)
        with settings(mkldnn, torch.get_num_threads()):
            for k, e in errors(truth, [kind.trace(model, s)], INPUTS).items():
                unit[k] = max(unit.get(k, 0), e["max_abs"], 2e-7 * e["rms"])
        del model
    return truth, unit


def trace_errors(kind, folder):
    """Per tensor, the error of mpa's trace in units of transformers' own; infinite for inputs that differ,
    and what is missing or of another size."""
    from safetensors import safe_open

    truth, unit = truth_and_units(kind, folder)
    out = {}
    with safe_open(trace_file(folder), "pt") as f:
        for k, t in truth.items():
            if k == "position_ids" and not kind.shows_positions:
                continue
            own = f.get_tensor(k) if k in f.keys() else torch.empty(0)
            if own.numel() != t.numel():
                out[k] = math.inf
                continue
            worst = float((own.double().flatten() - t.double().flatten()).abs().max())
            worst = worst if math.isfinite(worst) else math.inf
            if k in unit:
                out[k] = worst / unit[k]
            else:
                out[k] = math.inf if worst > (1e-6 if k == "pixel_values" else 0) else 0
    return out


def errors_within(kind, folder, title):
    """Whether the trace's errors are within the limit; a table of them."""
    ratio = trace_errors(kind, folder)
    print(f"  {'model':13}{'stage':10}{'tensors':>8}  error in units of PyTorch float32's own: worst, median")
    for part in PARTS:
        r = sorted((v, k) for k, v in ratio.items() if k not in INPUTS and stage(kind, k) == part)
        print(f"  {title:13}{part:10}{len(r):8}  {r[-1][0]:6.2f} {r[len(r) // 2][0]:6.2f}  {r[-1][1]}")
    differ = any(ratio.get(k) for k in INPUTS)
    print(f"  {title:13}{'inputs':10}{sum(k in ratio for k in INPUTS):8}  {'differ' if differ else 'the same'}")
    return max(ratio.values()) <= LIMIT


def free():
    with open("/proc/meminfo") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("MemAvailable")) / 2**20


def compare(name, options):
    """Whether mpa does as transformers does; none where memory is short."""
    title, kind, _, wanted, traced = MODELS[name]
    asked, traced = options.only != "trace", traced and options.only != "texts"
    if free() < wanted:
        print(f"{title}: not enough memory: {free():.1f} GiB free, {wanted} wanted")
        return None
    start = time.time()
    folder = checkpoint(name, options.scratch)
    gc.collect()
    print(f"{title} ({time.time() - start:.0f} s to make it)", flush=True)
    found = answers(folder, options, asked, traced)
    print(f"  mpa done after {time.time() - start:.0f} s", flush=True)
    same = not asked or same_texts(folder, found) == len(PICTURES)
    gc.collect()
    close = not traced or errors_within(kind, folder, title)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"  {time.time() - start:.0f} s; peak memory so far, without mpa's: {peak:.1f} GiB", flush=True)
    return same and close


def main():
    p = argparse.ArgumentParser(description="Compares mpa with transformers at real size.")
    p.add_argument("names", nargs="*", metavar="|".join(MODELS))
    p.add_argument("--mpa", default=os.path.join(ROOT, "mpa"))
    p.add_argument("--scratch", default=os.path.join(ROOT, "build", "real-size"))
    p.add_argument("--threads", type=int, default=1)
    p.add_argument("--only", choices=("texts", "trace"), help="one half of the comparison")
    options = p.parse_args()
    if set(options.names) - set(MODELS):
        p.error(f"a name is one of {', '.join(MODELS)}")
    torch.set_num_threads(options.threads)
    prove_widening()
    results = [compare(name, options) for name in options.names or [n for n in MODELS if MODELS[n][-1]]]
    sys.exit(1 if False in results else 77 if None in results else 0)


if __name__ == "__main__":
    main()
