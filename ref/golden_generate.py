#!/usr/bin/env python3
"""Writes golden/generate: filter.safetensors, filter.json: logits and ids that occurred, which of them
transformers' own logits processors keep before sampling, and with which values (0 where dropped)."""
import torch
from transformers import (LogitsProcessorList, RepetitionPenaltyLogitsProcessor, TemperatureLogitsWarper,
                          TopKLogitsWarper, TopPLogitsWarper)

from common import SEED, save

# logits, repetition penalty, temperature, top_k, top_p
CASES = [("plain", 1.0, 1.0, 50, 1.0), ("plain", 1.05, 0.7, 7, 0.8), ("plain", 1.3, 0.01, 1, 0.001),
         ("plain", 0.8, 1.7, 0, 0.9), ("tied", 1.0, 0.5, 5, 1.0), ("tied", 1.2, 1.0, 3, 1.0),
         ("small", 1.0, 1.0, 1, 0.001), ("small", 1.0, 1.0, 200, 0.5), ("small", 1.2, 0.6, 4, 0.8),
         ("flat", 1.5, 1.0, 4, 1.0), ("flat", 1.0, 2.0, 0, 0.31), ("negative", 1.1, 0.9, 20, 0.6),
         ("negative", 2.0, 0.3, 50, 0.99), ("plain", 1.0, 1.0, 0, 1.0)]


def logits():
    return {"plain": 3 * torch.randn(97), "tied": torch.randint(-4, 5, (97,)).float(),
            "small": torch.randint(-2, 3, (13,)).float(), "flat": torch.zeros(13), "negative": -torch.rand(61) * 5}


def chain_of(penalty, temperature, k, p):
    """The processors that generate builds, in its order; none where a setting changes nothing."""
    chain = LogitsProcessorList()
    if penalty != 1:
        chain.append(RepetitionPenaltyLogitsProcessor(penalty))
    if temperature != 1:
        chain.append(TemperatureLogitsWarper(temperature))
    if k:
        chain.append(TopKLogitsWarper(k))
    if p < 1:
        chain.append(TopPLogitsWarper(p))
    return chain


def filtered(x, ids, *settings):
    """The processed logits, dropped ones at -inf. A cut that hangs on rounding would prove nothing, nor one
    between equal logits where torch.sort keeps no order (beyond 16 values)."""
    chain = chain_of(*settings)
    out = chain(ids, x[None].clone())[0]
    wide = chain(ids, x[None].double())[0]
    dropped = torch.isinf(out)
    ordered = len(x) <= 16 or dropped.sum() == 0 or settings[0] != 1
    assert ordered or x[dropped].max() != x[~dropped].min(), settings
    assert torch.equal(dropped, torch.isinf(wide)), settings
    return out


def filters():
    torch.manual_seed(SEED)
    given, tensors, notes = logits(), {}, []
    for n, (name, penalty, temperature, k, p) in enumerate(CASES):
        x = given[name]
        seen = torch.randperm(len(x))[: len(x) // 3]
        ids = torch.cat([seen, seen[:3]])[None]
        out = filtered(x, ids, penalty, temperature, k, p)
        kept = ~torch.isinf(out)
        tensors.update({f"{n}.logits": x, f"{n}.seen": ids[0], f"{n}.kept": kept,
                        f"{n}.filtered": torch.where(kept, out, 0.0)})
        notes.append(dict(logits=name, repetition_penalty=penalty, temperature=temperature, top_k=k, top_p=p,
                          left=int(kept.sum())))
        print(notes[-1])
    save("generate/filter", tensors, dict(cases=notes))


if __name__ == "__main__":
    filters()
