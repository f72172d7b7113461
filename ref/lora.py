"""Adapters of PEFT on any model, with the numbers that mpa draws: A's values at the start, and which elements
dropout leaves out. Both are a hash of counters (src/base/random.c), so that they can be had here too."""
import numpy as np
import torch
from peft import LoraConfig, get_peft_model_state_dict, inject_adapter_in_model

GOLDEN, MASK = 0x9E3779B97F4A7C15, (1 << 64) - 1


def mix(x):
    """splitmix64's finaliser, on numpy's uint64."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def u64(seed, stream, counter):
    with np.errstate(over="ignore"):
        def wide(n):
            return np.asarray(n & MASK if isinstance(n, int) else n, dtype=np.uint64)
        return mix(mix(mix(wide(seed) + np.uint64(GOLDEN)) + wide(stream) + np.uint64(GOLDEN)) + wide(counter) + np.uint64(GOLDEN))


def unit(seed, stream, count, first=0):
    """Numbers first, first + 1, ... of a stream, uniform in [0, 1)."""
    return (u64(seed, stream, np.arange(first, first + count, dtype=np.uint64)) >> np.uint64(11)).astype(np.float64) * 2.0 ** -53


def key(module):
    """FNV-1a of the module's name."""
    h = 0xCBF29CE484222325
    for byte in module.encode():
        h = ((h ^ byte) * 0x100000001B3) & MASK
    return h


class Dropout(torch.nn.Module):
    """Zeros the elements that a hash of (seed, step, sample, module, element) chooses; `at` holds step and sample, the
    first of the pass. The samples of a pass come one after another here, and their elements count on."""

    def __init__(self, module, p, seed, at):
        super().__init__()
        self.key, self.p, self.seed, self.at = key(module), p, seed, at
        self.seen, self.first = None, 0

    def forward(self, x):
        now = (self.at["step"], self.at["sample"])
        seed, p = int(u64(self.seed, *now)), float(np.float32(self.p))
        if self.seen != now:
            self.seen, self.first = now, 0
        kept = torch.from_numpy(unit(seed, self.key, x.numel(), self.first) >= p).reshape(x.shape)
        self.first += x.numel()
        return x * kept.to(x.dtype) / (1 - p)


def adapt(model, c):
    """Injects adapters as the settings c say. Returns where the step and the sample are set before each pass."""
    words = c["lora_target"].replace(",", " ").split()
    config = LoraConfig(r=c["lora_rank"], lora_alpha=c["lora_alpha"], target_modules=words, lora_dropout=0.0)
    inject_adapter_in_model(config, model)
    at = dict(step=0, sample=0)
    for name, m in model.named_modules():
        if not hasattr(m, "lora_A"):
            continue
        a = m.lora_A["default"].weight
        bound = a[0].numel() ** -0.5
        start = (2 * unit(c["seed"], key(name), a.numel()) - 1) * bound
        a.data.copy_(torch.from_numpy(start).float().reshape(a.shape))
        if c["lora_dropout"]:
            m.lora_dropout["default"] = Dropout(name, c["lora_dropout"], c["seed"], at)
    return at


def trained(model):
    """The adapters by the names that PEFT saves them under."""
    return {"base_model.model." + n: p.detach().clone() for n, p in get_peft_model_state_dict(model).items()}
