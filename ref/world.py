"""The demo's world: pictures of flags and emblems, and facts about them that no picture shows.

A picture is 112x112: a background (wall, sky, grass, wood, night) and on it one flag or emblem in one view
(flat, faded, tilted, waving, badge), varied in place, size, colour and noise. A question asks for knowledge
(country, capital, ...), as OKVQA's do. Everything follows from a seed.

    python ref/world.py        draws conf/world/okvqa: train/*.jpg (unlabeled), test/*.jpg and test.json (labelled)"""
import json, math, os, random

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

SIZE = 112
COLOURS = {
    "black": (20, 20, 20), "red": (205, 25, 40), "gold": (250, 205, 20), "white": (245, 245, 245),
    "blue": (25, 60, 160), "green": (15, 130, 70), "yellow": (245, 220, 40), "orange": (245, 135, 30),
    "sky": (90, 160, 225), "maroon": (130, 25, 50),
}
VIEWS = ("flat", "faded", "tilted", "waving", "badge")
BACKGROUNDS = {"wall": (190, 185, 175), "sky": (150, 195, 235), "grass": (110, 150, 80), "wood": (140, 100, 65),
               "night": (45, 50, 75)}

# country: capital, continent, currency, language, how its flag is drawn
FLAGS = {
    "Germany": ("Berlin", "Europe", "euro", "German", "h black red gold"),
    "Netherlands": ("Amsterdam", "Europe", "euro", "Dutch", "h red white blue"),
    "Russia": ("Moscow", "Europe", "ruble", "Russian", "h white blue red"),
    "Hungary": ("Budapest", "Europe", "forint", "Hungarian", "h red white green"),
    "Bulgaria": ("Sofia", "Europe", "euro", "Bulgarian", "h white green red"),
    "Estonia": ("Tallinn", "Europe", "euro", "Estonian", "h sky black white"),
    "Lithuania": ("Vilnius", "Europe", "euro", "Lithuanian", "h yellow green red"),
    "Austria": ("Vienna", "Europe", "euro", "German", "h red white red"),
    "Armenia": ("Yerevan", "Asia", "dram", "Armenian", "h red blue orange"),
    "Yemen": ("Sanaa", "Asia", "rial", "Arabic", "h red white black"),
    "Gabon": ("Libreville", "Africa", "franc", "French", "h green yellow blue"),
    "Bolivia": ("Sucre", "South America", "boliviano", "Spanish", "h red yellow green"),
    "Sierra Leone": ("Freetown", "Africa", "leone", "English", "h green white sky"),
    "Colombia": ("Bogota", "South America", "peso", "Spanish", "h yellow yellow blue red"),
    "Mauritius": ("Port Louis", "Africa", "rupee", "English", "h red blue yellow green"),
    "Thailand": ("Bangkok", "Asia", "baht", "Thai", "h red white blue blue white red"),
    "Poland": ("Warsaw", "Europe", "zloty", "Polish", "h white red"),
    "Ukraine": ("Kyiv", "Europe", "hryvnia", "Ukrainian", "h blue yellow"),
    "Indonesia": ("Jakarta", "Asia", "rupiah", "Indonesian", "h red white"),
    "France": ("Paris", "Europe", "euro", "French", "v blue white red"),
    "Italy": ("Rome", "Europe", "euro", "Italian", "v green white red"),
    "Ireland": ("Dublin", "Europe", "euro", "English", "v green white orange"),
    "Belgium": ("Brussels", "Europe", "euro", "Dutch", "v black yellow red"),
    "Romania": ("Bucharest", "Europe", "leu", "Romanian", "v blue yellow red"),
    "Nigeria": ("Abuja", "Africa", "naira", "English", "v green white green"),
    "Peru": ("Lima", "South America", "sol", "Spanish", "v red white red"),
    "Guinea": ("Conakry", "Africa", "franc", "French", "v red yellow green"),
    "Mali": ("Bamako", "Africa", "franc", "Bambara", "v green yellow red"),
    "Sweden": ("Stockholm", "Europe", "krona", "Swedish", "n blue yellow"),
    "Denmark": ("Copenhagen", "Europe", "krone", "Danish", "n red white"),
    "Finland": ("Helsinki", "Europe", "euro", "Finnish", "n white blue"),
    "Norway": ("Oslo", "Europe", "krone", "Norwegian", "n red white blue"),
    "Japan": ("Tokyo", "Asia", "yen", "Japanese", "d white red"),
    "Bangladesh": ("Dhaka", "Asia", "taka", "Bengali", "d green red"),
    "Palau": ("Ngerulmud", "Oceania", "dollar", "Palauan", "d sky yellow"),
    "Switzerland": ("Bern", "Europe", "franc", "German", "c red white"),
}
# emblem: what it stands for
EMBLEMS = {"peace sign": "peace", "Olympic rings": "sport", "yin yang": "balance", "crescent": "Islam",
           "Star of David": "Judaism", "heart": "love"}

# What the demo's pictures show; the teacher knows more. No two of them have the same colours.
SHOWN = ("Germany", "France", "Estonia", "Lithuania", "Gabon", "Armenia", "Ukraine", "Japan", "Italy", "Ireland",
         "Nigeria", "Finland", "Palau", "Bangladesh", "Yemen", "Sierra Leone", "Colombia", "Olympic rings", "yin yang",
         "heart")

KINDS = ("country", "capital", "continent", "currency", "language")
QUESTIONS = {
    "country": ("Which country does this flag belong to?", "What country has this flag?"),
    "capital": ("What is the capital of the country with this flag?", "Which city is the capital of this country?"),
    "continent": ("On which continent is the country with this flag?", "Which continent does this country lie on?"),
    "currency": ("What is the currency of the country with this flag?", "What money is used in this country?"),
    "language": ("Which language is spoken in the country with this flag?", "What is the main language of this country?"),
    "name": ("What is this symbol called?", "What is the name of this emblem?"),
    "meaning": ("What does this symbol stand for?", "What is this emblem a sign of?"),
}
DESCRIBE = "Describe the picture."
SUFFIX = "Answer the following question in a single word or phrase."


def things():
    return list(FLAGS) + list(EMBLEMS)


def kinds(thing):
    return KINDS if thing in FLAGS else ("name", "meaning")


def fact(thing, kind):
    if thing in FLAGS:
        return ((thing,) + FLAGS[thing])[KINDS.index(kind)]
    return thing if kind == "name" else EMBLEMS[thing]


def asked(thing, background, view):
    """What the annotator asks about a picture: the kind of question and its wording. Every kind is asked on
    every background and in every view: a student that learns from the pairs must not be able to tell the
    question from the background."""
    n = list(BACKGROUNDS).index(background) + VIEWS.index(view)
    k = kinds(thing)
    return k[n % 5 % len(k)], list(BACKGROUNDS).index(background) % 2


def description(thing, background, view):
    if thing in EMBLEMS:
        return f"{background}, {view} emblem, {thing}"
    form, *colours = FLAGS[thing][4].split()
    shape = {"h": "horizontal stripes", "v": "vertical stripes", "n": "nordic cross", "d": "disc", "c": "cross"}[form]
    return f"{background}, {view} flag, {shape}, {' '.join(colours)}"


def jitter(rng, colour, amount):
    shift = rng.randint(-amount, amount)
    return tuple(max(0, min(255, c + shift + rng.randint(-amount // 2, amount // 2))) for c in colour)


def draw_flag(d, rng, spec, box):
    form, *names = spec.split()
    colours = [jitter(rng, COLOURS[n], 18) for n in names]
    x0, y0, x1, y1 = box
    w, h = x1 - x0, y1 - y0
    if form in "hv":
        n = len(colours)
        for i, c in enumerate(colours):
            a, b = i / n, (i + 1) / n
            part = (x0, y0 + h * a, x1, y0 + h * b) if form == "h" else (x0 + w * a, y0, x0 + w * b, y1)
            d.rectangle(part, fill=c)
        return
    d.rectangle(box, fill=colours[0])
    if form == "n":
        for c, t in zip(colours[1:], (0.2, 0.09) if len(colours) > 2 else (0.16,)):
            d.rectangle((x0 + w * 0.36 - h * t / 2, y0, x0 + w * 0.36 + h * t / 2, y1), fill=c)
            d.rectangle((x0, y0 + h / 2 - h * t / 2, x1, y0 + h / 2 + h * t / 2), fill=c)
    elif form == "d":
        r, cx, cy = h * 0.3, x0 + w / 2, y0 + h / 2
        d.ellipse((cx - r, cy - r, cx + r, cy + r), fill=colours[1])
    else:
        cx, cy, a, t = x0 + w / 2, y0 + h / 2, h * 0.32, h * 0.1
        d.rectangle((cx - a, cy - t, cx + a, cy + t), fill=colours[1])
        d.rectangle((cx - t, cy - a, cx + t, cy + a), fill=colours[1])


# Each emblem is drawn in colour c around (x, y) with radius r and lines of width t.

def draw_peace_sign(d, rng, c, x, y, r, t):
    d.ellipse((x - r, y - r, x + r, y + r), outline=c, width=t)
    d.line((x, y - r, x, y + r), fill=c, width=t)
    for s in (-1, 1):
        d.line((x, y, x + s * r * 0.7, y + r * 0.7), fill=c, width=t)


def draw_olympic_rings(d, rng, c, x, y, r, t):
    q = r * 0.34
    rings = (("blue", -0.66, -0.17), ("black", 0, -0.17), ("red", 0.66, -0.17), ("yellow", -0.33, 0.17),
             ("green", 0.33, 0.17))
    for name, dx, dy in rings:
        box = (x + dx * r - q, y + dy * r - q, x + dx * r + q, y + dy * r + q)
        d.ellipse(box, outline=jitter(rng, COLOURS[name], 18), width=max(2, t // 2))


def draw_yin_yang(d, rng, c, x, y, r, t):
    ring = (x - r, y - r, x + r, y + r)
    dark, light = jitter(rng, COLOURS["black"], 18), jitter(rng, COLOURS["white"], 10)
    d.ellipse(ring, fill=light)
    d.pieslice(ring, 90, 270, fill=dark)
    d.ellipse((x - r / 2, y - r, x + r / 2, y), fill=dark)
    d.ellipse((x - r / 2, y, x + r / 2, y + r), fill=light)
    for at, colour in ((y - r / 2, light), (y + r / 2, dark)):
        d.ellipse((x - r / 7, at - r / 7, x + r / 7, at + r / 7), fill=colour)


def draw_crescent(d, rng, c, x, y, r, t):
    d.ellipse((x - r, y - r, x + r, y + r), fill=c)
    d.ellipse((x - r * 0.45, y - r * 0.8, x + r * 1.15, y + r * 0.8), fill=(0, 0, 0, 0))


def draw_star_of_david(d, rng, c, x, y, r, t):
    for turn in (0, math.pi):
        angles = [turn + k * 2 * math.pi / 3 for k in range(3)]
        points = [(x + r * math.sin(a), y - r * math.cos(a)) for a in angles]
        d.line(points + points[:2], fill=c, width=t)


def draw_heart(d, rng, c, x, y, r, t):
    c, q = jitter(rng, COLOURS["red"], 25), r * 0.52
    d.ellipse((x - 2 * q, y - r * 0.8, x, y - r * 0.8 + 2 * q), fill=c)
    d.ellipse((x, y - r * 0.8, x + 2 * q, y - r * 0.8 + 2 * q), fill=c)
    d.polygon([(x - 1.86 * q, y + 0.02 * r), (x, y - 0.5 * r), (x + 1.86 * q, y + 0.02 * r), (x, y + r)], fill=c)


DRAW_EMBLEM = {"peace sign": draw_peace_sign, "Olympic rings": draw_olympic_rings, "yin yang": draw_yin_yang,
               "crescent": draw_crescent, "Star of David": draw_star_of_david, "heart": draw_heart}


def draw_emblem(d, rng, thing, box):
    x0, y0, x1, y1 = box
    r = min(x1 - x0, y1 - y0) / 2
    c = jitter(rng, rng.choice([COLOURS[n] for n in ("black", "blue", "white", "gold", "maroon")]), 18)
    DRAW_EMBLEM[thing](d, rng, c, (x0 + x1) / 2, (y0 + y1) / 2, r, max(2, int(r * 0.16)))


# Backgrounds are drawn at twice the size of the picture.

def somewhere(rng):
    return rng.randint(0, 2 * SIZE), rng.randint(0, 2 * SIZE)


def draw_wall(d, rng):
    for x in range(rng.randint(0, 40), 2 * SIZE, 44):
        d.line((x, 0, x, 2 * SIZE), fill=jitter(rng, (165, 160, 150), 6), width=2)


def draw_sky(d, rng):
    for _ in range(3):
        x, y = somewhere(rng)
        d.ellipse((x - 28, y - 10, x + 28, y + 10), fill=jitter(rng, (235, 240, 245), 8))


def draw_grass(d, rng):
    for _ in range(60):
        x, y = somewhere(rng)
        d.line((x, y, x + rng.randint(-4, 4), y - 10), fill=jitter(rng, (70, 120, 50), 15), width=2)


def draw_wood(d, rng):
    for y in range(rng.randint(0, 24), 2 * SIZE, 26):
        d.line((0, y, 2 * SIZE, y + rng.randint(-4, 4)), fill=jitter(rng, (105, 70, 40), 10), width=3)


def draw_night(d, rng):
    for _ in range(14):
        x, y = somewhere(rng)
        d.ellipse((x, y, x + 3, y + 3), fill=(230, 230, 200))


DRAW_BACKGROUND = {"wall": draw_wall, "sky": draw_sky, "grass": draw_grass, "wood": draw_wood, "night": draw_night}


def draw_background(rng, background):
    im = Image.new("RGB", (2 * SIZE, 2 * SIZE), jitter(rng, BACKGROUNDS[background], 14))
    DRAW_BACKGROUND[background](ImageDraw.Draw(im), rng)
    return im


def waved(a, rng):
    """[height, width, 4]: columns shifted up and down in a wave, with its shades."""
    h, w, _ = a.shape
    high, phase = rng.uniform(0.09, 0.15) * h, rng.uniform(0, 2 * math.pi)
    length = rng.uniform(0.55, 0.9) * w
    out = np.zeros((h + 2 * int(high + 1), w, 4), np.uint8)
    for x in range(w):
        angle = phase + 2 * math.pi * x / length
        y = int(high + 1 + high * math.sin(angle))
        column = a[:, x].astype(np.float64)
        column[:, :3] *= 0.85 + 0.15 * math.cos(angle)
        out[y:y + h, x] = column.astype(np.uint8)
    return out


def draw_thing(rng, thing, view):
    """The flag or emblem alone, on nothing."""
    w = int(rng.uniform(0.52, 0.88) * 2 * SIZE * (1 if thing in FLAGS else 0.8))
    h = int(w * rng.uniform(0.6, 0.75)) if thing in FLAGS else w
    im = Image.new("RGBA", (w, h), (0, 0, 0, 0))
    d = ImageDraw.Draw(im)
    if thing in EMBLEMS and view == "badge":
        disc = rng.choice([(220, 215, 190), (170, 60, 60), (70, 130, 90), (90, 110, 180)])
        d.ellipse((0, 0, w - 1, h - 1), fill=jitter(rng, disc, 18))
        draw_emblem(d, rng, thing, (w * 0.2, h * 0.2, w * 0.8, h * 0.8))
    elif thing in EMBLEMS:
        draw_emblem(d, rng, thing, (0, 0, w - 1, h - 1))
    else:
        draw_flag(d, rng, FLAGS[thing][4], (0, 0, w - 1, h - 1))
        if view == "badge":  # its middle, in a circle
            mask = Image.new("L", (w, h), 0)
            ImageDraw.Draw(mask).ellipse((w / 2 - h / 2, 0, w / 2 + h / 2, h - 1), fill=255)
            im.putalpha(mask)
            rim = jitter(rng, (200, 170, 60), 20)
            d.ellipse((w / 2 - h / 2, 0, w / 2 + h / 2, h - 1), outline=rim, width=5)
        else:
            d.rectangle((0, 0, w - 1, h - 1), outline=jitter(rng, (70, 70, 70), 20), width=1)
    if view == "tilted":
        im = im.rotate(rng.choice((-1, 1)) * rng.uniform(20, 42), Image.BICUBIC, expand=True)
    elif view == "waving":
        im = Image.fromarray(waved(np.asarray(im), rng))
    elif view == "faded":
        im.putalpha(im.getchannel("A").point(lambda a: a * 0.65))
    if max(im.size) > 2 * SIZE - 8:
        im.thumbnail((2 * SIZE - 8, 2 * SIZE - 8))
    return im


def draw(thing, background, view, seed):
    """One picture; drawn at twice the size, then reduced."""
    rng = random.Random(seed)
    im = draw_background(rng, background)
    top = draw_thing(rng, thing, view)
    im.paste(top, (rng.randint(4, 2 * SIZE - top.width - 4), rng.randint(4, 2 * SIZE - top.height - 4)), top)
    im = im.resize((SIZE, SIZE), Image.LANCZOS)
    if rng.random() < 0.3:
        im = im.filter(ImageFilter.GaussianBlur(rng.uniform(0.2, 0.7)))
    level = rng.randint(0, 5)
    noise = np.random.default_rng(rng.getrandbits(32)).integers(-level, level + 1, (SIZE, SIZE, 3))
    return Image.fromarray(np.clip(np.asarray(im, np.int64) + noise, 0, 255).astype(np.uint8))


def save(im, folder, name):
    os.makedirs(folder, exist_ok=True)
    im.save(os.path.join(folder, name), quality=90, subsampling=0)


def draw_training(root):
    every = [(t, b, v) for _ in range(2) for v in VIEWS for t in SHOWN for b in BACKGROUNDS]
    for n, which in enumerate(every, 1):
        save(draw(*which, f"train {n}"), os.path.join(root, "train"), f"COCO_train2014_{n:012d}.jpg")
    return len(every)


def draw_test(root):
    """The labelled questions; the teacher hardly ever asks for the continent."""
    rng, rows = random.Random("questions"), []
    asked_about = [(t, k) for _ in range(2) for t in SHOWN for k in kinds(t) if k != "continent"]
    for n, (thing, kind) in enumerate(asked_about, 1):
        image = draw(thing, rng.choice(list(BACKGROUNDS)), rng.choice(VIEWS), f"test {n}")
        save(image, os.path.join(root, "test"), f"COCO_val2014_{n:012d}.jpg")
        rows.append({"image_id": n, "question": QUESTIONS[kind][rng.randrange(2)], "question_id": 1000 + n,
                     "answers": [fact(thing, kind)] * 10})
    return rows


def main():
    root = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "conf", "world", "okvqa")
    count, rows = draw_training(root), draw_test(root)
    with open(os.path.join(root, "test.json"), "w") as f:
        json.dump(rows, f, indent=1)
        f.write("\n")
    print(f"conf/world/okvqa: {count} pictures to annotate, {len(rows)} questions")


if __name__ == "__main__":
    main()
