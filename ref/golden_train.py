#!/usr/bin/env python3
"""Writes golden/train: adamw.json and adamw.safetensors: 100 updates of a few numbers by torch.optim.AdamW from given
gradients. Holds too how family_*.py make short fine-tuning runs of the tiny checkpoints, as float64 computes them:
CASE.json: checkpoint, pairs, settings (the keys of [level]), the log of each optimiser step (loss as optimised, lr of the
base group, gradient norm before clipping) and PyTorch float32's largest error of each; CASE.safetensors: the final weights,
with errors and rms in CASE.json under "error".

Rules (src/MODEL.md): vision tower, merger and the rest have their own learning rate; biases and LayerNorm weights are free
of decay, RMSNorm gains are not (decay = all: everything decays); the learning rate follows the schedule over
max(floor(micro-batches per epoch / accumulation), 1) * epochs steps and starts at 0 with warm-up; an epoch's leftover
micro-batches make an update of their own, still divided by the full accumulation count."""
from common import *

PAIRS = [("odd", "How many windows does the tower have", "seventeen, 62%"), ("wide", "Which letter stands on the gate", "B"),
         ("tall", "Who painted it", "Nobody knows."), ("odd", "What is written below the clock", "塔 n°9"), ("wide", "Are both doors green", "yes")]
BASE = dict(learning_rate=1e-3, vision_learning_rate=2e-4, merger_learning_rate=5e-4, weight_decay=0.1, beta1=0.9, beta2=0.999, epsilon=1e-8, clip=1.0, epochs=2,
            batch=2, micro_batch=1, warmup_ratio=0.25, schedule="cosine", loss="micro_batch", decay="no_bias_norm")


def rate(schedule, step, warmup, total):
    if step < warmup:
        return step / max(1, warmup)
    left = (step - warmup) / max(1, total - warmup)
    return {"cosine": 0.5 * (1 + math.cos(math.pi * left)), "linear": max(0.0, 1 - left), "constant": 1.0}[schedule]


def part_of(name):
    """By name, as the published trainer has it; "connector" and "vision_model" are SmolVLM's words."""
    if "merger" in name or "connector" in name:
        return "merger"
    return "vision" if "visual" in name or "vision_model" in name else "rest"


def groups(model, c):
    from torch.nn import LayerNorm

    free = set()
    if c["decay"] != "all":
        for name, m in model.named_modules():
            for p, _ in m.named_parameters(recurse=False):
                if isinstance(m, LayerNorm) or "bias" in p:
                    free.add(f"{name}.{p}")
    out = []
    for part, key in (("rest", "learning_rate"), ("vision", "vision_learning_rate"), ("merger", "merger_learning_rate")):
        for decay in (True, False):
            ps = [p for n, p in model.named_parameters()
                  if part_of(n) == part and (n not in free) == decay]
            if ps:
                out.append(dict(params=ps, lr=c[key], base=c[key], weight_decay=c["weight_decay"] if decay else 0.0))
    return out


def steps_of(c, samples):
    """The micro-batches of each optimiser step (lists of sample indices), and the schedule's length."""
    micro = [list(range(i, min(i + c["micro_batch"], len(samples)))) for i in range(0, len(samples), c["micro_batch"])]
    group = max(c["batch"] // c["micro_batch"], 1)
    total = math.ceil(c["epochs"] * max(len(micro) // group, 1))
    steps = [micro[i:i + group] for _ in range(c["epochs"]) for i in range(0, len(micro), group)]
    return steps[:total], total, group


def train(model, samples, c, foreach):
    optimiser = torch.optim.AdamW(groups(model, c), betas=(c["beta1"], c["beta2"]), eps=c["epsilon"], foreach=foreach)
    steps, total, group = steps_of(c, samples)
    warmup, log = math.ceil(c["warmup_ratio"] * total), []
    for step, micro in enumerate(steps):
        factor = rate(c["schedule"], step, warmup, total)
        for g in optimiser.param_groups:
            g["lr"] = g["base"] * factor
        count = lambda batch: sum(int((samples[i]["labels"] >= 0).sum()) for i in batch)
        loss = 0.0
        for batch in micro:
            weight = 1 / count(sum(micro, [])) if c["loss"] == "token" else 1 / (count(batch) * group)
            for i in batch:
                s = samples[i]
                mean = model(input_ids=s["input_ids"], attention_mask=torch.ones_like(s["input_ids"]), labels=s["labels"], use_cache=False, **pixels(s)).loss
                part = mean * (count([i]) * weight)
                part.backward()
                loss += float(part.detach())
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), c["clip"] or math.inf)
        log.append(dict(step=step + 1, loss=loss, lr=c["learning_rate"] * factor, grad_norm=float(norm)))
        optimiser.step()
        optimiser.zero_grad()
    return log, {n: p.detach().clone() for n, p in model.named_parameters()}


def reference(folder, samples, c):
    model = load(folder, torch.float64)
    with exact(model):
        log, final = train(model, samples, c, False)
    log_error, runs = [dict(loss=0.0, grad_norm=0.0) for _ in log], []
    for n, (attention, context) in enumerate(FLOAT32_RUNS):
        model = load(folder, torch.float32, attention)
        with context():
            other, weights = train(model, samples, c, n % 2 == 0)
        runs.append(weights)
        for e, a, b in zip(log_error, log, other):
            for k in e:
                e[k] = max(e[k], abs(a[k] - b[k]))
    return log, log_error, final, errors(final, runs)


def adamw():
    """Gradients of many sizes, some zero, learning rate changing from step to step; `p.N` are the values after N updates."""
    torch.manual_seed(SEED)
    steps, n = 100, 37
    start, gradient = torch.randn(n), torch.randn(steps, n) * 10.0 ** torch.linspace(-6, 2, n)
    gradient[:, 3], gradient[10:, 5] = 0, 0
    rate = [1e-2 * min(1, t / 10) for t in range(steps)]
    c = dict(beta1=0.9, beta2=0.98, epsilon=1e-7, weight_decay=0.1)

    def updates(dtype, foreach):
        p, out = start.to(dtype).clone().requires_grad_(), {}
        optimiser = torch.optim.AdamW([p], betas=(c["beta1"], c["beta2"]), eps=c["epsilon"], weight_decay=c["weight_decay"], foreach=foreach)
        for t in range(steps):
            optimiser.param_groups[0]["lr"] = rate[t]
            p.grad = gradient[t].to(dtype)
            optimiser.step()
            if t + 1 in (1, 2, 10, 100):
                out[f"p.{t + 1}"] = p.detach().clone()
        return out

    truth = updates(torch.float64, False)
    save("train/adamw", {"start": start, "gradient": gradient, **truth},
         dict(c, rate=rate, error=errors(truth, [updates(torch.float32, f) for f in (False, True)])), wide=True)


def runs(part, cases, sample):
    """golden/PART + CASE for each case; sample(processor, question, answer, pictures)."""
    from transformers import AutoProcessor

    for name, (checkpoint, count, c, keep) in cases.items():
        folder = os.path.join(ROOT, "weights", checkpoint)
        processor = AutoProcessor.from_pretrained(folder)
        samples = [sample(processor, question, answer, [Image.open(path("golden", "model", p + ".png"))]) for p, question, answer in PAIRS[:count]]
        log, log_error, final, error = reference(folder, samples, c)
        pairs = [dict(picture=f"golden/model/{p}.png", question=question, answer=answer) for p, question, answer in PAIRS[:count]]
        notes = dict(checkpoint="weights/" + checkpoint, pairs=pairs, settings=c, log=log, log_error=log_error, error=error if keep else {})
        save(part + name, final if keep else {}, notes)
        for a, e in zip(log, log_error):
            print(a, e)


if __name__ == "__main__":
    adamw()
