"""A whole run folder as transformers produces it with the demo's models (a Qwen2-VL teacher, a SmolVLM student) on 24 pictures: annotations, both models' answers, kept pairs, evaluation.

    python ref/golden_run.py        writes golden/run
"""

import json
import os
import random

import torch

import pipeline as p
import world

OUT = os.path.join("golden", "run")


def main():
    torch.set_num_threads(2)
    pictures = os.path.join(OUT, "pictures")
    os.makedirs(os.path.join(OUT, "evaluation"), exist_ok=True)
    os.makedirs(pictures, exist_ok=True)
    rng = random.Random(11)
    chosen = [(t, rng.choice(list(world.BACKGROUNDS)), rng.choice(world.VIEWS)) for t in rng.sample(world.things(), 24)]
    questions = []
    for i, (thing, ground, view) in enumerate(chosen):
        name = f"{i:02d}.png"
        world.draw(thing, ground, view, f"golden {i}").save(os.path.join(pictures, name))
        kind = rng.choice(world.kinds(thing))
        truth = world.fact(thing, kind)
        questions.append(dict(file_path=name, question=rng.choice(world.QUESTIONS[kind]), question_id=500 + i, answers=[truth, truth.upper(), truth]))
    p.dump(os.path.join(OUT, "questions.json"), {"data": questions}, 1)
    names = [f"{i:02d}.png" for i in range(len(chosen))]
    files = [os.path.join(pictures, n) for n in names]
    prompt = open(os.path.join("ref", "prompts", "okvqa.txt"), encoding="utf-8").read()
    teacher, student = p.Model("weights/demo-teacher"), p.Model("weights/demo-student")
    _, rows = p.annotate(teacher, files, prompt)
    answers = {name: p.identify(model, rows) for name, model in (("student", student), ("teacher", teacher))}
    for r in rows + answers["student"] + answers["teacher"]:
        r["image_path"] = os.path.basename(r["image_path"])
    p.dump(os.path.join(OUT, "annotations.json"), rows, 4)
    for name, r in answers.items():
        p.dump(os.path.join(OUT, name + ".json"), r, 4)
    kept = p.kept_pairs(answers["student"], answers["teacher"])
    p.dump(os.path.join(OUT, "parity.json"), kept, 2)
    for name, model in (("student", student), ("teacher", teacher)):
        texts = model.answer([os.path.join(pictures, q["file_path"]) for q in questions], [q["question"] + p.SUFFIX for q in questions])
        p.dump(os.path.join(OUT, "evaluation", name + ".json"),
               [dict(question_id=q["question_id"], image_path=q["file_path"], GT_question=q["question"], GT_answer=max(q["answers"], key=q["answers"].count),
                     predictions=t) for q, t in zip(questions, texts)], 4)
    print(f"{OUT}: {len(rows)} pictures, {len(kept)} pairs kept")


if __name__ == "__main__":
    main()
