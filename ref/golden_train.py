#!/usr/bin/env python3
"""Writes golden/train.

adamw.json, adamw.safetensors: 100 updates of a few numbers by torch.optim.AdamW from given gradients.
schedule.json: what transformers' own Trainer does with a toy model: for each case (keys of [level], and the
number of samples) the learning rate of every optimiser step and the samples of its micro-batches."""
import os

import torch
from torch.utils.data import SequentialSampler
from transformers import Trainer, TrainerCallback, TrainingArguments

from common import ROOT, SEED, save, save_rows
from truth import errors

# ---------------------------------------------------------------- AdamW

def updates(start, gradient, rate, c, dtype, foreach):
    p, out = start.to(dtype).clone().requires_grad_(), {}
    optimiser = torch.optim.AdamW([p], betas=(c["beta1"], c["beta2"]), eps=c["epsilon"],
                                  weight_decay=c["weight_decay"], foreach=foreach)
    for t, lr in enumerate(rate):
        optimiser.param_groups[0]["lr"] = lr
        p.grad = gradient[t].to(dtype)
        optimiser.step()
        if t + 1 in (1, 2, 10, 100):
            out[f"p.{t + 1}"] = p.detach().clone()
    return out


def adamw():
    """Gradients of many sizes, some zero, learning rate changing from step to step; `p.N` are the values
    after N updates."""
    torch.manual_seed(SEED)
    steps, n = 100, 37
    start, gradient = torch.randn(n), torch.randn(steps, n) * 10.0 ** torch.linspace(-6, 2, n)
    gradient[:, 3], gradient[10:, 5] = 0, 0
    rate = [1e-2 * min(1, t / 10) for t in range(steps)]
    c = dict(beta1=0.9, beta2=0.98, epsilon=1e-7, weight_decay=0.1)
    truth = updates(start, gradient, rate, c, torch.float64, False)
    runs = [updates(start, gradient, rate, c, torch.float32, foreach) for foreach in (False, True)]
    tensors = {"start": start, "gradient": gradient, **truth}
    save("train/adamw", tensors, dict(c, rate=rate, error=errors(truth, runs)), wide=True)


# ---------------------------------------------------------------- schedule

KEYS = ("count", "micro_batch", "batch", "epochs", "warmup_ratio", "schedule")
# Whole steps alone, leftovers in one epoch and in several, fewer samples than one step takes, a short last micro-batch,
# no warm-up, warm-up alone.
CASES = [(8, 2, 4, 3, 0.25, "cosine"), (5, 1, 2, 1, 0.25, "cosine"), (5, 1, 2, 4, 0.25, "cosine"),
         (3, 2, 8, 3, 0.25, "linear"), (11, 2, 6, 3, 0.03, "linear"), (11, 3, 3, 2, 0.0, "cosine"),
         (7, 2, 2, 2, 0.5, "constant"), (20, 1, 2, 1, 0.3, "cosine"), (6, 1, 2, 1, 1.0, "cosine"),
         (1, 4, 4, 5, 0.1, "linear")]
HUGGING_FACE = {"cosine": "cosine", "linear": "linear", "constant": "constant_with_warmup"}


class Numbers(torch.utils.data.Dataset):
    def __init__(self, count):
        self.count = count

    def __len__(self):
        return self.count

    def __getitem__(self, i):
        return {"x": torch.tensor(float(i))}


class Toy(torch.nn.Module):
    """Remembers what it was given."""

    def __init__(self):
        super().__init__()
        self.w, self.seen = torch.nn.Parameter(torch.zeros(1)), []

    def forward(self, x):
        self.seen.append([int(v) for v in x])
        return {"loss": (self.w * x).mean()}


class InOrder(Trainer):
    def _get_train_sampler(self, *_):
        return SequentialSampler(self.train_dataset)


class Log(TrainerCallback):
    def __init__(self):
        self.trainer, self.steps = None, []

    def on_pre_optimizer_step(self, *_, **__):
        model = self.trainer.model
        self.steps.append({"lr": self.trainer.optimizer.param_groups[0]["lr"], "samples": model.seen})
        model.seen = []


def steps_of(count, micro_batch, batch, epochs, warmup_ratio, schedule):
    log = Log()
    arguments = TrainingArguments(
        os.path.join(ROOT, "build", "schedule"), per_device_train_batch_size=micro_batch,
        gradient_accumulation_steps=batch // micro_batch, num_train_epochs=epochs, warmup_ratio=warmup_ratio,
        lr_scheduler_type=HUGGING_FACE[schedule], learning_rate=1.0, use_cpu=True, report_to=[], save_strategy="no",
        logging_strategy="no", disable_tqdm=True)
    log.trainer = InOrder(Toy(), arguments, train_dataset=Numbers(count), callbacks=[log])
    log.trainer.train()
    return log.steps


def schedule():
    rows = [dict(zip(KEYS, case), steps=steps_of(*case)) for case in CASES]
    save_rows(rows, "golden", "train", "schedule.json", sort_keys=True)
    for c in rows:
        rates = [round(s["lr"], 3) for s in c["steps"]]
        print({k: c[k] for k in KEYS}, len(c["steps"]), "steps, lr", rates)


if __name__ == "__main__":
    adamw()
    schedule()
