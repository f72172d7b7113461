"""Flags and emblems, and facts about them that no picture shows (OKVQA's kind of question).

On a background is one flag or emblem in one view (flat, faded, tilted, waving, badge), varied in place, size,
colour and noise."""
import math, random

import numpy as np
from PIL import Image, ImageDraw

from world_canvas import BACKGROUNDS, SIZE, Canvas, Question, jitter

COLOURS = {
    "black": (20, 20, 20), "red": (205, 25, 40), "gold": (250, 205, 20), "white": (245, 245, 245),
    "blue": (25, 60, 160), "green": (15, 130, 70), "yellow": (245, 220, 40), "orange": (245, 135, 30),
    "sky": (90, 160, 225), "maroon": (130, 25, 50),
}
VIEWS = ("flat", "faded", "tilted", "waving", "badge")

# country: capital, currency, language, how its flag is drawn; no two have the same colours
FLAGS = {
    "Germany": ("Berlin", "euro", "German", "h black red gold"),
    "Estonia": ("Tallinn", "euro", "Estonian", "h sky black white"),
    "Lithuania": ("Vilnius", "euro", "Lithuanian", "h yellow green red"),
    "Armenia": ("Yerevan", "dram", "Armenian", "h red blue orange"),
    "Yemen": ("Sanaa", "rial", "Arabic", "h red white black"),
    "Gabon": ("Libreville", "franc", "French", "h green yellow blue"),
    "Sierra Leone": ("Freetown", "leone", "English", "h green white sky"),
    "Colombia": ("Bogota", "peso", "Spanish", "h yellow yellow blue red"),
    "Ukraine": ("Kyiv", "hryvnia", "Ukrainian", "h blue yellow"),
    "France": ("Paris", "euro", "French", "v blue white red"),
    "Italy": ("Rome", "euro", "Italian", "v green white red"),
    "Ireland": ("Dublin", "euro", "English", "v green white orange"),
    "Nigeria": ("Abuja", "naira", "English", "v green white green"),
    "Finland": ("Helsinki", "euro", "Finnish", "n white blue"),
    "Japan": ("Tokyo", "yen", "Japanese", "d white red"),
    "Bangladesh": ("Dhaka", "taka", "Bengali", "d green red"),
    "Palau": ("Ngerulmud", "dollar", "Palauan", "d sky yellow"),
}
# emblem: what it stands for
EMBLEMS = {"Olympic rings": "sport", "yin yang": "balance", "heart": "love"}

KINDS = ("country", "capital", "currency", "language")
QUESTIONS = {
    "country": ("Which country does this flag belong to?", "What country has this flag?"),
    "capital": ("What is the capital of the country with this flag?", "Which city is the capital of this country?"),
    "currency": ("What is the currency of the country with this flag?", "What money is used in this country?"),
    "language": ("Which language is spoken in the country with this flag?", "What is the main language of this country?"),
    "name": ("What is this symbol called?", "What is the name of this emblem?"),
    "meaning": ("What does this symbol stand for?", "What is this emblem a sign of?"),
}


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
        cx, cy, t = x0 + w * 0.36, y0 + h / 2, h * 0.08
        d.rectangle((cx - t, y0, cx + t, y1), fill=colours[1])
        d.rectangle((x0, cy - t, x1, cy + t), fill=colours[1])
    else:
        r, cx, cy = h * 0.3, x0 + w / 2, y0 + h / 2
        d.ellipse((cx - r, cy - r, cx + r, cy + r), fill=colours[1])


# Each emblem is drawn in colour c around (x, y) with radius r and lines of width t.

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


def draw_heart(d, rng, c, x, y, r, t):
    c, q = jitter(rng, COLOURS["red"], 25), r * 0.52
    d.ellipse((x - 2 * q, y - r * 0.8, x, y - r * 0.8 + 2 * q), fill=c)
    d.ellipse((x, y - r * 0.8, x + 2 * q, y - r * 0.8 + 2 * q), fill=c)
    d.polygon([(x - 1.86 * q, y + 0.02 * r), (x, y - 0.5 * r), (x + 1.86 * q, y + 0.02 * r), (x, y + r)], fill=c)


DRAW_EMBLEM = {"Olympic rings": draw_olympic_rings, "yin yang": draw_yin_yang, "heart": draw_heart}


def draw_emblem(d, rng, thing, box):
    x0, y0, x1, y1 = box
    r = min(x1 - x0, y1 - y0) / 2
    c = jitter(rng, rng.choice([COLOURS[n] for n in ("black", "blue", "white", "gold", "maroon")]), 18)
    DRAW_EMBLEM[thing](d, rng, c, (x0 + x1) / 2, (y0 + y1) / 2, r, max(2, int(r * 0.16)))


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
        draw_flag(d, rng, FLAGS[thing][3], (0, 0, w - 1, h - 1))
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


TAUGHT = {*list(FLAGS)[::2], "Olympic rings", "heart"}  # to the student


def facts(thing):
    if thing in EMBLEMS:
        return {"name": thing, "meaning": EMBLEMS[thing]}
    return dict(zip(KINDS, (thing,) + FLAGS[thing]))


def description(thing, background, view):
    if thing in EMBLEMS:
        return f"{background}, {view} emblem, {thing}"
    form, *colours = FLAGS[thing][3].split()
    shape = {"h": "horizontal stripes", "v": "vertical stripes", "n": "nordic cross", "d": "disc"}[form]
    return f"{background}, {view} flag, {shape}, {' '.join(colours)}"


def draw(rng):
    """One picture and what can be asked about it. Every kind of question is asked on every background and in
    every view: a student that learns from the pairs must not be able to tell the question from the background."""
    background, view = rng.choice(list(BACKGROUNDS)), rng.choice(VIEWS)
    thing = rng.choice(list(FLAGS) + list(EMBLEMS))
    canvas = Canvas(rng, background)
    top = draw_thing(rng, thing, view)
    at = rng.randint(4, 2 * SIZE - top.width - 4), rng.randint(4, 2 * SIZE - top.height - 4)
    canvas.image.paste(top, at, top)
    canvas.thing((*at, at[0] + top.width, at[1] + top.height), "flag", thing, "")
    said = description(thing, background, view)
    asks = [Question(QUESTIONS[kind], fact, thing in TAUGHT) for kind, fact in facts(thing).items()]
    n = list(BACKGROUNDS).index(background)
    return canvas.scene(said, said, asks, (n + VIEWS.index(view)) % 5 % len(asks), n % 2)
