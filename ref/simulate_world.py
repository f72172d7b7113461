"""The demo's whole run in PyTorch: what `make demo` should come to, and which fine-tuning settings suit.

    python ref/simulate_world.py [LEARNING_RATE EPOCHS BATCH]     prints accuracies; writes build/world/run/*.json
"""

import json
import os
import sys

import torch

import pipeline as p


def main():
    lr, epochs, batch = (float(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])) if len(sys.argv) > 3 else (5e-4, 8, 16)
    torch.set_num_threads(2)
    out = os.path.join("build", "world", "run")
    os.makedirs(out, exist_ok=True)
    root = os.path.join("conf", "world", "okvqa")
    prompt = open(os.path.join("ref", "prompts", "okvqa.txt"), encoding="utf-8").read()
    questions = json.load(open(os.path.join(root, "test.json")))
    teacher, student = p.Model("weights/demo-teacher"), p.Model("weights/demo-student")
    images = sorted(os.path.join(root, "train", f) for f in os.listdir(os.path.join(root, "train")))
    if not os.path.exists(os.path.join(out, "parity.json")):
        texts, rows = p.annotate(teacher, images, prompt)
        parsed = sum(r["predicted_question"] is not None and r["predicted_answer"] is not None for r in rows)
        by_student, by_teacher = p.identify(student, rows), p.identify(teacher, rows)
        pairs = p.kept_pairs(by_student, by_teacher)
        for name, value in (("texts", texts), ("annotations", rows), ("student", by_student), ("teacher", by_teacher), ("parity", pairs)):
            p.dump(os.path.join(out, name + ".json"), value, 1)
        print(f"annotated {len(rows)}, parsed {parsed}, kept {len(pairs)}", flush=True)
        for name, model in (("teacher", teacher), ("student", student)):
            scored = p.evaluate(model, questions, os.path.join(root, "test"))
            p.dump(os.path.join(out, f"evaluation-{name}.json"), scored, 1)
            print(f"{name}: {p.accuracy(scored):.1f}", flush=True)
    pairs = json.load(open(os.path.join(out, "parity.json")))
    p.align(student, pairs, lr, epochs, batch)
    scored = p.evaluate(student, questions, os.path.join(root, "test"))
    print(f"aligned (lr {lr}, {epochs} epochs, batch {batch}, {len(pairs)} pairs): {p.accuracy(scored):.1f}", flush=True)


if __name__ == "__main__":
    main()
