"""Answers every question of a finished run folder again with transformers in float32, and counts the texts that are the same.

    python ref/compare_run.py RUN_FOLDER --teacher FOLDER --student FOLDER --images FOLDER --test-images FOLDER [--prompt FILE] [--limit N]        for the demo: make demo-texts

Pictures are decoded by Pillow here: where stb_image decodes a JPEG a few levels differently, a text may differ too (JPEG=turbo is Pillow's decoder). Exit status 1: a text differs."""
import argparse, json, os, sys
import pipeline as p

BATCH = 32


def rows_of(path, limit):
    with open(path, encoding="utf-8") as f:
        rows = [json.loads(line) for line in f] if path.endswith(".jsonl") else json.load(f)
    return rows[:limit]


def compare(what, model, folder, rows, texts, said):
    """texts: what the model is asked about each row's picture; said: what mpa's model answered."""
    theirs = model.answer([os.path.join(folder, r.get("image_path") or r["image"]) for r in rows], texts, batch=BATCH)
    same = sum(a == b for a, b in zip(theirs, said))
    print(f"{what:22}{same:6} of {len(rows)} the same", flush=True)
    for r, a, b in [x for x in zip(rows, theirs, said) if x[1] != x[2]][:3]:
        print(f"    {r.get('image_path') or r['image']}: transformers {a!r}, mpa {b!r}")
    return same == len(rows)


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("--teacher", "--student", "--images", "--test-images"):
        a.add_argument(name, required=True)
    a.add_argument("run")
    a.add_argument("--prompt", default=os.path.join(os.path.dirname(__file__), "prompts", "okvqa.txt"))
    a.add_argument("--limit", type=int)
    a = a.parse_args()
    models = {"teacher": p.Model(a.teacher), "student": p.Model(a.student), "aligned": p.Model(os.path.join(a.run, "aligned"))}
    with open(a.prompt, encoding="utf-8") as f:
        prompt = f.read()
    audit, good = rows_of(os.path.join(a.run, "audit.jsonl"), a.limit), True
    good &= compare("teacher, annotate", models["teacher"], a.images, audit, [prompt] * len(audit), [r["raw"] for r in audit])
    for name in ("student", "teacher"):
        rows = rows_of(os.path.join(a.run, name + ".json"), a.limit)
        good &= compare(name + ", identify", models[name], a.images, rows, [(r["PA_question"] or "") + p.SUFFIX for r in rows], [r["predictions"] for r in rows])
    for name, model in models.items():
        rows = rows_of(os.path.join(a.run, "evaluation", name + ".json"), a.limit)
        good &= compare(name + ", evaluate", model, a.test_images, rows, [r["GT_question"] + p.SUFFIX for r in rows], [r["predictions"] for r in rows])
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
