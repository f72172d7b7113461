"""Truth, and its unit of error.

Truth is a float64 run of transformers' own classes in which every hand-made cast to float32 is lifted
(`exact`). The unit of error of a tensor is the largest difference that float32 runs of the same classes make
against it, over several orders of summation (`FLOAT32_RUNS`)."""
import contextlib, json, os

import torch
import torch.nn.functional as F

# ---------------------------------------------------------------- float64 without casts

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
    """transformers computes the frequencies of rotary tables in float32, whatever the model's type."""
    for m in model.modules():
        if hasattr(m, "rope_init_fn"):
            m.inv_freq = m.original_inv_freq = m.rope_init_fn(m.config, "cpu")[0].double()
            if m.rope_type == "longrope":  # its factors are made float32 ones
                beyond = m.config.max_position_embeddings + 1
                m.long_inv_freq = m.rope_init_fn(m.config, "cpu", seq_len=beyond)[0] * rounding(m, "long_factor")
                m.inv_freq = m.original_inv_freq = m.inv_freq * rounding(m, "short_factor")
        elif hasattr(m, "inv_freq"):
            count = m.inv_freq.numel()
            m.inv_freq = 10000.0 ** (-torch.arange(count, dtype=torch.float64) / count)


def rounding(rotary, key):
    """How much larger float32 makes these factors."""
    factors = rotary.config.rope_scaling[key]
    return torch.tensor(factors, dtype=torch.float32).double() / torch.tensor(factors, dtype=torch.float64)


# ---------------------------------------------------------------- float32 in several orders

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


_linear, _conv2d, _conv3d = F.linear, F.conv2d, F.conv3d


def _patches_by_linear(x, w, b, *rest):
    """A convolution whose stride is its size, as the product that it is."""
    (n, c, height, width), p = x.shape, w.shape[-1]
    rows = x.view(n, c, height // p, p, width // p, p).permute(0, 2, 4, 1, 3, 5).reshape(n, -1, c * p * p)
    return F.linear(rows, w.view(w.shape[0], -1), b).transpose(1, 2).reshape(n, -1, height // p, width // p)


def _frames_by_linear(x, w, b, *rest):
    """The same where each row is one patch of several frames."""
    return F.linear(x.reshape(len(x), -1), w.view(len(w), -1), b).view(len(x), -1, 1, 1, 1)


@contextlib.contextmanager
def permuted(seed):
    """Within: every linear layer, and every convolution that is one, sums in another order."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        F.linear = lambda x, w, b=None: _PermutedLinear.apply(x, w, b)
        F.conv2d, F.conv3d = _patches_by_linear, _frames_by_linear
        try:
            yield
        finally:
            F.linear, F.conv2d, F.conv3d = _linear, _conv2d, _conv3d


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


@contextlib.contextmanager
def unfilled(dtype):
    """Within: modules are made in `dtype`, and their weights get no values."""
    names, old = ("normal_", "kaiming_uniform_", "uniform_", "xavier_uniform_"), torch.get_default_dtype()
    kept = {name: getattr(torch.nn.init, name) for name in names}
    torch.set_default_dtype(dtype)
    for name in names:
        setattr(torch.nn.init, name, lambda x, *a, **k: x)
    try:
        yield
    finally:
        torch.set_default_dtype(old)
        for name, function in kept.items():
            setattr(torch.nn.init, name, function)


# model_type of config.json: loader(folder, attention) of a model that is none of transformers' classes
LOADERS = {}


def load(folder, dtype, attention="eager"):
    """A checkpoint that computes in `dtype`. "sdpa" is taken in each part of the model that has it."""
    from transformers import AutoModelForVision2Seq

    with open(os.path.join(folder, "config.json"), encoding="utf-8") as f:
        own = LOADERS.get(json.load(f)["model_type"])
    if own:
        return own(folder, attention).to(dtype).eval()
    wanted = None if attention == "sdpa" else attention
    m = AutoModelForVision2Seq.from_pretrained(folder, torch_dtype=torch.float32, attn_implementation=wanted)
    return m.to(dtype).eval()


def run_all(folder, work):
    """work(model, number of the float32 run, or none) in float64 and in every float32 run: the truth, and a
    list."""
    model = load(folder, torch.float64)
    with exact(model):
        truth = work(model, None)
    runs = []
    for n, (attention, context) in enumerate(FLOAT32_RUNS):
        model = load(folder, torch.float32, attention)
        with context():
            runs.append(work(model, n))
    return truth, runs


def errors(truth, runs, inputs=()):
    """Per tensor but the inputs: the largest difference of any float32 run, and the root mean square of the
    truth."""
    out = {}
    for k, t in truth.items():
        if k in inputs:
            continue
        t = t.double()
        worst = max(float((r[k].double() - t).abs().max()) if t.numel() else 0.0 for r in runs)
        out[k] = {"max_abs": worst, "rms": float(t.square().mean().sqrt()) if t.numel() else 0.0}
    return out
