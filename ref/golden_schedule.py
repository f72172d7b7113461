#!/usr/bin/env python3
"""Writes golden/train/schedule.json: what transformers' own Trainer does with a toy model: for each case (keys of [level], and the number of samples) the
learning rate of every optimiser step and the samples of its micro-batches."""
from common import *

from torch.utils.data import SequentialSampler
from transformers import Trainer, TrainerCallback, TrainingArguments

# samples, micro_batch, batch, epochs, warmup_ratio, schedule: whole steps alone, leftovers in one epoch and in several, fewer samples than one step takes,
# a short last micro-batch, no warm-up, warm-up alone
CASES = [(8, 2, 4, 3, 0.25, "cosine"), (5, 1, 2, 1, 0.25, "cosine"), (5, 1, 2, 4, 0.25, "cosine"), (3, 2, 8, 3, 0.25, "linear"), (11, 2, 6, 3, 0.03, "linear"),
         (11, 3, 3, 2, 0.0, "cosine"), (7, 2, 2, 2, 0.5, "constant"), (20, 1, 2, 1, 0.3, "cosine"), (6, 1, 2, 1, 1.0, "cosine"), (1, 4, 4, 5, 0.1, "linear")]
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


def run(count, micro_batch, batch, epochs, warmup_ratio, schedule):
    log = Log()
    arguments = TrainingArguments(os.path.join(ROOT, "build", "schedule"), per_device_train_batch_size=micro_batch, gradient_accumulation_steps=batch // micro_batch,
                                  num_train_epochs=epochs, warmup_ratio=warmup_ratio, lr_scheduler_type=HUGGING_FACE[schedule], learning_rate=1.0, use_cpu=True,
                                  report_to=[], save_strategy="no", logging_strategy="no", disable_tqdm=True)
    log.trainer = InOrder(Toy(), arguments, train_dataset=Numbers(count), callbacks=[log])
    log.trainer.train()
    return log.steps


def main():
    keys = ("count", "micro_batch", "batch", "epochs", "warmup_ratio", "schedule")
    cases = [dict(zip(keys, case), steps=run(*case)) for case in CASES]
    with open(path("golden", "train", "schedule.json"), "w", encoding="utf-8") as f:
        f.write("[\n" + ",\n".join(json.dumps(c, sort_keys=True) for c in cases) + "\n]\n")
    for c in cases:
        print({k: c[k] for k in keys}, len(c["steps"]), "steps, lr", [round(s["lr"], 3) for s in c["steps"]])


if __name__ == "__main__":
    main()
