"""Short fine-tuning runs of the tiny checkpoints, as float64 computes them: golden/family/NAME/train-CASE.

train-CASE.json: checkpoint, pairs, settings (the keys of [level]), the log of each optimiser step (loss as
optimised, lr of the base group, gradient norm before clipping) and PyTorch float32's largest error of each;
train-CASE.safetensors: the final weights, with errors and rms in the JSON file under "error"; with method = lora those
of the adapters (lora.py), in PEFT's names.

Rules (those of transformers' Trainer and of the published trainer; src/MODEL.md, section 10): vision tower,
merger and the rest have their own learning rate; biases and LayerNorm weights are free of decay, RMSNorm
gains are not (decay = all: everything decays); the learning rate follows the schedule over
max(floor(micro-batches per epoch / accumulation), 1) * epochs steps and starts at 0 with warm-up; an epoch's
leftover micro-batches make an update of their own, still divided by the full accumulation count."""
import math, os, re

import torch

import lora
from common import ROOT, save, shown, shown_file
from truth import errors, run_all

PAIRS = [("odd", "How many windows does the tower have", "seventeen, 62%"),
         ("wide", "Which letter stands on the gate", "B"),
         ("tall", "Who painted it", "Nobody knows."),
         ("odd", "What is written below the clock", "塔 n°9"),
         ("wide", "Are both doors green", "yes")]
# Turns (human, pictures, answer) of two conversations, as LLaVA's data have them: <image> stands for the next picture.
CONVERSATIONS = [[("Compare <image> with\n<image>\nwhat differs", ["odd", "tall"], "the towers"),
                  ("And the colour", [], "green, 2 of 3")],
                 [("<image>\nWhat stands there", ["wide"], "a gate"), ("Look: <image>", ["odd"], "塔"), ("Sure", [], "yes")]]
BASE = dict(learning_rate=1e-3, vision_learning_rate=2e-4, merger_learning_rate=5e-4, weight_decay=0.1, beta1=0.9,
            beta2=0.999, epsilon=1e-8, clip=1.0, epochs=2, batch=2, micro_batch=1, warmup_ratio=0.25,
            schedule="cosine", loss="micro_batch", decay="no_bias_norm")
# The published trainer at two dates, and the first as the DeepSpeed file beside it makes it run: one group, one rate,
# decay on all, warm-up and then constant. For adapters its LoRA script of that date.
OLDER = dict(learning_rate=1e-5, vision_learning_rate=2e-6, merger_learning_rate=1e-5, weight_decay=0.0, beta1=0.9,
             beta2=0.98, epsilon=1e-7, clip=1.0, batch=16, micro_batch=2, warmup_ratio=0.03, schedule="cosine",
             loss="micro_batch", decay="no_bias_norm", newline="\n")
RECIPES = {"2025-10": dict(OLDER, weight_decay=0.1, beta2=0.999, epsilon=1e-8, batch=128, micro_batch=4, loss="token",
                           newline=""),
           "2024-12": OLDER,
           "2024-12-as-run": dict(OLDER, vision_learning_rate=1e-5, schedule="constant", decay="all")}
ADAPTERS = {"2025-10": dict(learning_rate=1e-4, lora_alpha=64), "2024-12": dict(learning_rate=1e-4, lora_alpha=128),
            "2024-12-as-run": dict(learning_rate=1e-4, vision_learning_rate=1e-4, merger_learning_rate=1e-4, lora_alpha=128)}
LORA = dict(BASE, method="lora", seed=7, learning_rate=1e-2, vision_learning_rate=4e-3, merger_learning_rate=6e-3, epochs=10,
            lora_rank=3, lora_alpha=6, lora_dropout=0.0)


def rate(schedule, step, warmup, total):
    if step < warmup:
        return step / max(1, warmup)
    left = (step - warmup) / max(1, total - warmup)
    cosine = 0.5 * (1 + math.cos(math.pi * left))
    return {"cosine": cosine, "linear": max(0.0, 1 - left), "constant": 1.0}[schedule]


def free_of_decay(model, decay):
    if decay == "all":
        return set()
    free = set()
    for name, m in model.named_modules():
        for p, _ in m.named_parameters(recurse=False):
            if isinstance(m, torch.nn.LayerNorm) or "bias" in p:
                free.add(f"{name}.{p}")
    return free


def groups(family, model, c):
    """AdamW's parameter groups: a learning rate for each part, with decay and without."""
    free, out = free_of_decay(model, c["decay"]), []
    for part, key in (("rest", "learning_rate"), ("vision", "vision_learning_rate"), ("merger", "merger_learning_rate")):
        for decay in (True, False):
            ps = [p for n, p in model.named_parameters()
                  if p.requires_grad and family.part_of(n) == part and (n not in free) == decay]
            if ps:
                weight_decay = c["weight_decay"] if decay else 0.0
                out.append(dict(params=ps, lr=c[key], base=c[key], weight_decay=weight_decay))
    return out


def steps_of(c, samples):
    """The micro-batches of each optimiser step (lists of sample indices), and the schedule's length."""
    count, size = len(samples), c["micro_batch"]
    micro = [list(range(i, min(i + size, count))) for i in range(0, count, size)]
    group = max(c["batch"] // size, 1)
    total = math.ceil(c["epochs"] * max(len(micro) // group, 1))
    steps = [micro[i:i + group] for _ in range(c["epochs"]) for i in range(0, len(micro), group)]
    return steps[:total], total, group


def backward(model, samples, batches, group, per_token, at):
    """Adds the gradients of one step's micro-batches; returns the loss as optimised."""
    def count(batch):
        return sum(int((samples[i]["labels"] >= 0).sum()) for i in batch)

    loss = 0.0
    for batch in batches:
        weight = 1 / count(sum(batches, [])) if per_token else 1 / (count(batch) * group)
        for i in batch:
            at["sample"] = batch[0]
            mask = torch.ones_like(samples[i]["input_ids"])
            mean = model(**samples[i], attention_mask=mask, use_cache=False).loss
            part = mean * (count([i]) * weight)
            part.backward()
            loss += float(part.detach())
    return loss


def train(family, model, samples, c, foreach):
    """The log of every step, and the final weights."""
    betas, at = (c["beta1"], c["beta2"]), lora.adapt(model, c) if c.get("method") == "lora" else {}
    optimiser = torch.optim.AdamW(groups(family, model, c), betas=betas, eps=c["epsilon"], foreach=foreach)
    steps, total, group = steps_of(c, samples)
    warmup, log = math.ceil(c["warmup_ratio"] * total), []
    for step, batches in enumerate(steps):
        factor = rate(c["schedule"], step, warmup, total)
        for g in optimiser.param_groups:
            g["lr"] = g["base"] * factor
        at["step"] = step
        loss = backward(model, samples, batches, group, c["loss"] == "token", at)
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), c["clip"] or math.inf)
        log.append(dict(step=step + 1, loss=loss, lr=c["learning_rate"] * factor, grad_norm=float(norm)))
        optimiser.step()
        optimiser.zero_grad()
    if c.get("method") == "lora":
        return log, {n: v for n, v in lora.trained(model).items() if not family.is_unused(n)}
    return log, {n: p.detach().clone() for n, p in model.named_parameters()}


def reference(family, folder, samples, c):
    """The log, its float32 errors, the final weights, and theirs."""
    (log, final), runs = run_all(folder, lambda m, n: train(family, m, samples, c, n is not None and n % 2 == 0))
    log_error = [dict(loss=0.0, grad_norm=0.0) for _ in log]
    for other, _ in runs:
        for e, a, b in zip(log_error, log, other):
            for k in e:
                e[k] = max(e[k], abs(a[k] - b[k]))
    return log, log_error, final, errors(final, [weights for _, weights in runs])


def pieces(human):
    """The texts before each picture of a human's words, and the text behind the last: a line end on either side goes
    with the mark."""
    return re.split(r"\n?<image>\n?", human)


def conversations(family, processor):
    """Samples of CONVERSATIONS, and what the golden file says of them."""
    samples, rows = [], []
    for turns in CONVERSATIONS:
        samples.append(family.conversation(processor, [(h, [shown(p) for p in ps], a) for h, ps, a in turns]))
        rows.append(dict(turns=[dict(pictures=[shown_file(p) for p in ps], before=pieces(h)[:-1], text=pieces(h)[-1],
                                     answer=a) for h, ps, a in turns]))
    return samples, rows


def write(family):
    """For each row of family.training: the checkpoint, how many of PAIRS (0: CONVERSATIONS), settings, whether final
    weights are kept. Then 20 steps of each recipe on family.recipes, in full and of adapters on these words."""
    table = dict(family.training)
    for recipe in RECIPES if family.recipes else ():
        checkpoint, target = family.recipes
        asked = dict(recipe=recipe, epochs=20)
        table["train-" + recipe] = checkpoint, 2, dict(RECIPES[recipe], asked=asked, epochs=20), False
        adapters = dict(RECIPES[recipe], method="lora", lora_rank=64, lora_dropout=0.05, lora_target=target, seed=0,
                        epochs=20, asked=dict(asked, method="lora", lora_target=target))
        table[f"train-{recipe}-lora"] = checkpoint, 2, dict(adapters, **ADAPTERS[recipe]), False
    for name, (checkpoint, count, c, keep) in table.items():
        folder, pairs = os.path.join(ROOT, "weights", checkpoint), PAIRS[:count]
        processor = family.processor(folder)
        newline = dict(newline=c["newline"]) if c.get("newline") else {}
        samples = [family.sample(processor, question, answer, [shown(p)], **newline) for p, question, answer in pairs]
        rows = [dict(picture=shown_file(p), question=question, answer=answer) for p, question, answer in pairs]
        if not count:
            samples, rows = conversations(family, processor)
        log, log_error, final, error = reference(family, folder, samples, c)
        notes = dict(checkpoint="weights/" + checkpoint, pairs=rows, settings=c.get("asked", c), log=log, log_error=log_error,
                     error=error if keep else {})
        save(f"family/{family.name}/{name}", final if keep else {}, notes)
