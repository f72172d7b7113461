#!/usr/bin/env python3
"""Writes golden/run-families: a whole run folder across families, as PyTorch produces it: an InternVL2 teacher
and a TinyLLaVA student, small and trained here on eight pictures until their answers are certain, go through
annotation, identification, training and evaluation. Beside the stages' files:
    level.json, level.safetensors   training.py: the kept pairs, the log, the final weights and their errors

weights/run-teacher, weights/run-student: these two models, of the same seed each time; the teacher knows the
pictures but for one of its own annotations, the student is right about one."""
import os, shutil

import torch

import family_internvl2, family_tinyllava, training
import pipeline as p
from common import SEED, path, picture, save, save_json
from own_family import write_weights
from truth import load

HERE = ("golden", "run-families")
PROMPT = "Write one question about the picture and its answer."
# question (without its mark), what the teacher annotates, what it answers, what the student answers; None: the
# teacher's text lacks it
PICTURES = [("Which colour is the gate", "green", "green", "green"), ("And the roof", "green", "Green.", "yes"),
            ("What colour has the door of the house", "green.", "it is green", "yes"),
            ("How many windows are there", "two", "two", "yes"), ("Which colour is the wall", "green", "green", "yes"),
            ("Which letter is on it", "B", "A", "two"), ("Is the door open", None, "yes", "yes"),
            (None, None, None, None)]
EXPECTED = ["the student is right", *["only the teacher is right"] * 4,
            "the teacher does not confirm its own annotation", "the annotation holds no answer",
            "the annotation holds no question"]
TEACHER = dict(
    text=dict(architectures=["InternLM2ForCausalLM"], model_type="internlm2", hidden_size=24, num_attention_heads=3,
              num_key_value_heads=1, intermediate_size=40, rope_theta=1e4, bias=False, max_position_embeddings=160,
              rope_scaling=dict(type="dynamic", factor=2.0)),
    vision=dict(hidden_size=18, num_attention_heads=3, intermediate_size=30, patch_size=5, image_size=10),
    template="internlm2-chat", tiles=3, dynamic=True, pieces=36, spare_rows=1, dtype=torch.bfloat16, shard="5GB")
STUDENT = dict(
    text=dict(hidden_size=24, num_attention_heads=2, num_key_value_heads=1, intermediate_size=36, rope_pct=0.5,
              rope_theta=10000, norm_eps=1e-5),
    vision=dict(hidden_size=14, num_attention_heads=2, intermediate_size=22, num_hidden_layers=3, patch_size=4,
                image_size=14), merges=92, dtype=torch.float16, shard="5GB", generation=True)
LEVEL = dict(training.BASE, learning_rate=4e-3, vision_learning_rate=2e-3, merger_learning_rate=2e-3, epochs=6)
LIMITS = dict(annotate=48, identify=16)


# ---------------------------------------------------------------- the two models

def teacher_lessons():
    """(picture, text, answer) of all that the run asks."""
    for n, (question, annotated, answer, _) in enumerate(PICTURES):
        said = "It is a picture." if question is None else f"Question: {question}?"
        yield n, PROMPT, said if annotated is None else f"{said}\nAnswer: {annotated}"
        if question is not None:
            yield n, question + p.SUFFIX, answer
            yield n, question + "?" + p.SUFFIX, answer


def student_lessons():
    """The same, and the form that training asks in."""
    for n, (question, _, _, answer) in enumerate(PICTURES):
        if question is not None:
            for text in (question + p.SUFFIX, question + "?" + p.SUFFIX, question):
                yield n, text, answer


def trained(family, name, c, lessons, files, seed, steps):
    """Makes the folder and trains what is in it, on all lessons in each step."""
    folder = os.path.dirname(path("weights", name, "config.json"))
    shutil.rmtree(folder)
    os.makedirs(folder)
    model = family.make_folder(folder, c)
    family.randomise(model, torch.Generator().manual_seed(SEED + seed))
    write_weights(folder, model, c["dtype"], c["shard"])
    model, tok = load(folder, torch.float32), family.processor(folder)
    samples = [family.sample(tok, text, answer, [p.opened(files[n])]) for n, text, answer in lessons]
    optimiser = torch.optim.AdamW(model.parameters(), lr=4e-3, weight_decay=0.0, betas=(0.9, 0.99))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 4e-3, total_steps=steps)
    for step in range(steps):
        total = 0.0
        for s in samples:
            loss = model(**s).loss / len(samples)
            loss.backward()
            total += float(loss.detach())
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        optimiser.zero_grad()
        if step % 50 == 49:
            print(f"{name}: step {step + 1}, loss {total:.4f}", flush=True)
    write_weights(folder, model, c["dtype"], c["shard"])
    for f in os.listdir(folder):
        os.chmod(os.path.join(folder, f), 0o644)
    return folder


# ---------------------------------------------------------------- the stages

def audit(rows, raws, answers, kept):
    """audit.jsonl."""
    for row, raw, reason in zip(rows, raws, EXPECTED):
        said = {who: next((r["predictions"] for r in a if r["question_id"] == row["question_id"]), None)
                for who, a in answers.items()}
        normal = {"answer": p.norm(row["predicted_answer"]), **{who: p.norm(text) for who, text in said.items()}}
        is_kept = row["question_id"] in kept
        assert is_kept == (reason == "only the teacher is right"), (row, said)
        yield dict(question_id=row["question_id"], image_path=row["image_path"], raw=raw,
                   question=row["predicted_question"], answer=row["predicted_answer"], **said, normalised=normal,
                   decision="kept" if is_kept else "not kept", reason=reason)


def level(family, folder, parity, files):
    """Trains the student on the kept pairs, in their order; writes level.*; the final weights."""
    tok, pairs = family.processor(folder), []
    for r in parity:
        question = r["conversations"][0]["value"].removeprefix("<image>\n")
        pairs.append(dict(picture=r["image"], question=question, answer=r["conversations"][1]["value"]))
    samples = [family.sample(tok, x["question"], x["answer"], [p.opened(files[x["picture"]])]) for x in pairs]
    log, log_error, final, error = training.reference(family, folder, samples, LEVEL)
    save("run-families/level", final, dict(settings=LEVEL, log=log, log_error=log_error, error=error))
    return final


def evaluated(model, questions, files):
    said = model.answer([files[q["file_path"]] for q in questions], [q["question"] + p.SUFFIX for q in questions],
                        LIMITS["identify"])
    return [dict(question_id=q["question_id"], image_path=q["file_path"], GT_question=q["question"],
                 GT_answer=q["answers"][0], predictions=text) for q, text in zip(questions, said)]


def scores(evaluation):
    """scores.json with the published metric alone."""
    out = {}
    for who, rows in evaluation.items():
        right = sum(p.norm(r["GT_answer"]) in p.norm(r["predictions"]) for r in rows)
        out[who] = {"mpa": 100 * right / len(rows)}
    before, after = (out["teacher"]["mpa"] - out[who]["mpa"] for who in ("student", "aligned"))
    return dict(out, gap_before=before, gap_after=after, gap_closed=(before - after) / before)


def draw():
    """The pictures' files by name, and a labelled question about each but the last."""
    files, questions = {}, []
    for n, (question, _, answer, _) in enumerate(PICTURES):
        name = f"{n}.png"
        files[name] = path(*HERE, "pictures", name)
        picture(SEED + 300 + n, 17 + 5 * (n % 3), 14 + 9 * (n % 2)).save(files[name])
        if question is not None:
            questions.append(dict(file_path=name, question=question + "?", question_id=f"q{n}", answers=[answer]))
    return files, questions


def main():
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    files, questions = draw()
    names = list(files)
    save_json({"data": questions}, *HERE, "questions.json", indent=1)
    with open(path(*HERE, "prompt.txt"), "w", encoding="utf-8") as f:
        f.write(PROMPT)
    intern, llava = family_internvl2.FAMILY, family_tinyllava.FAMILY
    pictures = list(files.values())
    folders = dict(student=trained(llava, "run-student", STUDENT, list(student_lessons()), pictures, 62, 120),
                   teacher=trained(intern, "run-teacher", TEACHER, list(teacher_lessons()), pictures, 61, 400))
    models = {who: p.OwnModel(folder) for who, folder in folders.items()}
    raws = models["teacher"].answer(pictures, [PROMPT] * len(pictures), LIMITS["annotate"])
    rows = p.annotations(names, raws)
    save_json(rows, *HERE, "annotations.json", indent=4)
    asked = [r for r in rows if r["predicted_question"] is not None]
    answers = {who: p.identify(m, asked, files, max_new_tokens=LIMITS["identify"]) for who, m in models.items()}
    for who, a in answers.items():
        save_json(a, *HERE, who + ".json", indent=4)
    parity = p.kept_pairs(answers["student"], answers["teacher"])
    save_json(parity, *HERE, "parity.json", indent=2)
    save_json(list(audit(rows, raws, answers, [r["id"] for r in parity])), *HERE, "audit.json", indent=1)
    models["aligned"] = p.OwnModel(folders["student"])
    models["aligned"].net.load_state_dict(level(llava, folders["student"], parity, files), strict=False)
    evaluation = {who: evaluated(models[who], questions, files) for who in ("student", "aligned", "teacher")}
    for who, e in evaluation.items():
        save_json(e, *HERE, "evaluation", who + ".json", indent=4)
    save_json(scores(evaluation), *HERE, "scores.json", indent=2)
    print(f"golden/run-families: {len(parity)} pairs kept, {scores(evaluation)}, "
          f"smallest gap {min(m.gap for m in models.values()):.3g}")


if __name__ == "__main__":
    main()
