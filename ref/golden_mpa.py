#!/usr/bin/env python3
"""Writes golden/mpa/rules.json: the published rules (norm, keep, parse) on many texts, as Python computes them. A text
that norm leaves as it is stands without one."""
import json, random, sys, unicodedata

import pipeline as p
from common import path

TEXTS = ["Napa Valley, CA", "NAPA VALLEY CA", "No parking.", "3,000", "$5.00", "stra\u00dfe", "STRA\u1e9eE",
         "\u0130stanbul", "\u039f\u0394\u039f\u03a3", "\u03a3\u0391\u03a3 \u03a3.", "caf\u00e9", "cafe\u0301",
         "x\u00b2", "\u2167", "\u0663\u0664", "a_b", "", " \t\n", "\u3000A\u00a0b", "\u1c80\u01c5", "50 %", "--",
         "\u6771\u4eac", "\u0915\u094d\u0937", "A\u0345\u03a3", "O\u2019Brien"]
PARTS = ["Question:", "question: ", "QUE\u017fTION:", "Answer:", "ANSWER:  ", "an\u017fwer:", "What is it", "?", "\n", " ",
         "**", "Paris", "QUEST\u0130ON:", "Quest\u0131on: ", "Question: Where? Answer: there", "\r\n", "\u2003", "x?y", "\x1d"]


def norms():
    """The texts above, then every character that this Python knows, 64 at a time: letters change case,
    everything but \\w goes."""
    known = [chr(c) for c in range(1, 0x110000) if not 0xD800 <= c < 0xE000]
    known = [c for c in known if unicodedata.category(c) not in ("Cn", "Co")]
    texts = TEXTS + ["".join(known[i:i + 64]) for i in range(0, len(known), 64)]
    return [dict(text=t, norm=p.norm(t)) if p.norm(t) != t else dict(text=t) for t in texts]


def parses(rng):
    rows = []
    for _ in range(600):
        text = "".join(rng.choice(PARTS) for _ in range(rng.randint(0, 9)))
        question, answer = p.parse(text)
        rows.append(dict(text=text, question=question, answer=answer))
    return rows


def rules():
    rng = random.Random(3)
    keeps = [[*t, p.keep(*t)] for t in (rng.choices(TEXTS + [None], k=3) for _ in range(300))]
    rows = dict(python=sys.version.split()[0], unicode=unicodedata.unidata_version, norm=norms(), keep=keeps,
                parse=parses(rng))
    with open(path("golden", "mpa", "rules.json"), "w", encoding="utf-8") as f:
        json.dump(rows, f, ensure_ascii=False)
    print("golden/mpa/rules.json")


if __name__ == "__main__":
    rules()
