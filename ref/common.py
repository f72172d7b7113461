"""What the programs that write golden/ and the tiny checkpoints in weights/ share.

Truth is a float64 run of transformers' own classes in which every hand-made cast to float32 is lifted (`exact`). The unit of error of a tensor is the largest
difference that float32 runs of the same classes make against it, over several orders of summation (`FLOAT32_RUNS`).
Nothing here writes a file by itself."""
import contextlib, json, math, os, re, subprocess, sys

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.numpy import save_file
from transformers.utils import logging

logging.disable_progress_bar()

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SEED = 20250
SYSTEM = "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
PICTURE = "<|vision_start|><|image_pad|><|vision_end|>"


def path(*parts):
    p = os.path.join(ROOT, *parts)
    os.makedirs(os.path.dirname(p), exist_ok=True)
    return p


# ---------------------------------------------------------------- float64 without casts, float32 in several orders

_float, _to, _softmax = torch.Tensor.float, torch.Tensor.to, F.softmax


def _wide_float(x, *a, **k):
    return x if x.dtype == torch.float64 else x.double()


def _wide_to(x, *a, **k):
    if x.dtype == torch.float64 and (torch.float32 in a or k.get("dtype") is torch.float32):
        return x
    return _to(x, *a, **k)


def _wide_softmax(x, dim=None, _stacklevel=3, dtype=None):
    return _softmax(x, dim=dim, dtype=torch.float64 if x.dtype == torch.float64 else dtype)


@contextlib.contextmanager
def exact(model=None):
    """Within: no cast to float32 happens, and the model's rotary tables are float64 ones."""
    torch.Tensor.float, torch.Tensor.to, F.softmax = _wide_float, _wide_to, _wide_softmax
    try:
        if model is not None:
            widen_rotary(model)
        yield
    finally:
        torch.Tensor.float, torch.Tensor.to, F.softmax = _float, _to, _softmax


def widen_rotary(model):
    for m in model.modules():
        kind = type(m).__name__
        if kind in ("Qwen2VLRotaryEmbedding", "LlamaRotaryEmbedding", "StableLmRotaryEmbedding", "Phi3RotaryEmbedding"):
            m.inv_freq = m.original_inv_freq = m.rope_init_fn(m.config, "cpu")[0].double()
        elif kind == "VisionRotaryEmbedding":
            quarter = m.inv_freq.numel()
            m.inv_freq = 10000.0 ** (-torch.arange(quarter, dtype=torch.float64) / quarter)


class _PermutedLinear(torch.autograd.Function):
    """x w^T + b with every sum, forward and backward, taken over a shuffled index."""

    @staticmethod
    def forward(ctx, x, w, b):
        k = torch.randperm(w.shape[1])
        ctx.save_for_backward(x, w)
        ctx.has_bias = b is not None
        y = _linear(x[..., k].contiguous(), w[:, k].contiguous())
        return y if b is None else y + b

    @staticmethod
    def backward(ctx, dy):
        x, w = ctx.saved_tensors
        o, rows = torch.randperm(w.shape[0]), dy.reshape(-1, w.shape[0])
        n = torch.randperm(rows.shape[0])
        dx = dy[..., o].contiguous() @ w[o].contiguous()
        dw = rows[n].t().contiguous() @ x.reshape(-1, w.shape[1])[n].contiguous()
        return dx, dw, rows[n].sum(0) if ctx.has_bias else None


_linear, _conv2d = F.linear, F.conv2d


def _patches_by_linear(x, w, b, *rest):
    """A convolution whose stride is its size, as the product that it is."""
    (n, c, height, width), p = x.shape, w.shape[-1]
    rows = x.view(n, c, height // p, p, width // p, p).permute(0, 2, 4, 1, 3, 5).reshape(n, -1, c * p * p)
    return F.linear(rows, w.view(w.shape[0], -1), b).transpose(1, 2).reshape(n, -1, height // p, width // p)


@contextlib.contextmanager
def permuted(seed):
    from transformers.models.qwen2_vl import modeling_qwen2_vl as q

    def patches(self, x):
        w = self.proj.weight
        return F.linear(x.to(w.dtype), w.view(w.shape[0], -1))

    old = q.PatchEmbed.forward
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        F.linear, q.PatchEmbed.forward = (lambda x, w, b=None: _PermutedLinear.apply(x, w, b)), patches
        F.conv2d = _patches_by_linear
        try:
            yield
        finally:
            F.linear, F.conv2d, q.PatchEmbed.forward = _linear, _conv2d, old


@contextlib.contextmanager
def settings(mkldnn, threads):
    old = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with torch.backends.mkldnn.flags(enabled=mkldnn):
            yield
    finally:
        torch.set_num_threads(old)


# (attention, a context in which a float32 run is made)
FLOAT32_RUNS = [
    ("sdpa", lambda: settings(True, 2)),
    ("sdpa", lambda: settings(False, 1)),
    ("eager", lambda: settings(True, 1)),
    ("eager", lambda: settings(False, 2)),
    ("eager", lambda: permuted(1)),
    ("sdpa", lambda: permuted(2)),
    ("eager", lambda: permuted(3)),
]


def load(folder, dtype, attention="eager"):
    from transformers import AutoModelForVision2Seq

    wanted = None if attention == "sdpa" else attention  # none: sdpa in each part of the model that has it
    m = AutoModelForVision2Seq.from_pretrained(folder, torch_dtype=torch.float32, attn_implementation=wanted)
    return m.to(dtype).eval()


# ---------------------------------------------------------------- one pass with all named values

def chat(question, pictures):
    return SYSTEM + "<|im_start|>user\n" + PICTURE * pictures + question + "<|im_end|>\n<|im_start|>assistant\n"


def sample(processor, question, answer, pictures):
    """input_ids, labels, pixel_values, image_grid_thw as training builds them: each part of the text is tokenised on its own."""
    tok, out = processor.tokenizer, {}
    user = PICTURE * len(pictures) + question
    if pictures:
        p = processor.image_processor(images=pictures, return_tensors="pt")
        out["pixel_values"], out["image_grid_thw"] = p["pixel_values"], p["image_grid_thw"]
        for g in p["image_grid_thw"]:
            user = user.replace("<|image_pad|>", "<|placeholder|>" * (int(g.prod()) // 4), 1)
        user = user.replace("<|placeholder|>", "<|image_pad|>")
    parts = [SYSTEM, f"<|im_start|>user\n{user}<|im_end|>\n<|im_start|>assistant\n"]
    ids = sum((tok(t)["input_ids"] for t in parts), [])
    labels = [-100] * len(ids)
    if answer is not None:
        end = tok(answer + "<|im_end|>\n")["input_ids"]
        ids, labels = ids + end, labels + end
    out["input_ids"], out["labels"] = torch.tensor([ids]), torch.tensor([labels])
    return out


STAGES = re.compile(r"visual\.(patch_embed|blocks\.\d+|merger)|model\.(connector|vision_model\.(embeddings|encoder\.layers\.\d+|post_layernorm))"
                    r"|model\.(text_model\.)?(embed_tokens|layers\.\d+|norm)")
PIXELS = ("pixel_values", "image_grid_thw", "pixel_attention_mask")


def pixels(s):
    return {k: s[k] for k in PIXELS if k in s}


def positions(model, s):
    """[3, 1, T]; a family whose positions have one axis repeats it."""
    ids = s["input_ids"]
    if hasattr(model, "get_rope_index"):
        return model.get_rope_index(ids, s.get("image_grid_thw"), None, torch.ones_like(ids))[0]
    return torch.arange(ids.shape[1]).expand(3, 1, -1)


def trace(model, s, grad=False):
    """Every tensor that contract.md's Trace names, as the model computes it (in its own dtype)."""
    out, hooks = {}, []

    def keep(name):
        def hook(module, args, result):
            out[name] = (result[0] if isinstance(result, tuple) else result).detach().clone()
        return hook

    for name, m in model.named_modules():
        if STAGES.fullmatch(name):
            hooks.append(m.register_forward_hook(keep(name)))
    ids = s["input_ids"]
    answer = bool((s["labels"] >= 0).any())
    model.zero_grad(set_to_none=True)
    with torch.set_grad_enabled(grad):
        r = model(input_ids=ids, attention_mask=torch.ones_like(ids), labels=s["labels"] if answer else None, use_cache=False, **pixels(s))
    for h in hooks:
        h.remove()
    out["logits"] = r.logits.detach()
    if answer:
        out["loss"] = r.loss.detach().reshape(1)
    if grad:
        r.loss.backward()
        for n, p in model.named_parameters():
            out["grad." + n] = p.grad.detach().clone() if p.grad is not None else torch.zeros_like(p)
        model.zero_grad(set_to_none=True)
    out["input_ids"], out["position_ids"] = ids.int(), positions(model, s).int()
    for k, v in pixels(s).items():
        out[k] = v.clone() if k == "pixel_values" else v.int()
    return out


INPUTS = ("input_ids", "position_ids", *PIXELS)


def truth_and_error(folder, work):
    """work(model) -> {name: tensor}. Returns the float64 result and, per tensor, the largest float32 error and the rms of the truth."""
    model = load(folder, torch.float64)
    with exact(model):
        truth = work(model)
    runs = []
    for attention, context in FLOAT32_RUNS:
        model = load(folder, torch.float32, attention)
        with context():
            runs.append(work(model))
    return truth, errors(truth, runs)


def errors(truth, runs):
    out = {}
    for k, t in truth.items():
        if k in INPUTS:
            continue
        t = t.double()
        worst = max(float((r[k].double() - t).abs().max()) if t.numel() else 0.0 for r in runs)
        out[k] = {"max_abs": worst, "rms": float(t.square().mean().sqrt()) if t.numel() else 0.0}
    return out


# ---------------------------------------------------------------- files

def numpy_of(v, wide=False):
    if isinstance(v, torch.Tensor):
        v = v.detach().numpy()
    v = np.ascontiguousarray(v)
    if v.dtype == np.float64 and not wide:
        v = v.astype(np.float32)
    return v.astype(np.int32) if v.dtype in (np.int64, np.bool_) else v


def save(name, tensors, notes, wide=False):
    """golden/NAME.safetensors (float64 truth, rounded to float32 unless `wide`; none without tensors) and golden/NAME.json."""
    if tensors:
        save_file({k: numpy_of(v, wide) for k, v in tensors.items()}, path("golden", name + ".safetensors"))
        os.chmod(path("golden", name + ".safetensors"), 0o644)
    with open(path("golden", name + ".json"), "w") as f:
        json.dump(notes, f, indent=1, ensure_ascii=False, sort_keys=True)
        f.write("\n")
    print(f"golden/{name}: {len(tensors)} tensors")


def picture(seed, width, height):
    """A soft coloured pattern with some noise: no flat areas, so that every patch differs."""
    r = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width] / 32.0
    c = []
    for _ in range(3):
        a, b, p, q = r.uniform(-3, 3, 4)
        c.append(120 + 60 * np.sin(a * x + b * y + p) + 50 * np.sin(b * x - a * y + q) + r.integers(-6, 7, (height, width)))
    return Image.fromarray(np.clip(np.stack(c, -1), 0, 255).astype(np.uint8), "RGB")


# ---------------------------------------------------------------- tiny checkpoints

def need_tiny_checkpoints():
    """family_qwen2vl.py makes weights/tiny-* and the pictures in golden/model; run it where they are absent."""
    if not all(os.path.exists(os.path.join(ROOT, *p)) for p in (("weights", "tiny-qwen2vl-a"), ("weights", "tiny-qwen2vl-b"), ("golden", "model", "odd.png"))):
        subprocess.run([sys.executable, os.path.join(ROOT, "ref", "family_qwen2vl.py")], check=True)


PATTERN = r"""(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"""
SPECIAL = [f"<|{s}|>" for s in ("endoftext", "im_start", "im_end", "object_ref_start", "object_ref_end", "box_start", "box_end", "quad_start", "quad_end",
                                "vision_start", "vision_end", "vision_pad", "image_pad", "video_pad")]
CORPUS = ["You are a helpful assistant.", "user assistant system", "How many windows does the yellow house have?", "Which letter stands on the gate?",
          "What is written below the clock?", "the left tower is taller than the right tower", "three of the four sails are striped",
          "Who painted it? Nobody knows.", "seventeen, sixty-two and ninety", "Answer in one word.", "eine grüne Tür, une fenêtre ronde", "река и мост", "塔 と 橋", "first\n\nsecond\n\nthird\n\n"]


def tokenizer(words):
    """A byte-level BPE tokenizer with Qwen2's normaliser, pattern and added tokens and about `words` merged entries."""
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
    from transformers import Qwen2TokenizerFast

    t = Tokenizer(models.BPE())
    t.normalizer = normalizers.NFC()
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(PATTERN), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    t.decoder = decoders.ByteLevel()
    t.train_from_iterator(CORPUS, trainers.BpeTrainer(vocab_size=256 + words, initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()), show_progress=False))
    t.add_special_tokens(SPECIAL)
    return Qwen2TokenizerFast(tokenizer_object=t, pad_token="<|endoftext|>", eos_token="<|im_end|>", unk_token="<|endoftext|>", bos_token=None,
                              additional_special_tokens=None, model_max_length=32768, padding_side="left", clean_up_tokenization_spaces=False)


def processor_for(tok, min_pixels, max_pixels):
    from transformers import Qwen2VLImageProcessor, Qwen2VLProcessor

    return Qwen2VLProcessor(Qwen2VLImageProcessor(min_pixels=min_pixels, max_pixels=max_pixels), tok)


def randomise(model, generator):
    """Weights whose products keep the size of their input and whose logits spread over several units."""
    with torch.no_grad():
        for name, p in model.named_parameters():
            noise = torch.randn(p.shape, generator=generator)
            if p.ndim == 1:
                norm = name.endswith(("norm1.weight", "norm2.weight", "ln_q.weight", "layernorm.weight", "norm.weight"))
                p.copy_(1 + 0.25 * noise if norm else 0.2 * noise)
            elif "embed_tokens" in name:
                p.copy_(noise.mul_(0.5) if model.config.tie_word_embeddings else noise)
            else:  # in place: lm_head alone may take 2 GiB
                p.copy_(noise.mul_(1.4).div_(math.sqrt(p[0].numel())).mul_(2.0 if name == "lm_head.weight" else 1.0))
