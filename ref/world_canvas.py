"""What the four kinds of pictures share: a canvas on a background, drawn at twice the size of the picture, and
the marks beside it, which say for each pixel which character, which named colour and which thing it belongs to."""
import random
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

SIZE = 112
BACKGROUNDS = {"wall": (190, 185, 175), "sky": (150, 195, 235), "grass": (110, 150, 80), "wood": (140, 100, 65),
               "night": (45, 50, 75)}
COLOURS = {"red": (205, 25, 40), "orange": (245, 135, 30), "yellow": (245, 220, 40), "green": (15, 130, 70),
           "blue": (25, 60, 160), "purple": (125, 50, 150), "pink": (240, 140, 180), "black": (20, 20, 20),
           "white": (245, 245, 245)}
CHARACTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789$"
FONTS = ["/usr/share/fonts/truetype/" + f for f in (
    "dejavu/DejaVuSans-Bold.ttf", "dejavu/DejaVuSerif-Bold.ttf", "dejavu/DejaVuSansMono-Bold.ttf",
    "liberation/LiberationSans-Bold.ttf", "liberation/LiberationSerif-Bold.ttf",
    "liberation/LiberationSansNarrow-Bold.ttf")]  # Debian: fonts-dejavu-core, fonts-liberation
_fonts = {}


TAUGHT_DIGITS = set("0124578")  # to the student, before it is aligned: in numbers of these alone


@dataclass
class Question:
    wordings: tuple
    answer: str
    taught: bool  # to the student, before it is aligned


@dataclass
class Thing:
    """Something that is asked about: a sign, a plate with a name or a number, a bar, a flag or emblem."""
    role: str
    text: str
    colour: str
    rank: int = -1  # of a bar: how many are longer
    count: int = -1  # of the bars


@dataclass
class Scene:
    image: np.ndarray  # uint8 [112, 112, 3]
    marks: np.ndarray  # uint8 [3, 112, 112]: character, colour and thing, from 1; 0: none
    things: list
    dense: str  # all that can be seen, for the teacher's lessons
    coarse: str  # without what the student cannot read
    questions: list
    asked: tuple  # what an annotator asks: index of the question, index of its wording


def jitter(rng, colour, amount):
    shift = rng.randint(-amount, amount)
    return tuple(max(0, min(255, c + shift + rng.randint(-amount // 2, amount // 2))) for c in colour)


def font(rng, size):
    key = rng.choice(FONTS), size
    if key not in _fonts:
        _fonts[key] = ImageFont.truetype(*key)
    return _fonts[key]


def ink(rng, colour):
    """A colour that is readable on the named one."""
    return jitter(rng, (235, 235, 235) if colour in ("red", "green", "blue", "purple", "black") else (25, 25, 25), 18)


class Layer:
    """A drawing and its marks, both of one size."""

    def __init__(self, w, h, fill):
        self.image = Image.new("RGBA", (w, h), fill)
        self.marks = [Image.new("L", (w, h), 0) for _ in range(3)]
        self.draw = ImageDraw.Draw(self.image)

    def block(self, rng, box, colour, amount=18, rounded=0, outline=None):
        """A rectangle of a named colour."""
        rgb = jitter(rng, COLOURS[colour], amount)
        self.draw.rounded_rectangle(box, rounded, fill=rgb, outline=outline, width=2 if outline else 0)
        ImageDraw.Draw(self.marks[1]).rectangle(box, fill=1 + list(COLOURS).index(colour))

    def text(self, x, y, text, face, colour):
        """Text in the middle of x, y."""
        left, top, right, bottom = face.getbbox(text)
        x, y = x - (left + right) / 2, y - (top + bottom) / 2
        self.draw.text((x, y), text, font=face, fill=colour)
        marks = ImageDraw.Draw(self.marks[0])
        for i, c in enumerate(text):
            a, b = x + face.getlength(text[:i]), x + face.getlength(text[:i + 1])
            marks.rectangle((a, y + top, b - 1, y + bottom), fill=1 + CHARACTERS.index(c))

    def mark(self, number, box=None):
        """All of it, or a box, belongs to the thing of this number."""
        ImageDraw.Draw(self.marks[2]).rectangle(box or (0, 0, *self.image.size), fill=number)

    def paste(self, other, at, angle=0):
        """Puts another layer on this one, turned by some degrees."""
        if angle:
            other.image = other.image.rotate(angle, Image.BICUBIC, expand=True)
            other.marks = [m.rotate(angle, Image.NEAREST, expand=True) for m in other.marks]
        covered = other.image.getchannel("A").point(lambda a: 255 if a > 127 else 0)
        self.image.paste(other.image, at, other.image)
        for mine, its in zip(self.marks, other.marks):
            mine.paste(its, at, covered)


class Canvas(Layer):
    def __init__(self, rng, background, rgb=None):
        super().__init__(2 * SIZE, 2 * SIZE, jitter(rng, rgb or BACKGROUNDS[background], 14) + (255,))
        self.rng, self.things = rng, []
        if not rgb:
            DRAW_BACKGROUND[background](self.draw, rng)

    def thing(self, box, *what):
        """What lies in the box."""
        self.things.append(Thing(*what))
        self.mark(len(self.things), box)

    def scene(self, dense, coarse, questions, asked, wording):
        """The picture: reduced, sometimes blurred, with noise."""
        rng = self.rng
        im = self.image.convert("RGB").resize((SIZE, SIZE), Image.LANCZOS)
        if rng.random() < 0.3:
            im = im.filter(ImageFilter.GaussianBlur(rng.uniform(0.2, 0.6)))
        level = rng.randint(0, 5)
        noise = np.random.default_rng(rng.getrandbits(32)).integers(-level, level + 1, (SIZE, SIZE, 3))
        image = np.clip(np.asarray(im, np.int64) + noise, 0, 255).astype(np.uint8)
        marks = np.stack([np.asarray(m)[::2, ::2] for m in self.marks])
        return Scene(image, marks, self.things, dense, coarse, questions, (asked, wording))


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
