#!/usr/bin/env python3
"""Writes golden/kernel: dtype.safetensors: what PyTorch widens the 65536 values of each 16-bit type to, in the
order of their bits; float32 numbers of all kinds, with what it converts them to."""
import os

import numpy as np
import torch
from safetensors.torch import save_file

from common import SEED, path

EDGES = [0.0, -0.0, 1.0, np.inf, -np.inf, np.nan, 65504.0, 65519.99, 65520.0, -65520.0, 6e-8, 2.98e-8, 2.99e-8, 5.96e-8,
         8.9e-8, 6.1e-5, 3.4e38, 3.39e38, 1e-40, 1.00390625, 1.01171875, 2049.0, 2051.0]


def float32_numbers():
    """Where conversions turn, any 32 bits, and usual ones."""
    bits = np.random.default_rng(SEED).integers(0, 2**32, 4000, dtype=np.uint64).astype(np.uint32)
    usual = np.random.default_rng(SEED).normal(0, 1, 2000).astype(np.float32)
    return torch.from_numpy(np.concatenate([np.array(EDGES, np.float32), bits.view(np.float32), usual]))


def dtype():
    bits, x = torch.arange(65536, dtype=torch.int32).to(torch.int16), float32_numbers()
    f16, bf16 = bits.view(torch.float16), bits.clone().view(torch.bfloat16)
    file = path("golden", "kernel", "dtype.safetensors")
    save_file({"f16.wide": f16.float(), "bf16.wide": bf16.float(), "f32": x,
               "f32.f16": x.half(), "f32.bf16": x.bfloat16()}, file)
    os.chmod(file, 0o644)
    print("golden/kernel/dtype.safetensors")


if __name__ == "__main__":
    dtype()
