"""Tokenizers, and what counts as a letter, number or space, as the tokenizers library has them.

    python ref/golden_text.py        writes golden/text
"""

import json
import os
import random

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

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


if __name__ == "__main__":
    os.makedirs(OUT, exist_ok=True)
    tokenizer("qwen2", True, strings=False)
    tokenizer("digits", False, strings=True)
    classes()
    print("golden/text written")
