#!/usr/bin/env python3
"""Writes golden/text, as the tokenizers library has it: tokenizers of both kinds of pre-tokenizer
(qwen2.json, digits.json) with what they make of many texts (NAME-cases.json), and what counts as a letter, a
number or a space (classes.json)."""
import json, random

from tokenizers import AddedToken, Regex, pre_tokenizers

import family_qwen2vl, family_smolvlm
from common import WORDS, odd_texts, path, tokenised


def corpus():
    rng = random.Random(5)
    return ["".join(rng.choice(WORDS) + rng.choice(["", " ", "\n", "  "]) for _ in range(30)) for _ in range(400)]


def qwen2():
    t = family_qwen2vl.bpe(corpus(), 700)
    special = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
    t.add_special_tokens([AddedToken(s, special=True, normalized=False) for s in special])
    return t


def digits():
    """With added tokens of every kind: normalized, one that takes the spaces before or after it, a word
    alone."""
    t = family_smolvlm.bpe(corpus(), 700)
    special = ("<|im_start|>", "<image>", "<row_1_col_2>")
    t.add_special_tokens([AddedToken(s, special=True, normalized=False) for s in special])
    t.add_tokens([AddedToken("don't", normalized=True, lstrip=True),
                  AddedToken("cat", normalized=False, single_word=True, rstrip=True)])
    return t


def dump(value, name, **form):
    with open(path("golden", "text", name), "w") as f:
        json.dump(value, f, **form)
    print("golden/text/" + name)


def tokenizer(name, t, strings):
    """strings: merges as one text each, the older way to write them."""
    file = path("golden", "text", name + ".json")
    t.save(file)
    if strings:
        with open(file, encoding="utf-8") as f:
            j = json.load(f)
        j["model"]["merges"] = [" ".join(m) for m in j["model"]["merges"]]
        dump(j, name + ".json", ensure_ascii=False)
    dump(list(tokenised(t, odd_texts(random.Random(9), 500))), name + "-cases.json")


def ranges(member):
    out = []
    for c in range(0x110000):
        if not 0xD800 <= c < 0xE000 and member(c):
            if out and out[-1][1] == c - 1:
                out[-1][1] = c
            else:
                out.append([c, c])
    return out


def members(pattern):
    s = pre_tokenizers.Split(Regex(pattern), "removed")
    return ranges(lambda c: not s.pre_tokenize_str(chr(c)))


def classes():
    """Ranges over all code points."""
    dump(dict(letter=members(r"\p{L}"), number=members(r"\p{N}"), space=members(r"\s")), "classes.json")


if __name__ == "__main__":
    tokenizer("qwen2", qwen2(), strings=False)
    tokenizer("digits", digits(), strings=True)
    classes()
