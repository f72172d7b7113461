#!/usr/bin/env python3
"""Writes golden/mpa/characters.json and src/text/unicode_python_tables.h: what str.lower(), \\w and
re.IGNORECASE of Python 3.13 (Unicode 15.1) make of every code point. An older Python computes it too: a
character that it does not know yet is put in the place of one of the same category that it knows, and none of
them has a form in the other case."""
import json, re, string, sys, unicodedata

import unicodedata2

import pipeline as p
from common import path

ALL = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
BLOCK = 4096
SIGMA, FINAL = "\u03a3", "\u03c2"
STAND_IN = {"Lo": "\u4e00", "Lm": "\u02d1", "Ll": "\u019b", "Mn": "\u0301", "Mc": "\u0903", "Nd": "\u0663", "No": "\u00b2",
            "So": "\u2600", "Po": "!", "Cf": "\u00ad", "Cn": "\u0378"}


def known(c):
    """The character c, and what this Python is shown for it."""
    ch, category = chr(c), unicodedata2.category(chr(c))
    return ch, ch if unicodedata.category(ch) == category else STAND_IN[category]


def seen(f, before, c, after):
    """f(before + c + after), where f leaves stand-ins as they are or drops them."""
    ch, shown = known(c)
    return f(before + shown + after) if ch == shown else f(before + shown + after).replace(shown, ch)


def word(c):
    return bool(re.match(r"\w", known(c)[1]))


def cased(c):
    return (known(c)[1] + SIGMA).lower().endswith(FINAL)


def ignorable(c):
    """Case_Ignorable: what stands before it decides."""
    return not cased(c) and ("A" + known(c)[1] + SIGMA).lower().endswith(FINAL)


def digit(c):
    return bool(re.match(r"\d", known(c)[1]))


def upper_length(c):
    return len(known(c)[1].upper())


# ---------------------------------------------------------------- tables

def ranges(member):
    out = []
    for c in filter(member, ALL):
        if out and out[-1][1] == c - 1:
            out[-1][1] = c
        else:
            out.append([c, c])
    return out


def lower_runs():
    """[first, last, step, what is added]; one character becomes one, but for the dotted capital I."""
    out = []
    for c in ALL:
        low = known(c)[1].lower()
        add = 0 if low == known(c)[1] or len(low) > 1 else ord(low) - c
        if not add:
            continue
        if out and out[-1][3] == add and (c - out[-1][1] == out[-1][2] or (out[-1][0] == out[-1][1] and c - out[-1][1] == 2)):
            out[-1][1:3] = [c, c - out[-1][1]]
        else:
            out.append([c, c, 1, add])
    return out


def table(kind, name, rows):
    """A C array, in lines of at most 110 characters."""
    cells = ["{" + ", ".join(f"0x{x:X}" if i < 2 else str(x) for i, x in enumerate(r)) + "}" for r in rows]
    lines, line = [], "   "
    for cell in cells:
        if len(line) + len(cell) + 2 > 108:
            lines.append(line)
            line = "   "
        line += " " + cell + ","
    return f"static const {kind} {name}[] = {{\n" + "\n".join(lines + [line]) + "\n};\n"


def header():
    return f"""/* What Python 3.13 (Unicode {unicodedata2.unidata_version}) makes of each character; written by ref/golden_characters.py.
 * Included by unicode_python.c alone. */
#ifndef MPA_TEXT_UNICODE_PYTHON_TABLES_H
#define MPA_TEXT_UNICODE_PYTHON_TABLES_H

#include "text/range.h"

typedef struct {{
    int32_t first, last, step, add;
}} LowerRun;

/* clang-format off */
/* \\w */
{table("Range", "words", ranges(word))}
/* Cased, and not Case_Ignorable */
{table("Range", "cased_letters", ranges(cased))}
/* Case_Ignorable */
{table("Range", "ignorables", ranges(ignorable))}
/* \\d, from a zero on, ten by ten */
{table("Range", "digits", ranges(digit))}
/* str.upper() makes two or three characters */
{table("Range", "upper_two", ranges(lambda c: upper_length(c) == 2))}
{table("Range", "upper_three", ranges(lambda c: upper_length(c) == 3))}
/* str.lower(): characters first, first + step, ..., last become that plus `add` */
{table("LowerRun", "lower_runs", lower_runs())}/* clang-format on */

#endif
"""


# ---------------------------------------------------------------- golden

def fnv(h, text):
    for b in text.encode() + b"\0":
        h = (h ^ b) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return h


CONTEXTS = [("", ""), ("A", SIGMA), ("", SIGMA), ("A" + SIGMA, "B"), ("A" + SIGMA, "")]


def blocks():
    """For each block of code points the hash of their texts in all contexts, as norm leaves them."""
    for first in range(0, 0x110000, BLOCK):
        h = 0xCBF29CE484222325
        for c in range(max(first, 1), first + BLOCK):
            if not 0xD800 <= c < 0xE000:
                for before, after in CONTEXTS:
                    h = fnv(h, seen(p.norm, before, c, after))
        yield f"{h:016x}"


def same_letter(letter):
    """All characters that re takes for the letter."""
    return "".join(chr(c) for c in ALL if re.match(letter, chr(c), re.IGNORECASE))


def digits():
    """The zeros of all scripts; nine more digits stand behind each."""
    zeros = [c for c in ALL if digit(c) and unicodedata2.digit(chr(c)) == 0]
    assert sorted(c for c in ALL if digit(c)) == [z + i for z in zeros for i in range(10)]
    assert all(unicodedata2.digit(chr(z + i)) == i for z in zeros for i in range(10))
    return zeros


def golden():
    rows = dict(made_with=sys.version.split()[0], unicode=unicodedata2.unidata_version, contexts=CONTEXTS, block=BLOCK,
                hashes=list(blocks()), digits=digits(), upper=[[c, upper_length(c)] for c in ALL if upper_length(c) > 1],
                letters={x: same_letter(x) for x in string.ascii_lowercase})
    with open(path("golden", "mpa", "characters.json"), "w", encoding="utf-8") as f:
        json.dump(rows, f, ensure_ascii=False)
    print("golden/mpa/characters.json")


if __name__ == "__main__":
    with open(path("src", "text", "unicode_python_tables.h"), "w", encoding="utf-8") as f:
        f.write(header())
    golden()
