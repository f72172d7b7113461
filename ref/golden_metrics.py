#!/usr/bin/env python3
"""Writes golden/data/metrics.json: what each metric gives on 20,000 rows that are made to be hard. The rows
themselves come from random numbers (base/random.h has the same), put together from the pieces in the file;
so the file holds a hash for each 100 rows, the first rows in words, and how often definitions part."""
import json, re

import pipeline as p
from common import path

SEED, ROWS, BLOCK, SHOWN = 77, 20000, 100, 60
MASK = (1 << 64) - 1

# In pairs: the second is what the first may turn into.
PIECES = ["dont", "don't", "couldntve", "couldn't've", "couldntve", "couldnt've", "hes", "he's", "somebody'd", "somebodyd",
          "yall", "y'all", "oclock", "o'clock", "lets", "let's", "shes", "she's", "twas", "'twas", "whos", "who's",
          "two", "2", "none", "0", "ten", "10", "Two", "two", "a", "the", "The", "an", "A", "a", "dog", "dogs", "Dog", "dog",
          "dog's", "dogs", "T-shirt", "t shirt", "t-shirt", "tshirt", "1,000", "1000", "10,5", "105", "1.5", "1,5", ".5", "0.5",
          "5.", "5", "3:00", "3 00", "p.m.", "pm", "U.S.A.", "USA", ".", "", "...", "", ",", "", ", ", " ", "?", "", "!", "",
          " - ", "-", "(", "", ")", "", "; ", ";", "/", " / ", "\n", " ", "\t", " ", "  ", " ", "\u3000", " ", "\u00a0", " ",
          "caf\u00e9", "cafe\u0301", "CAF\u00c9", "caf\u00e9", "\u0130", "i", "\u039f\u0394\u039f\u03a3", "\u03bf\u03b4\u03bf\u03c2",
          "\u03a3", "\u03c3", "stra\u00dfe", "STRASSE", "\ufb01sh", "fish", "\u0663", "3", "1,\u0663", "1\u0663", "yes", "Yes",
          "YES", "yes", "no", "No", "coca cola", "Coca-Cola", "coke", "coca", "unanswerable", "unanswerable.", "_", "-",
          "\"", "", "@", " @", "`", "'", "'", "", "<x>", "x", "\u6771\u4eac", "\u6771", "{1}", "1", "a+b", "a b", "=", " =",
          "." * 32, "", "." * 33, ""]
NUMBERS = ["100", "105", "95", "104.99", "94.9", "1e2", "1_00", "\uff11\uff10\uff10", "\u0661\u0660\u0660", "100%", "100 %", "100%%",
           " 100", "100 ", "1.0", "1", "0.57", "57%", "57 %", "-100", "+100", "0", "0.0", "-0", ".5", "5.", "", "%", "%5", "5 %%",
           "1,000", "1000", "0x64", "inf", "-Infinity", "nan", "nan(1)", "NaN", "1e999", "1e-400", "1__0", "_1", "1_", "1_.5",
           "1\u00a0", "\u2003100", "1 00", "Yes", "yes", " yes", "No", "STRASSE", "stra\u00dfe", "\u03a3", "\u03c3", "$100", "2019", "2020",
           "1e", "e5", "--1", "+-1", "1.2.3", "\u00bd", "\u00b2"]


# ---------------------------------------------------------------- the rows

def mix(x):
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9 & MASK
    x = (x ^ x >> 27) * 0x94D049BB133111EB & MASK
    return x ^ x >> 31


class Draw:
    """Numbers of one row, one after another: base/random.h's random_u64(SEED, row, 0), ..."""

    def __init__(self, row):
        golden = 0x9E3779B97F4A7C15
        self.key, self.golden, self.counter = mix(mix(SEED + golden) + row + golden & MASK), golden, 0

    def __call__(self, below):
        x = mix(self.key + self.counter + self.golden & MASK)
        self.counter += 1
        return x % below


def varied(draw, base):
    """Indices of pieces: the base's, in half of the cases one of them is another piece or its partner."""
    out = list(base)
    change = draw(4)
    if change < 2:
        at = draw(len(out))
        out[at] = out[at] ^ 1 if change else draw(len(PIECES))
    return out


def answer(draw, base):
    out = varied(draw, base)
    between = draw(3)
    return (" " if between else "").join(PIECES[i] for i in out)


def words(draw):
    base = [draw(len(PIECES)) for _ in range(1 + draw(4))]
    labels = 10 if draw(2) else 1 + draw(9)
    agree = draw(8) == 0
    first = answer(draw, base)
    return answer(draw, base), [first if agree else answer(draw, base) for _ in range(labels)]


def number(draw, value):
    """value hundredths, up to 8 % more or less."""
    v = value * (92 + draw(17)) // 100
    sign, percent = ("-" if draw(8) == 0 else ""), ("%" if draw(6) == 0 else "")
    return f"{sign}{v // 100}.{v % 100:02d}{percent}"


def numbers(draw):
    if draw(2):
        return NUMBERS[draw(len(NUMBERS))], [NUMBERS[draw(len(NUMBERS))]]
    value = draw(100000)
    return number(draw, value), [number(draw, value)]


def row(i):
    draw = Draw(i)
    return numbers(draw) if draw(3) == 0 else words(draw)


# ---------------------------------------------------------------- the metrics

MARKS = ";/[]\"{}()=+\\_-><@`,?!"
DIGITS = dict(zip("none zero one two three four five six seven eight nine ten".split(), "0 0 1 2 3 4 5 6 7 8 9 10".split()))
STEMS = {"n't": "ai are ca could did does do had has have is might must need ought sha should was were wo would",
         "'ve": "could might must not should they we what where who would you", "n't've": "could had might should would",
         "'d": "he how it someone something there they where who you",
         "'d've": "he it she somebody someone something there they we who you",
         "'ll": "how it somebody someone something they what who why you", "'re": "there they what why you",
         "'s": "he how somebody someone that there what when where who why"}
FORMS = [stem + end for end, stems in STEMS.items() for stem in stems.split()]
FORMS += ["y'all", "y'all'll", "y'all'd've", "ma'am", "o'clock", "'twas", "'ow's'at"]
CONTRACTIONS = {f[:i] + f[i + 1:]: f for f in FORMS for i, c in enumerate(f) if c == "'"} | {"somebody'd": "somebodyd"}


def clean(s):
    return s.strip().replace("\n", " ").replace("\t", " ")


def processed(s):
    out = s
    every = re.search(r"\d,\d", s)
    for m in MARKS:
        out = out.replace(m, "" if every or m + " " in s or " " + m in s else " ")
    out = re.sub(r"\.(?!\d)", "", out, count=32)
    kept = [DIGITS.get(w, w) for w in out.lower().split()]
    return " ".join(CONTRACTIONS.get(w, w) for w in kept if w not in ("a", "an", "the"))


def today(s):
    s = s.lower().replace(",", "").replace("?", "").replace("'s", " 's")
    return processed(clean(s))


def left_out(said, labels):
    each = [min(1, sum(x == said for x in labels[:i] + labels[i + 1:]) / 3) for i in range(len(labels))]
    return sum(each) / len(each)


def vqa(said, labels):
    return left_out(today(said), [today(x) for x in labels])


def vqa_2015(said, labels):
    said, labels = clean(said), [clean(x) for x in labels]
    if len(set(labels)) > 1:
        said, labels = processed(said), [processed(x) for x in labels]
    return left_out(said, labels)


def distance(a, b):
    above = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        line = [i]
        for j, y in enumerate(b, 1):
            line.append(min(line[-1] + 1, above[j] + 1, above[j - 1] + (x != y)))
        above = line
    return above[-1]


def similarity(said, label):
    longer = max(len(said.upper()), len(label.upper()))
    return 1 - distance(" ".join(said.lower().split()), " ".join(label.lower().split())) / longer if longer else 1


def anls(said, labels):
    best = max(similarity(said, x) for x in labels)
    return best if best >= 0.5 else 0


def anls_paper(said, labels):
    """As the paper has it: below 0.5 means not above, and texts count without the spaces around them."""
    said = said.strip().lower()
    best = 0
    for x in (x.strip().lower() for x in labels):
        longer = max(len(said), len(x))
        best = max(best, 1 - distance(said, x) / longer if longer else 1)
    return best if best > 0.5 else 0


def real(s):
    try:
        return float(s.rstrip("%")) / 100 if s.endswith("%") else float(s)
    except ValueError:
        return None


def relaxed_as_is(said, labels):
    for x in labels:
        a, b = real(said), real(x)
        if a is not None and b:
            if abs(a - b) / abs(b) <= 0.05:
                return 1
        elif said.lower() == x.lower():
            return 1
    return 0


def relaxed(said, labels):
    return relaxed_as_is(said.strip(), labels)


def mpa(said, labels):
    best = max(labels, key=lambda x: (labels.count(x), -labels.index(x)))
    return int(p.norm(best) in p.norm(said))


METRICS = {"mpa": mpa, "vqa": vqa, "vqa-2015": vqa_2015, "anls": anls, "relaxed": relaxed}
PARTING = {"vqa and vqa-2015": (vqa, vqa_2015), "anls and the paper's": (anls, anls_paper),
           "relaxed and the unstripped": (relaxed, relaxed_as_is)}


# ---------------------------------------------------------------- the file

def fnv(h, text):
    for b in text.encode() + b"\0":
        h = (h ^ b) * 0x100000001B3 & MASK
    return h


def hashes(rows, scores):
    """Of each block: the texts of its rows, and by metric its scores in thousand millionths."""
    out = {name: [] for name in ["rows", *scores]}
    for first in range(0, ROWS, BLOCK):
        for name in out:
            h = 0xCBF29CE484222325
            for i in range(first, first + BLOCK):
                texts = [rows[i][0], *rows[i][1]] if name == "rows" else [str(round(scores[name][i] * 1e9))]
                for t in texts:
                    h = fnv(h, t)
            out[name].append(f"{h:016x}")
    return out


def main():
    rows = [row(i) for i in range(ROWS)]
    scores = {name: [f(*r) for r in rows] for name, f in METRICS.items()}
    file = dict(seed=SEED, rows=ROWS, block=BLOCK, pieces=PIECES, numbers=NUMBERS, hashes=hashes(rows, scores),
                means={name: sum(s) / ROWS for name, s in scores.items()},
                part={k: sum(abs(f(*r) - g(*r)) > 1e-9 for r in rows) for k, (f, g) in PARTING.items()},
                shown=[[*rows[i], *(round(s[i], 9) for s in scores.values())] for i in range(SHOWN)])
    with open(path("golden", "data", "metrics.json"), "w", encoding="utf-8") as f:
        json.dump(file, f, ensure_ascii=False)
    print("golden/data/metrics.json:", file["means"], file["part"])


if __name__ == "__main__":
    main()
