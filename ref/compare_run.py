"""Answers every question of a finished run folder again with transformers in float32, and counts the texts
that are the same.

    python ref/compare_run.py RUN_FOLDER --teacher FOLDER --student FOLDER --images FOLDER --test-images FOLDER
                              [--prompt FILE]          for the demo: make demo-texts

Pictures are decoded by Pillow here: where stb_image decodes a JPEG a few levels differently, a text may
differ too (JPEG=turbo is Pillow's decoder). Exit status 1: a text differs."""
import argparse, json, os, sys

import pipeline as p

BATCH = 32


def rows_of(*path):
    with open(os.path.join(*path), encoding="utf-8") as f:
        return [json.loads(line) for line in f] if path[-1].endswith(".jsonl") else json.load(f)


def compare(what, model, folder, rows, texts, said):
    """texts: what the model is asked about each row's picture; said: what mpa's model answered."""
    theirs = model.answer([os.path.join(folder, r["image_path"]) for r in rows], texts, batch=BATCH)
    differ = [(r["image_path"], a, b) for r, a, b in zip(rows, theirs, said) if a != b]
    print(f"{what:22}{len(rows) - len(differ):6} of {len(rows)} the same", flush=True)
    for picture, a, b in differ[:3]:
        print(f"    {picture}: transformers {a!r}, mpa {b!r}")
    return not differ


def arguments():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("--teacher", "--student", "--images", "--test-images"):
        a.add_argument(name, required=True)
    a.add_argument("run")
    a.add_argument("--prompt", default=os.path.join(os.path.dirname(__file__), "prompts", "okvqa.txt"))
    return a.parse_args()


def main():
    a = arguments()
    models = {"teacher": p.Model(a.teacher), "student": p.Model(a.student),
              "aligned": p.Model(os.path.join(a.run, "aligned"))}
    with open(a.prompt, encoding="utf-8") as f:
        prompt = f.read()
    audit = rows_of(a.run, "audit.jsonl")
    good = compare("teacher, annotate", models["teacher"], a.images, audit, [prompt] * len(audit),
                   [r["raw"] for r in audit])
    for name in ("student", "teacher"):
        rows = rows_of(a.run, name + ".json")
        texts = [(r["PA_question"] or "") + p.SUFFIX for r in rows]
        good &= compare(name + ", identify", models[name], a.images, rows, texts, [r["predictions"] for r in rows])
    for name, model in models.items():
        rows = rows_of(a.run, "evaluation", name + ".json")
        texts = [r["GT_question"] + p.SUFFIX for r in rows]
        good &= compare(name + ", evaluate", model, a.test_images, rows, texts, [r["predictions"] for r in rows])
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
