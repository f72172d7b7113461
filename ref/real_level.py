#!/usr/bin/env python3
"""`mpa level` at real size, with the random weights of real_size.py: what memory it takes, and what a step does.

    python ref/real_level.py [smolvlm] [lora] [epochs] [offload] [--steps N] [--mpa FILE] [--scratch FOLDER] [--threads N]

    smolvlm  SmolVLM-500M, every weight, 1,024 tokens with a picture of 13 tiles, within 9 GiB
    lora     Qwen2-VL-2B, adapters of rank 64 on the text model's products, 768 tokens, within 7 GiB
    epochs   SmolVLM-500M, adapters of rank 64, the same samples, within 9 GiB: the same pairs in three epochs,
             of which the later two find what the frozen tower made of the pictures
    offload  Qwen2-VL-2B, every weight, 256 tokens, within 24 GB, the state in files below SCRATCH (53 GB)

A sample is a picture and one answer. The limit is given as run.memory, so that what is estimated to be above it is
refused; the peak is the process's largest resident size, which counts what is mapped of the weights too. Exit status: 0,
or 1 where a peak is above its limit."""
import argparse, json, os, resource, shutil, subprocess, sys, time

from common import ROOT, Image
from real_size import checkpoint, sample_of

GIB = 2**30
LORA = "method = lora\nlora_rank = 64\nlora_alpha = 64\n"
# name: checkpoint, tokens, bytes, epochs, what the configuration says more
CASES = {
    "smolvlm": ("smolvlm", 1024, 9 * GIB, 1, ""),
    "lora": ("qwen2vl", 768, 7 * GIB, 1,
             LORA + "lora_target = q_proj k_proj v_proj o_proj gate_proj up_proj down_proj\nfreeze = vision merger\n"),
    "epochs": ("smolvlm", 1024, 9 * GIB, 3, LORA),
    "offload": ("qwen2vl", 256, 24 * 10**9, 1, "offload = {scratch}/offload\n"),
}


def rows_of(folder, tokens, count):
    """Training data of samples of so many tokens."""
    from transformers import AutoTokenizer
    question, tok = "What is there?", AutoTokenizer.from_pretrained(folder)
    room = tokens - sample_of(folder, question, Image.open(folder + "/31.png"))["labels"].shape[1] - 2
    words = "house tower window bridge river yellow seven people market clock garden winter".split()
    answer = " ".join(words[i % len(words)] for i in range(tokens))
    while len(tok(answer)["input_ids"]) > room:
        answer = answer.rsplit(" ", 1)[0]
    return [{"id": i, "image": "31.png", "conversations": [{"from": "human", "value": "<image>\n" + question},
                                                           {"from": "gpt", "value": answer}]} for i in range(count)]


def lines(path):
    with open(path, encoding="utf-8") as f:
        return [json.loads(line) for line in f]


def level(name, options):
    """Whether the peak is within the limit."""
    model, tokens, limit, epochs, more = CASES[name]
    folder, run = checkpoint(model, options.scratch), os.path.join(options.scratch, "level-" + name)
    shutil.rmtree(run, ignore_errors=True)
    os.makedirs(run)
    os.makedirs(options.scratch + "/offload", exist_ok=True)
    with open(run + "/parity.json", "w") as f:
        json.dump(rows_of(folder, tokens, max(1, options.steps // epochs)), f)
    with open(run + ".ini", "w") as f:
        f.write(f"[run]\ndir = {run}\nmemory = {limit}\nthreads = {options.threads}\n[student]\nmodel = {folder}\n"
                f"[data]\nimage_root = {os.path.join(options.scratch, model)}\n[level]\n{more.format(scratch=options.scratch)}"
                f"batch = 1\nmicro_batch = 1\nepochs = {epochs}\nlearning_rate = 1e-5\nsave_every = {options.steps}\n")
    print(f"{name}: {model}, {options.steps} steps, {limit / GIB:.2f} GiB allowed", flush=True)
    start, before = time.time(), resource.getrusage(resource.RUSAGE_CHILDREN).ru_oublock
    # fewer steps than teach anything are refused otherwise
    r = subprocess.run([options.mpa, "level", run + ".ini", "--force"], stderr=subprocess.PIPE, text=True)
    if r.returncode or "needs about" in r.stderr:
        sys.exit(f"{name}: exit {r.returncode}\n{r.stderr}")
    written = 512 * (resource.getrusage(resource.RUSAGE_CHILDREN).ru_oublock - before)
    wall, costs = time.time() - start, lines(run + "/costs.jsonl")[-1]
    steps, seconds = lines(run + "/metrics.jsonl"), {}
    for step, t in zip(steps, lines(run + "/timings.jsonl")):
        seconds.setdefault(step["epoch"], []).append(t["seconds"])
    medians = ", ".join(f"{sorted(s)[len(s) // 2]:.1f}" for s in seconds.values())
    said = [line for line in r.stderr.splitlines() if "GiB" in line or "MiB" in line]
    print("\n".join("  " + line for line in said[:6]))
    print(f"  {len(steps)} steps of {steps[0]['tokens']} answer tokens, median {medians} s{' by epoch' if epochs > 1 else ''}, "
          f"all {wall:.0f} s; loss {steps[0]['loss']:.4f} to {steps[-1]['loss']:.4f}; peak {costs['peak_bytes'] / GIB:.2f} GiB, "
          f"read {costs['read_bytes'] / 1e9:.1f} GB, wrote {written / 1e9:.1f} GB", flush=True)
    return costs["peak_bytes"] <= limit


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("cases", nargs="*", metavar="|".join(CASES))
    p.add_argument("--steps", type=int, default=10)
    p.add_argument("--mpa", default=os.path.join(ROOT, "mpa"))
    p.add_argument("--scratch", default=os.path.join(ROOT, "build", "real-size"))
    p.add_argument("--threads", type=int, default=os.cpu_count())
    options = p.parse_args()
    if set(options.cases) - set(CASES):
        p.error(f"a case is one of {', '.join(CASES)}")
    sys.exit(0 if all([level(name, options) for name in options.cases or CASES]) else 1)


if __name__ == "__main__":
    main()
