#!/usr/bin/env python3
"""Writes golden/run: a whole run folder as transformers produces it with the demo's models (a Qwen2-VL
teacher, a SmolVLM student) on 24 pictures: annotations, both models' answers, kept pairs, evaluation."""
import os

import torch
from PIL import Image

import pipeline as p
import world
from common import ROOT, path, read, save_json

HERE = ("golden", "run")


def draw_pictures():
    """Draws the pictures; a labelled question about each."""
    questions = []
    for i in range(24):
        scene, name = world.scene("okvqa", f"golden {i}"), f"{i:02d}.png"
        Image.fromarray(scene.image).save(path(*HERE, "pictures", name))
        q = scene.questions[i % len(scene.questions)]
        questions.append(dict(file_path=name, question=q.wordings[i % 2], question_id=500 + i,
                              answers=[q.answer, q.answer.upper(), q.answer]))
    return questions


def evaluation(model, questions, files):
    """A model's answers, in the published format."""
    texts = model.answer(files, [q["question"] + p.SUFFIX for q in questions])
    return [dict(question_id=q["question_id"], image_path=q["file_path"], GT_question=q["question"],
                 GT_answer=max(q["answers"], key=q["answers"].count), predictions=t)
            for q, t in zip(questions, texts)]


def main():
    torch.set_num_threads(2)
    questions = draw_pictures()
    save_json({"data": questions}, *HERE, "questions.json", indent=1)
    names = [q["file_path"] for q in questions]
    files = [os.path.join(ROOT, *HERE, "pictures", name) for name in names]
    models = {name: p.Model(os.path.join(ROOT, "weights", "demo-" + name)) for name in ("student", "teacher")}
    prompt = read("ref", "prompts", "okvqa.txt")
    rows = p.annotations(names, models["teacher"].answer(files, [prompt] * len(files)))
    answers = {name: p.identify(model, rows, dict(zip(names, files))) for name, model in models.items()}
    save_json(rows, *HERE, "annotations.json", indent=4)
    for name, r in answers.items():
        save_json(r, *HERE, name + ".json", indent=4)
    kept = p.kept_pairs(answers["student"], answers["teacher"])
    save_json(kept, *HERE, "parity.json", indent=2)
    for name, model in models.items():
        save_json(evaluation(model, questions, files), *HERE, "evaluation", name + ".json", indent=4)
    print(f"golden/run: {len(rows)} pictures, {len(kept)} pairs kept")


if __name__ == "__main__":
    main()
