"""The demo's world: four kinds of pictures after the four benchmarks, each in its benchmark's own format.

    textvqa  words on signs                         (world_signs.py)
    stvqa    numbers and names in street scenes     (world_scenes.py)
    chartqa  small bar charts                       (world_charts.py)
    okvqa    flags and emblems, needing knowledge   (world_flags.py)

    python ref/world.py        draws conf/world/KIND: train/ (pictures), test/ and test.json (labelled); train.json
                               (a label for each training picture, which only the ablation `labels` looks at);
                               truth.tsv (picture, question, answer: whatever can be asked about the training
                               pictures, by which the teacher's errors are counted); and a contact sheet,
                               doc/world-KIND.jpg

Everything follows from a seed; training and test pictures are disjoint."""
import random

from PIL import Image

import world_charts, world_flags, world_scenes, world_signs
from common import path, save_json
from world_canvas import SIZE

KINDS = {"textvqa": world_signs, "stvqa": world_scenes, "chartqa": world_charts, "okvqa": world_flags}
TRAIN, TEST = 700, 100


def scene(kind, which):
    return KINDS[kind].draw(random.Random(f"{kind} {which}"))


def name_of(kind, part, n):
    """The picture's name as the benchmark's files have it, and what its rows call it."""
    if kind == "okvqa":
        return f"COCO_{part}2014_{n:012d}.jpg", n
    if kind == "textvqa":
        return f"{n:06d}.jpg", f"{n:06d}"
    return f"{n:05d}.jpg", f"{n:05d}.jpg"


def row_of(kind, n, image, question, answer):
    if kind == "chartqa":
        return {"imgname": image, "query": question, "label": answer}
    if kind == "stvqa":
        return {"file_path": image, "question": question, "question_id": n, "answers": [answer]}
    return {"image_id": image, "question": question, "question_id": n, "answers": [answer] * 10}


def write_rows(kind, part, rows):
    value = [row_of(kind, *r) for r in rows]
    save_json(value if kind in ("chartqa", "okvqa") else {"data": value}, "conf", "world", kind, part + ".json", indent=1)


def draw_part(kind, part, count, questions):
    """Draws pictures and writes their labelled rows, some questions about each; returns the scenes by name."""
    rows, out = [], {}
    for n in range(1, count + 1):
        s, (name, image) = scene(kind, f"{part} {n}"), name_of(kind, "val" if part == "test" else part, n)
        Image.fromarray(s.image).save(path("conf", "world", kind, part, name), quality=75, subsampling=2, optimize=True)
        rng = random.Random(f"{kind} {part} questions {n}")
        asks = list({q.wordings: q for q in s.questions}.values())  # a question once
        for q in rng.sample(asks, min(questions, len(asks))):
            rows.append((1000 + len(rows), image, rng.choice(q.wordings), q.answer))
        out[name] = s
    write_rows(kind, part, rows)
    print(f"conf/world/{kind}/{part}: {count} pictures, {len(rows)} questions")
    return out


def draw_kind(kind):
    drawn = draw_part(kind, "train", TRAIN, 1)
    with open(path("conf", "world", kind, "truth.tsv"), "w") as f:
        for name, s in drawn.items():
            for q in {(w, q.answer): 0 for q in s.questions for w in q.wordings}:
                print(name, *q, sep="\t", file=f)
    sheet = Image.new("RGB", (8 * SIZE, 4 * SIZE))
    for i, s in enumerate(list(drawn.values())[:32]):
        sheet.paste(Image.fromarray(s.image), (i % 8 * SIZE, i // 8 * SIZE))
    sheet.save(path("doc", f"world-{kind}.jpg"), quality=80)
    draw_part(kind, "test", TEST, 2)


def main():
    for kind in KINDS:
        draw_kind(kind)


if __name__ == "__main__":
    main()
