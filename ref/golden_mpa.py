#!/usr/bin/env python3
"""Writes golden/mpa: the published rules (norm, keep, parse) on many texts, as Python computes them."""
import json, os, random, sys, unicodedata

import pipeline as p

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def rules():
    rng = random.Random(3)
    words = ["Napa Valley, CA", "NAPA VALLEY CA", "No parking.", "3,000", "$5.00", "stra\u00dfe", "STRA\u1e9eE", "\u0130stanbul", "\u039f\u0394\u039f\u03a3", "\u03a3\u0391\u03a3 \u03a3.", "caf\u00e9",
             "cafe\u0301", "x\u00b2", "\u2167", "\u0663\u0664", "a_b", "", " \t\n", "\u3000A\u00a0b", "\u1c80\u01c5", "50 %", "--", "\u6771\u4eac", "\u0915\u094d\u0937", "A\u0345\u03a3", "O\u2019Brien"]
    norms = [dict(text=w, norm=p.norm(w)) for w in words]
    # Every character that this Python knows, 64 at a time: letters change case, everything but \w goes.
    known = [chr(c) for c in range(0x110000) if not 0xD800 <= c < 0xE000 and c and unicodedata.category(chr(c)) not in ("Cn", "Co")]
    norms += [dict(text="".join(known[i:i + 64]), norm=p.norm("".join(known[i:i + 64]))) for i in range(0, len(known), 64)]
    keeps = [[a, b, c, p.keep(a, b, c)] for a, b, c in (rng.choices(words + [None], k=3) for _ in range(300))]
    parts = ["Question:", "question: ", "QUE\u017fTION:", "Answer:", "ANSWER:  ", "an\u017fwer:", "What is it", "?", "\n", " ", "**", "Paris", "Question: Where? Answer: there", "\r\n", "\u2003", "x?y", "\x1d"]
    parses = []
    for _ in range(600):
        text = "".join(rng.choice(parts) for _ in range(rng.randint(0, 9)))
        question, answer = p.parse(text)
        parses.append(dict(text=text, question=question, answer=answer))
    json.dump(dict(python=sys.version.split()[0], unicode=unicodedata.unidata_version, norm=norms, keep=keeps, parse=parses),
              open(os.path.join(ROOT, "golden", "mpa", "rules.json"), "w", encoding="utf-8"), ensure_ascii=False)


if __name__ == "__main__":
    os.makedirs(os.path.join(ROOT, "golden", "mpa"), exist_ok=True)
    rules()
    print("golden/mpa/rules.json")
