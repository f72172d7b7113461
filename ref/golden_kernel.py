#!/usr/bin/env python3
"""Writes golden/kernel: every value of the two 16-bit types, and float32 numbers of all kinds, with what PyTorch converts them to."""
import os

import numpy as np
import torch
from safetensors.torch import save_file

from common import SEED, path


def dtype():
    """Every value of the two 16-bit types, and float32 with all kinds of numbers; `narrow` has what PyTorch rounds the float32 to."""
    bits = torch.arange(65536, dtype=torch.int32).to(torch.int16)
    r = np.random.default_rng(SEED).integers(0, 2**32, 4000, dtype=np.uint64).astype(np.uint32).view(np.float32)
    edges = np.array([0.0, -0.0, 1.0, np.inf, -np.inf, np.nan, 65504.0, 65519.99, 65520.0, -65520.0, 6e-8, 2.98e-8, 2.99e-8, 5.96e-8, 8.9e-8, 6.1e-5, 3.4e38, 3.39e38,
                      1e-40, 1.00390625, 1.01171875, 2049.0, 2051.0], np.float32)
    x = torch.from_numpy(np.concatenate([edges, r, np.random.default_rng(SEED).normal(0, 1, 2000).astype(np.float32)]))
    save_file({"f16": bits.view(torch.float16), "bf16": bits.clone().view(torch.bfloat16), "f16.wide": bits.view(torch.float16).float(),
               "bf16.wide": bits.view(torch.bfloat16).float(), "f32": x, "f32.f16": x.half(), "f32.bf16": x.bfloat16()},
              path("golden", "kernel", "dtype.safetensors"))
    os.chmod(path("golden", "kernel", "dtype.safetensors"), 0o644)
    print("golden/kernel/dtype.safetensors")


if __name__ == "__main__":
    dtype()
