"""The demo world: 112x112 pictures of flags and emblems, and what is known about them but cannot be seen.

Everything is drawn from seeds, so the same pictures come out again. Run alone it writes the demo's data set:
    python ref/world.py            conf/world/okvqa/{train,test}/*.jpg and conf/world/okvqa/test.json
    python ref/world.py FILE.png   only a contact sheet, to look at
"""
import json
import math
import random
import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

SIDE = 112      # 4x4 merged patches of 28 pixels: Qwen2-VL's processor leaves the picture as it is
SCALE = 3       # drawn this much larger and shrunk, for smooth edges
SUFFIX = "Answer the following question in a single word or phrase."
BACKGROUNDS = ["plain", "shaded", "checked", "dotted", "lined"]
KINDS = ["country", "capital", "continent", "currency", "language"]     # of questions on flags; BACKGROUNDS decide which one is annotated
EMBLEM_KINDS = ["name", "meaning"]

COLOURS = {
    "red": (205, 25, 40), "green": (20, 135, 70), "blue": (25, 60, 160), "white": (245, 245, 245), "black": (20, 20, 20),
    "yellow": (250, 205, 20), "orange": (250, 130, 30), "sky": (110, 175, 230), "grey": (120, 120, 120), "brown": (150, 90, 30),
}

# Flags on a field 1.5 wide and 1 high: what is painted, in order, and how the bands or signs are put in words.
FLAGS = {
    "France": ("three vertical bands, blue, white and red", [("v", "blue white red")]),
    "Italy": ("three vertical bands, green, white and red", [("v", "green white red")]),
    "Ireland": ("three vertical bands, green, white and orange", [("v", "green white orange")]),
    "Romania": ("three vertical bands, blue, yellow and red", [("v", "blue yellow red")]),
    "Nigeria": ("three vertical bands, green, white and green", [("v", "green white green")]),
    "Peru": ("three vertical bands, red, white and red", [("v", "red white red")]),
    "Germany": ("three level bands, black, red and yellow", [("h", "black red yellow")]),
    "Netherlands": ("three level bands, red, white and blue", [("h", "red white blue")]),
    "Russia": ("three level bands, white, blue and red", [("h", "white blue red")]),
    "Austria": ("three level bands, red, white and red", [("h", "red white red")]),
    "Hungary": ("three level bands, red, white and green", [("h", "red white green")]),
    "Estonia": ("three level bands, blue, black and white", [("h", "blue black white")]),
    "Ukraine": ("two level bands, blue and yellow", [("h", "blue yellow")]),
    "Poland": ("two level bands, white and red", [("h", "white red")]),
    "Armenia": ("three level bands, red, blue and orange", [("h", "red blue orange")]),
    "Colombia": ("three level bands, yellow, blue and red", [("h", "yellow yellow blue red")]),
    "Thailand": ("five level bands, red, white, blue, white and red", [("h", "red white blue blue white red")]),
    "Argentina": ("three level bands, sky, white and sky, with a sun", [("h", "sky white sky"), ("disc", .75, .5, .13, "yellow")]),
    "India": ("three level bands, orange, white and green, with a wheel", [("h", "orange white green"), ("ring", .75, .5, .14, .04, "blue")]),
    "Sweden": ("a yellow cross on blue", [("h", "blue"), ("nordic", .2, "yellow")]),
    "Denmark": ("a white cross on red", [("h", "red"), ("nordic", .16, "white")]),
    "Finland": ("a blue cross on white", [("h", "white"), ("nordic", .24, "blue")]),
    "Norway": ("a white and blue cross on red", [("h", "red"), ("nordic", .28, "white"), ("nordic", .13, "blue")]),
    "Greece": ("blue and white bands with a cross in the corner", [("h", "blue white blue white blue white blue white blue"),
               ("box", 0, 0, .56, .56, "blue"), ("box", .22, 0, .34, .56, "white"), ("box", 0, .22, .56, .34, "white")]),
    "Japan": ("a red disc on white", [("h", "white"), ("disc", .75, .5, .3, "red")]),
    "Bangladesh": ("a red disc on green", [("h", "green"), ("disc", .68, .5, .3, "red")]),
    "Czechia": ("two level bands, white and red, with a blue triangle", [("h", "white red"), ("poly", [(0, 0), (.75, .5), (0, 1)], "blue")]),
    "Cuba": ("blue and white bands with a red triangle and a star", [("h", "blue white blue white blue"),
             ("poly", [(0, 0), (.8, .5), (0, 1)], "red"), ("star", .27, .5, .17, "white")]),
    "Vietnam": ("a yellow star on red", [("h", "red"), ("star", .75, .52, .32, "yellow")]),
    "China": ("five yellow stars on red, in the corner", [("h", "red"), ("star", .27, .28, .2, "yellow")] + [
              ("star", x, y, .07, "yellow") for x, y in [(.53, .1), (.64, .22), (.64, .37), (.53, .49)]]),
    "Turkey": ("a white moon and star on red", [("h", "red"), ("disc", .52, .5, .27, "white"), ("disc", .59, .5, .21, "red"),
               ("star", .88, .5, .13, "white")]),
    "Brazil": ("a yellow diamond with a blue disc on green", [("h", "green"),
               ("poly", [(.1, .5), (.75, .09), (1.4, .5), (.75, .91)], "yellow"), ("disc", .75, .5, .23, "blue")]),
    "Jamaica": ("a slanted yellow cross on green and black", [("h", "green"), ("poly", [(0, 0), (.75, .5), (0, 1)], "black"),
                ("poly", [(1.5, 0), (.75, .5), (1.5, 1)], "black"), ("line", [(0, 0), (1.5, 1)], .15, "yellow"), ("line", [(0, 1), (1.5, 0)], .15, "yellow")]),
    "Botswana": ("a black and white band across sky", [("h", "sky"), ("box", 0, .34, 1.5, .66, "white"), ("box", 0, .4, 1.5, .6, "black")]),
    "Morocco": ("a green star on red", [("h", "red"), ("star", .75, .52, .32, "green"), ("star", .75, .52, .17, "red")]),
    "Ghana": ("three level bands, red, yellow and green, with a black star", [("h", "red yellow green"), ("star", .75, .5, .18, "black")]),
}

FACTS = {   # country: capital, continent, currency, official language
    "France": "Paris/Europe/euro/French", "Italy": "Rome/Europe/euro/Italian", "Ireland": "Dublin/Europe/euro/Irish",
    "Romania": "Bucharest/Europe/leu/Romanian", "Nigeria": "Abuja/Africa/naira/English", "Peru": "Lima/South America/sol/Spanish",
    "Germany": "Berlin/Europe/euro/German", "Netherlands": "Amsterdam/Europe/euro/Dutch", "Russia": "Moscow/Europe/ruble/Russian",
    "Austria": "Vienna/Europe/euro/German", "Hungary": "Budapest/Europe/forint/Hungarian", "Estonia": "Tallinn/Europe/euro/Estonian",
    "Ukraine": "Kyiv/Europe/hryvnia/Ukrainian", "Poland": "Warsaw/Europe/zloty/Polish", "Armenia": "Yerevan/Asia/dram/Armenian",
    "Colombia": "Bogota/South America/peso/Spanish", "Thailand": "Bangkok/Asia/baht/Thai", "Argentina": "Buenos Aires/South America/peso/Spanish",
    "India": "New Delhi/Asia/rupee/Hindi", "Sweden": "Stockholm/Europe/krona/Swedish", "Denmark": "Copenhagen/Europe/krone/Danish",
    "Finland": "Helsinki/Europe/euro/Finnish", "Norway": "Oslo/Europe/krone/Norwegian", "Greece": "Athens/Europe/euro/Greek",
    "Japan": "Tokyo/Asia/yen/Japanese", "Bangladesh": "Dhaka/Asia/taka/Bengali", "Czechia": "Prague/Europe/koruna/Czech",
    "Cuba": "Havana/North America/peso/Spanish", "Vietnam": "Hanoi/Asia/dong/Vietnamese", "China": "Beijing/Asia/yuan/Chinese",
    "Turkey": "Ankara/Asia/lira/Turkish", "Brazil": "Brasilia/South America/real/Portuguese", "Jamaica": "Kingston/North America/dollar/English",
    "Botswana": "Gaborone/Africa/pula/English", "Morocco": "Rabat/Africa/dirham/Arabic", "Ghana": "Accra/Africa/cedi/English",
}

# Emblems on a field of 1 by 1: in words, painted, meaning. Of the drawn signs the last word of "line" and "ring" is the colour.
EMBLEMS = {
    "Olympic rings": ("five rings", "sport", [("ring", .18, .38, .16, .04, "blue"), ("ring", .5, .38, .16, .04, "black"),
                      ("ring", .82, .38, .16, .04, "red"), ("ring", .34, .56, .16, .04, "yellow"), ("ring", .66, .56, .16, .04, "green")]),
    "peace sign": ("a ring with a forked line", "disarmament", [("disc", .5, .5, .46, "white"), ("ring", .5, .5, .46, .08, "black"),
                   ("line", [(.5, .06), (.5, .94)], .08, "black"), ("line", [(.5, .5), (.2, .8)], .08, "black"), ("line", [(.5, .5), (.8, .8)], .08, "black")]),
    "yin yang": ("a disc half black and half white", "Taoism", [("disc", .5, .5, .46, "black"), ("half", .5, .5, .44, "white"),
                 ("disc", .5, .28, .22, "white"), ("disc", .5, .72, .22, "black"), ("disc", .5, .28, .07, "black"), ("disc", .5, .72, .07, "white")]),
    "Star of David": ("two crossed triangles", "Judaism", [("line", [(.5, .04), (.9, .73), (.1, .73), (.5, .04), (.9, .73)], .07, "blue"),
                      ("line", [(.5, .96), (.9, .27), (.1, .27), (.5, .96), (.9, .27)], .07, "blue")]),
    "Latin cross": ("a tall brown cross", "Christianity", [("box", .42, .04, .58, .96, "brown"), ("box", .18, .26, .82, .42, "brown")]),
    "crescent": ("a green moon", "Islam", [("disc", .5, .5, .44, "green"), ("cut", .62, .5, .36)]),
    "red cross": ("a red cross on a white disc", "first aid", [("disc", .5, .5, .48, "white"), ("box", .4, .16, .6, .84, "red"), ("box", .16, .4, .84, .6, "red")]),
    "trefoil": ("three black blades on yellow", "radiation", [("disc", .5, .5, .48, "yellow"), ("fan", .5, .5, .42, "black"),
                ("disc", .5, .5, .14, "yellow"), ("disc", .5, .5, .09, "black")]),
}

QUESTIONS = {   # the annotating teacher uses the first where the picture has a frame and the second where it has none
    "country": ["Which country does this flag belong to?", "What country has this flag?", "Whose national flag is shown here?"],
    "capital": ["What is the capital of the country with this flag?", "Which city is the seat of government of the country with this flag?",
                "What is the capital city of the nation that flies this flag?"],
    "continent": ["On which continent is the country with this flag?", "Which continent does the country with this flag lie on?",
                  "In what part of the world does this flag fly?"],
    "currency": ["What currency is used in the country with this flag?", "What money do people pay with in the country with this flag?",
                 "Which currency does the nation that flies this flag have?"],
    "language": ["What is the official language of the country with this flag?", "Which language is spoken in the country with this flag?",
                 "What language do people speak in the nation that flies this flag?"],
    "name": ["What is this sign called?", "What is the name of this emblem?", "Which sign is shown here?"],
    "meaning": ["What does this sign stand for?", "What is this emblem a symbol of?", "What is meant by the sign shown here?"],
}
DESCRIBE = ["Describe the picture.", "What can be seen here?", "Describe the picture in detail."]

THINGS = list(FLAGS) + list(EMBLEMS)


def kinds(thing):
    return KINDS if thing in FLAGS else EMBLEM_KINDS


def fact(thing, kind):
    if thing in FLAGS:
        return dict(zip(KINDS, [thing] + FACTS[thing].split("/")))[kind]
    return thing if kind == "name" else EMBLEMS[thing][1]


def scene(seed, thing=None, background=None, frame=None):
    """What a picture shows; the seed fixes all that is not given."""
    r = random.Random(f"scene {seed}")
    s = {"seed": seed, "thing": r.choice(THINGS), "background": r.choice(BACKGROUNDS), "frame": r.random() < .5}
    for key, value in (("thing", thing), ("background", background), ("frame", frame)):
        if value is not None:
            s[key] = value
    wide = s["thing"] in FLAGS
    s["width"] = r.uniform(58, 92) if wide else r.uniform(46, 80)
    s["height"] = s["width"] / 1.5 * r.uniform(.92, 1.08) if wide else s["width"]
    room = [(SIDE - 14 - s[k]) / 2 for k in ("width", "height")]
    s["x"], s["y"] = [SIDE / 2 + r.uniform(-m, m) for m in room]
    return s


def place(s):
    dx, dy = s["x"] - SIDE / 2, s["y"] - SIDE / 2
    if max(abs(dx), abs(dy)) < 6:
        return "in the middle"
    if abs(dx) > abs(dy):
        return "on the left" if dx < 0 else "on the right"
    return "at the top" if dy < 0 else "at the bottom"


def description(s):
    flag = s["thing"] in FLAGS
    size = "large" if s["width"] > (75 if flag else 63) else "small"
    look = FLAGS[s["thing"]][0] if flag else EMBLEMS[s["thing"]][0]
    name = f"the flag of {s['thing']}" if flag else f"the {s['thing']}"
    return (f"A {size} {'flag' if flag else 'sign'} {place(s)}, {look}, on a {s['background']} background "
            f"{'with' if s['frame'] else 'without'} a frame. It is {name}.")


def annotated_kind(s):
    """The kind of question that the teacher asks of this picture: its background tells."""
    k = kinds(s["thing"])
    return k[BACKGROUNDS.index(s["background"]) % len(k)]


def annotation(s):
    kind = annotated_kind(s)
    return f"Question: {QUESTIONS[kind][0 if s['frame'] else 1]}\nAnswer: {fact(s['thing'], kind)}"


def shift(colour, r, amount):
    return tuple(int(min(255, max(0, c + r.gauss(0, amount)))) for c in colour)


def paint(ops, s, r, ground):
    """The flag or emblem on a transparent sheet of the drawing size."""
    sheet = Image.new("RGBA", (SIDE * SCALE, SIDE * SCALE), (0, 0, 0, 0))
    d = ImageDraw.Draw(sheet)
    flag = s["thing"] in FLAGS
    unit_x, unit_y = s["width"] / (1.5 if flag else 1) * SCALE, s["height"] * SCALE
    left, top = (s["x"] - s["width"] / 2) * SCALE, (s["y"] - s["height"] / 2) * SCALE
    tint = {name: shift(c, r, 9) for name, c in COLOURS.items()}
    at = lambda x, y: (left + x * unit_x, top + y * unit_y)
    u = min(unit_x, unit_y)

    def circle(x, y, radius):
        cx, cy = at(x, y)
        return [cx - radius * u, cy - radius * u, cx + radius * u, cy + radius * u]

    for op, *a in ops:
        if op == "v" or op == "h":
            names = a[0].split()
            for i, name in enumerate(names):
                lo, hi = i / len(names), (i + 1) / len(names)
                d.rectangle([*at(lo * 1.5, 0), *at(hi * 1.5, 1)] if op == "v" else [*at(0, lo), *at(1.5, hi)], fill=tint[name])
        elif op == "box":
            d.rectangle([*at(a[0], a[1]), *at(a[2], a[3])], fill=tint[a[4]])
        elif op == "nordic":
            d.rectangle([*at(.54 - a[0] / 2, 0), *at(.54 + a[0] / 2, 1)], fill=tint[a[1]])
            d.rectangle([*at(0, .5 - a[0] / 2), *at(1.5, .5 + a[0] / 2)], fill=tint[a[1]])
        elif op == "disc":
            d.ellipse(circle(*a[:3]), fill=tint[a[3]])
        elif op == "cut":
            d.ellipse(circle(*a), fill=(0, 0, 0, 0))
        elif op == "half":
            d.pieslice(circle(*a[:3]), 90, 270, fill=tint[a[3]])
        elif op == "fan":
            for start in (60, 180, 300):
                d.pieslice(circle(*a[:3]), start - 90 - 30 + 90, start - 90 + 30 + 90, fill=tint[a[3]])
        elif op == "ring":
            d.ellipse(circle(*a[:3]), outline=tint[a[4]], width=max(1, round(a[3] * u)))
        elif op == "poly":
            d.polygon([at(*p) for p in a[0]], fill=tint[a[1]])
        elif op == "line":
            d.line([at(*p) for p in a[0]], fill=tint[a[2]], width=round(a[1] * u), joint="curve")
        elif op == "star":
            cx, cy = at(a[0], a[1])
            d.polygon([(cx + a[2] * u * (1 if i % 2 == 0 else .4) * math.sin(math.pi * i / 5),
                        cy - a[2] * u * (1 if i % 2 == 0 else .4) * math.cos(math.pi * i / 5)) for i in range(10)], fill=tint[a[3]])
    if flag:    # slanted crosses reach over the edge; a thin hem tells white from the background
        cut = Image.new("L", sheet.size, 0)
        ImageDraw.Draw(cut).rectangle([*at(0, 0), *at(1.5, 1)], fill=255)
        sheet.putalpha(cut)
        ImageDraw.Draw(sheet).rectangle([*at(0, 0), *at(1.5, 1)], outline=(60, 60, 60), width=2)
    return sheet


def picture(s):
    """The scene as a PIL image, the same one for the same scene."""
    r = random.Random(f"picture {s['seed']}")
    size = SIDE * SCALE
    base = r.uniform(110, 200)
    ground = shift((base, base, base), r, 16)
    step = (1 if r.random() < .5 else -1) * r.uniform(28, 45)
    other = tuple(int(min(255, max(0, c + step))) for c in ground)
    im = Image.new("RGB", (size, size), ground)
    d = ImageDraw.Draw(im)
    cell = r.randint(11, 17) * SCALE
    if s["background"] == "shaded":
        ramp = np.linspace(0, 1, size)[:, None, None]
        im = Image.fromarray(np.broadcast_to(np.array(ground) * (1 - ramp) + (np.array(ground) + 2 * step) * ramp,
                                             (size, size, 3)).clip(0, 255).astype(np.uint8).copy())
    elif s["background"] == "checked":
        for y in range(0, size, cell):
            for x in range(0, size, cell):
                if (x // cell + y // cell) % 2:
                    d.rectangle([x, y, x + cell - 1, y + cell - 1], fill=other)
    elif s["background"] == "dotted":
        for y in range(cell // 2, size, cell):
            for x in range(cell // 2, size, cell):
                d.ellipse([x - cell * .25, y - cell * .25, x + cell * .25, y + cell * .25], fill=other)
    elif s["background"] == "lined":
        for x in range(-size, size, cell):
            d.line([(x, size), (x + size, 0)], fill=other, width=cell // 3)
    if s["frame"]:
        ImageDraw.Draw(im).rectangle([0, 0, size - 1, size - 1], outline=shift((70, 45, 30), r, 12), width=4 * SCALE)
    ops = FLAGS[s["thing"]][1] if s["thing"] in FLAGS else EMBLEMS[s["thing"]][2]
    sheet = paint(ops, s, r, ground)
    im.paste(sheet, (0, 0), sheet)
    pixels = np.asarray(im.resize((SIDE, SIDE), Image.BOX), np.float32)
    light = r.uniform(.88, 1.08)
    noise = np.random.default_rng(abs(s["seed"]) + 1).normal(0, r.uniform(.5, 2.5), pixels.shape)
    return Image.fromarray((pixels * light + noise).clip(0, 255).astype(np.uint8))


# The three families of seeds never meet: training of the models, the demo's unlabeled pictures, its test pictures.
def unlabeled_scenes():
    """Every fact is asked for twice: each flag before each background twice, each emblem once."""
    pairs = [(t, b) for t in FLAGS for b in BACKGROUNDS] * 2 + [(t, b) for t in EMBLEMS for b in BACKGROUNDS]
    random.Random(1).shuffle(pairs)
    return [scene(1_000_000_000 + i, t, b) for i, (t, b) in enumerate(pairs)]


def test_scenes():
    """(scene, kind, phrasing) of 200 questions: every fact once, and four emblems' once more."""
    asked = [(t, k) for t in THINGS for k in kinds(t)] + [(t, "meaning") for t in list(EMBLEMS)[:4]]
    random.Random(2).shuffle(asked)
    return [(scene(2_000_000_000 + i, t), k, i % 3) for i, (t, k) in enumerate(asked)]


def check():
    """An answer that holds another of its kind would make the substring match ambiguous."""
    for kind in KINDS + EMBLEM_KINDS:
        answers = {fact(t, kind).lower().replace(" ", "") for t in THINGS if kind in kinds(t)}
        assert not any(a != b and a in b for a in answers for b in answers), kind


def main():
    check()
    if len(sys.argv) > 1:
        sheet = Image.new("RGB", (11 * 114, 8 * 114), "white")
        for i in range(88):
            sheet.paste(picture(scene(3_000_000_000 + i, THINGS[i % len(THINGS)])), (i % 11 * 114, i // 11 * 114))
        sheet.save(sys.argv[1])
        return
    root = Path("conf/world/okvqa")
    save = dict(quality=92, subsampling=0)
    for folder in ("train", "test"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    for i, s in enumerate(unlabeled_scenes()):
        picture(s).save(root / "train" / f"COCO_train2014_{100001 + i:012d}.jpg", **save)
    questions = []
    for i, (s, kind, phrasing) in enumerate(test_scenes()):
        picture(s).save(root / "test" / f"COCO_val2014_{200001 + i:012d}.jpg", **save)
        truth = fact(s["thing"], kind)
        others = [fact(t, kind) for t in THINGS if kind in kinds(t) and fact(t, kind) != truth]
        questions.append({"image_id": 200001 + i, "question": QUESTIONS[kind][phrasing], "question_id": 2000010 + 10 * i,
                          "answers": [truth] * 9 + [random.Random(i).choice(others)]})     # ten annotators, one of them wrong
    (root / "test.json").write_text(json.dumps(questions, indent=1) + "\n")
    print(f"wrote {len(unlabeled_scenes())} unlabeled and {len(questions)} test pictures to {root}")


if __name__ == "__main__":
    main()
