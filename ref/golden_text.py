"""Tokenizers, Python's text rules, and the published parse and keep rules, as the reference libraries give them.

    python ref/golden_text.py        writes golden/text
"""

import json
import os
import random
import sys
import unicodedata

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

import pipeline as p

OUT = os.path.join("golden", "text")
PATTERN = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
WORDS = ("the of cat's we'll I'M THEY'RE don't 'S '\u017f x'\u017ft na\u00efve caf\u00e9 cafe\u0301 \u00c5ngstr\u00f6m \u212bngstr\u00f6m \ufb01 \u2167 \u00b2 \u00bd \u0663 "
         "\u6570 \u3092 \u4e2d\u6587 \ud55c\uad6d\uc5b4 \u0939\u093f\u0928\u094d\u0926\u0940 \u0e44\u0e17\u0e22 \u0627\u0644\u0639 \U0001f600 \U0001f469\u200d\U0001f467 \ufeff <|im_start|> "
         "<|im_end|> <|im_ <image> <row_1_col_2> | ' '' _a a_b 123 12.5 $ \u20ac ... --- \u0085 \u00a0 \u2028 \u3000 \u1680 \u1100 \u1161 \u11a8 \u0323\u0307 \u0345 \x00 \x1c").split(" ")


def train(qwen2):
    t = Tokenizer(models.BPE())
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=not qwen2)
    if qwen2:
        t.normalizer = normalizers.NFC()
        t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(PATTERN), "isolated"), byte_level])
    else:
        t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), byte_level])
    t.decoder = decoders.ByteLevel()
    rng = random.Random(5)
    texts = ["".join(rng.choice(WORDS) + rng.choice(["", " ", "\n", "  "]) for _ in range(30)) for _ in range(400)]
    t.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=700, initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()), show_progress=False))
    if qwen2:
        t.add_special_tokens([AddedToken(s, special=True, normalized=False) for s in ("<|endoftext|>", "<|im_start|>", "<|im_end|>")])
    else:
        t.add_special_tokens([AddedToken(s, special=True, normalized=False) for s in ("<|im_start|>", "<image>", "<row_1_col_2>")])
        t.add_tokens([AddedToken("don't", normalized=True, lstrip=True), AddedToken("cat", normalized=False, single_word=True, rstrip=True)])
    return t


def texts(rng, count):
    for _ in range(count):
        k = rng.random()
        if k < 0.6:
            yield "".join(rng.choice(WORDS) + rng.choice(["", " ", "  ", "\n", " \n", "\t", "\r\n", "\n\n ", "   "]) for _ in range(rng.randint(0, 9)))
        elif k < 0.8:
            yield "".join(chr(rng.choice([rng.randint(0, 127), rng.randint(0, 0x2ff), rng.randint(0, 0xd7ff), rng.randint(0xe000, 0x10ffff)]))
                          for _ in range(rng.randint(0, 16)))
        else:
            yield "".join(rng.choice([" ", "\n", "\r", "a", "'s", "1", "!"]) for _ in range(rng.randint(0, 12)))


def tokenizer(name, qwen2, strings):
    t = train(qwen2)
    path = os.path.join(OUT, name + ".json")
    t.save(path)
    if strings:  # the older way to write merges
        j = json.load(open(path))
        j["model"]["merges"] = [" ".join(m) for m in j["model"]["merges"]]
        json.dump(j, open(path, "w"), ensure_ascii=False)
    rng, cases = random.Random(9), []
    for text in texts(rng, 500):
        ids = t.encode(text, add_special_tokens=False).ids
        cases.append(dict(text=text, ids=ids, decoded=t.decode(ids, skip_special_tokens=False), clean=t.decode(ids, skip_special_tokens=True)))
    json.dump(cases, open(os.path.join(OUT, name + "-cases.json"), "w"))


def ranges(member):
    out = []
    for c in range(0x110000):
        if not 0xD800 <= c < 0xE000 and member(c):
            if out and out[-1][1] == c - 1:
                out[-1][1] = c
            else:
                out.append([c, c])
    return out


def split_members(pattern):
    s = pre_tokenizers.Split(Regex(pattern), "removed")
    return ranges(lambda c: not s.pre_tokenize_str(chr(c)))


def classes():
    """What the tokenizers library takes for a letter, number or space: ranges over all code points."""
    json.dump(dict(letter=split_members(r"\p{L}"), number=split_members(r"\p{N}"), space=split_members(r"\s")), open(os.path.join(OUT, "classes.json"), "w"))


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
              open(os.path.join(OUT, "rules.json"), "w", encoding="utf-8"), ensure_ascii=False)


if __name__ == "__main__":
    os.makedirs(OUT, exist_ok=True)
    tokenizer("qwen2", True, strings=False)
    tokenizer("digits", False, strings=True)
    classes()
    rules()
    print("golden/text written")
