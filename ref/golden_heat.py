#!/usr/bin/env python3
"""How much each patch of a picture moved the loss of an answer.

golden/model/heat.safetensors has FAMILY/CASE [patches] for each case of golden/family that has pictures and an
answer: the gradient of the loss for pixel_values times pixel_values, summed over each patch, the patches in the
order in which the vision tower reads them; golden/model/heat.json their largest error in PyTorch's own float32."""
import os

import torch

import family
from common import ROOT, save, shown
from truth import errors, run_all

PROGRAMS = ("family_qwen2vl", "family_smolvlm", "family_internvl2", "family_tinyllava")


def families():
    for name in PROGRAMS:
        program = __import__(name)
        yield program.FAMILY
        if hasattr(program, "FACTORY"):
            yield program.FACTORY


def by_patch(x, side):
    """The sums over patches: x is a row a patch, or frames [..., 3, H, W]; what no whole patch covers is left
    out."""
    if x.ndim == 2:
        return x.sum(1)
    x = x.flatten(0, -4)
    down, across = x.shape[2] // side, x.shape[3] // side
    x = x[:, :, : down * side, : across * side]
    return x.reshape(len(x), 3, down, side, across, side).sum((1, 3, 5)).flatten()


def heat(model, s, side):
    values = s["pixel_values"].detach().clone().to(next(model.parameters()).dtype).requires_grad_()
    for p in model.parameters():
        p.requires_grad_(False)
    r = model(input_ids=s["input_ids"], attention_mask=torch.ones_like(s["input_ids"]), labels=s["labels"],
              use_cache=False, **dict(family.pixels(s), pixel_values=values))
    r.loss.backward()
    return by_patch((values.grad * values).detach(), side)


def side_of(model):
    config = model.config
    vision = config["vision_config"] if isinstance(config, dict) else config.vision_config
    return vision["patch_size"] if isinstance(vision, dict) else vision.patch_size


def main():
    tensors, error = {}, {}
    for f in families():
        for name, case in f.cases.items():
            if not case["pictures"] or case["answer"] is None:
                continue
            folder = os.path.join(ROOT, "weights", case["checkpoint"])
            processor = f.processor(folder)
            f.prepare(processor, case)
            s = f.sample(processor, case["prompt"], case["answer"], [shown(p) for p in case["pictures"]])
            key = f"{f.name}/{name}"
            truth, runs = run_all(folder, lambda m, n: {key: heat(m, s, side_of(m))})
            tensors.update(truth)
            error.update(errors(truth, runs))
    save("model/heat", tensors, dict(error=error))


if __name__ == "__main__":
    main()
