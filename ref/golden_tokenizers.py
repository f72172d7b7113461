#!/usr/bin/env python3
"""Writes what the classes of slow_tokenizers.py, sentencepiece and tiktoken make of many texts:
golden/text/sentencepiece.json   tokenizers {name, model: file, append: bytes in hexadecimal behind it, which
                                 override its options, config: tokenizer_config.json, cases, lists}
golden/text/pieces.model         a vocabulary with bytes for what it lacks
golden/text/unknown.model        one without, where that is unknown
golden/text/ties.model           one with equal scores, and pieces of characters that it lacks
golden/text/arcade100k.tiktoken  ranks
golden/text/tiktoken.json        {cases, lists}
A case is [text, ids, what they decode to, the same without special tokens]; a list is one of ids without a
text, as a model may write them."""
import base64, json, random, tempfile

from sentencepiece import sentencepiece_model_pb2 as pb

import slow_tokenizers as slow
from common import PLANES, SPACES, WORDS, path

DUMMY = {True: "1a021801", False: "1a021800"}  # normalizer_spec.add_dummy_prefix
TEXTS = [
    "The bus stops at the station, and the driver says: don't forget what isn't yours! It's ten o'clock .",
    "What is written on the sign? The sign says that the street is closed to cars from 7 to 19 .",
    "you are a helpful assistant\nhow many apples are there on the table?\n\n three apples and  two   pears",
    "naïve café Zürich, größer als; Ёлка стоит у дома; 中文的文字在這裡; 北京 上海 東京; مرحبا بكم",
    "(a + b) * c = 1234567890; x_y <tag> 'quoted' \"text\" #1 a/b we've they're I'm cat's dog 's",
] * 3
UNUSED = [f"[UNUSED_TOKEN_{i}]" for i in range(141, 147)]
CHAT = ["<|plugin|>", "<|interpreter|>", "<|action_end|>", "<|action_start|>", "<|im_end|>", "<|im_start|>"]
PHI3 = ["<|endoftext|>", "<|assistant|>", "<|placeholder1|>", "<|system|>", "<|end|>", "<|user|>"]
HARD = [
    "", " ", "  ", "\n", "\n\n", "▁", "▁▁", " ▁ a", "a ▁b", "▁a", "Hello, world!", " Hello", "Hello ", "a  b   c    d",
    "<0x41> <0xE4>", "<0x0A>", "na\u00efve", "e\u0301", "\u212b", "\ufb01", "\ufeffa", "\x00", "a\x00b", "\x1c \x85\u3000x",
    "it 's a dog , is n't it ?", "we 've said : I 'm , they 're .", "a ' b ' c", "' ' '", "wait ... no !", "x n't 's 'm",
    "<s>", "<s>x</s> y", "</s>", "<unk>", " <s> ", "<s><s>", "x<unk>y", "<s >", "<|im_start|>user\nhi<|im_end|>",
    "<|im_start|>", "<|im_end|><|im_start|> a", "a <img> b", "<img></img>", " <img>", "<img><IMG_CONTEXT></img>\nwhat ?",
    "<img> , b .", "a<box>[[1, 2]]</box><ref>x</ref>", "<|user|>\n a <|end|> \n<|assistant|>\n b", "<|user|>\u3000\x1c\x85a",
    "<|user|>▁a", "<|user|> <|end|>", "▁<|user|>", " <|user|>", "<|system|>\nx", "<|endoftext|>", "a<|endoftext|>", "<|endoftext|> a",
    "a  <|pause|>  b", "<|pause|>", " keep \t<|pause|>\u2003b", "[UNUSED_TOKEN_141]", "x[UNUSED_TOKEN_142]y", "[UNUSED_TOKEN_14]",
    "two words", "a two words b", "\U0001f469\u200d\U0001f467", "한국어", "हिन्दी", "ก็", "1234567890 ½² ٣", "I'M we'LL 's 'S '\u017f",
    "abab abcab xyzxyz", "ab\u00e6\u00f8", "\u00e6\u00f8\u00e6",
    "tab\there\r\nCRLF\r\r\n\n", "mmmmmmmmmmmmmmmmmmm", "<|fim_prefix|><filename>a b<reponame>", "A\u030a<|reg7|>", "<|extra0|><|im_<|pause|>",
]


# Pieces of ties.model with their scores.
TIES = [("ab", -1), ("bc", -1), ("abc", -3), ("ca", -1), ("xy", -2), ("zx", -2), ("xyz", -2.5), ("æø", -1),
        ("▁a", -1), ("aab", -9), ("æøæ", -4), ("▁▁", -0.5), ("a▁b", -0.25), ("▁a▁b", -4), ("▁<0x41>", -30),
        ("<0", -1), ("<0x", -1), ("41", -1), ("41>", -2), ("0x41>", -3), ("a", -90), ("b", -90), ("c", -90),
        ("▁", -90), ("▁x▁y", -99)]


def texts(rng, names, count, hard):
    """The hard ones or some of them; then words, names of tokens and characters of any code in any order."""
    yield from HARD if hard is None else rng.sample(HARD, hard)
    yield from ("<|user|>\n" * 3 + "a " * 40, "cab abcab bcab")
    words = WORDS + " ".join(TEXTS).split(" ") + names + ["▁", ".", "!", "?", ",", "n't", "'s", "'", "ab", "abc", "xyz"]
    for _ in range(count):
        if rng.random() < 0.8:
            yield "".join(rng.choice(words) + rng.choice(SPACES) for _ in range(rng.randint(1, 7)))
        else:
            yield "".join(chr(rng.randint(*rng.choice(PLANES))) for _ in range(rng.randint(1, 6)))


def lists(rng, size, favoured, count):
    """Ids as a model writes them: anything, with bytes that are no UTF-8; before these the favoured ones alone."""
    yield from ([i] for i in favoured)
    for _ in range(count):
        yield [rng.choice(favoured) if rng.random() < 0.4 else rng.randrange(size) for _ in range(rng.randint(1, 9))]


def pieces_model():
    model = pb.ModelProto()
    model.ParseFromString(slow.pieces(TEXTS, 400, user_defined_symbols=["two words", *UNUSED]))
    have = {p.piece for p in model.pieces}
    for i, text in enumerate(t for t in ("\n", "\n\n", "\t") if t not in have):
        model.pieces.add(piece=text, score=-500 - i, type=1)
    return model


def unknown_model():
    model = pb.ModelProto()
    model.ParseFromString(slow.pieces(TEXTS, 130, byte_fallback=False, character_coverage=0.98))
    return model


def ties_model():
    """Of the characters of its pieces a, b, c and the mark alone are pieces; where two merges have one score the
    one at the left comes first. æ and ø are none, but their pair is."""
    model = pb.ModelProto()
    model.CopyFrom(pieces_model())
    del model.pieces[266:]
    for text, score in TIES:
        model.pieces.add(piece=text, score=score, type=1)
    model.pieces.add(piece="<hidden>", type=3)
    return model


def internlm2(model, **options):
    names = {0: "<unk>", 1: "<s>", 2: "</s>"}
    at = {p.piece: i for i, p in enumerate(model.pieces)}
    names.update({at[u]: c for u, c in zip(UNUSED, CHAT) if u in at})
    names.update({len(model.pieces) + i: t for i, t in enumerate(slow.PICTURE_TOKENS)})
    listed = [n for i, n in names.items() if i > 2]
    table = {str(i): slow.added(n) for i, n in names.items()}
    return dict(tokenizer_class="InternLM2Tokenizer", bos_token="<s>", eos_token="</s>", pad_token="</s>",
                unk_token="<unk>", clean_up_tokenization_spaces=False, added_tokens_decoder=table,
                **{"add_bos_token": True, "additional_special_tokens": listed, **options})


def phi3(model, **options):
    table = {0: slow.added("<unk>"), 1: slow.added("<s>"), 2: slow.added("</s>", special=False, rstrip=True)}
    for t in PHI3:
        table[len(table) - 3 + len(model.pieces)] = slow.added(t, rstrip=t != "<|endoftext|>")
    for t in slow.PICTURE_TOKENS:
        table[len(table) - 3 + len(model.pieces)] = slow.added(t)
    table[len(table) - 3 + len(model.pieces)] = slow.added("<|pause|>", special=False, lstrip=True)
    table = {str(i): t for i, t in table.items()}
    end = "<|endoftext|>"
    return dict(tokenizer_class="LlamaTokenizer", bos_token="<s>", eos_token=end,
                unk_token="<unk>", add_eos_token=False, clean_up_tokenization_spaces=False,
                added_tokens_decoder=table,
                **{"add_bos_token": True, "legacy": False, "pad_token": end,
                   "additional_special_tokens": slow.PICTURE_TOKENS, **options})


def tokenizers():
    """(name, file of the model, whether a dummy prefix is written there, its configuration)"""
    p, u, t = pieces_model(), unknown_model(), ties_model()
    bare = phi3(p, additional_special_tokens=None)
    named = dict(internlm2(p), additional_special_tokens=["<|pause|>", "<img>", "<s>"],
                 eos_token="<|im_end|>", bos_token=slow.added("<s>") | {"__type": "AddedToken"})
    del named["pad_token"]
    ended = internlm2(p, add_bos_token=False, add_eos_token=True)
    listing = phi3(p, add_bos_token=False, pad_token=None,
                   additional_special_tokens=PHI3 + ["</s>"])
    unsaid = {k: v for k, v in phi3(u).items() if k != "legacy"}
    return {"pieces.model": p, "unknown.model": u, "ties.model": t}, [
        ("internlm2", "pieces.model", False, internlm2(p)),
        ("internlm2 with a dummy prefix and an end", "pieces.model", True, ended),
        ("internlm2 with few listed tokens", "pieces.model", False, named),
        ("internlm2 without bytes", "unknown.model", True, internlm2(u)),
        ("internlm2 with ties", "ties.model", True, internlm2(t)),
        ("phi3", "pieces.model", True, phi3(p)),
        ("phi3 that lists its tokens, without a start", "pieces.model", False, listing),
        ("phi3 with ties", "ties.model", True, phi3(t)),
        ("llama without a prefix", "pieces.model", True, phi3(p, add_prefix_space=False)),
        ("llama as it was", "pieces.model", True, dict(bare, legacy=True)),
        ("llama as it was, without bytes", "unknown.model", False, unsaid),
    ]


def clean(t, config, ids):
    """Tokens flagged special are removed first."""
    special = {int(i) for i, a in config["added_tokens_decoder"].items() if a.get("special")}
    return t.decode([i for i in ids if i not in special], skip_special_tokens=True)


def judged(name, bytes_, config, rng, counts):
    with tempfile.TemporaryDirectory() as folder:
        slow.write(folder, bytes_, config)
        t = slow.opened(folder)
    names = [a["content"] for a in config["added_tokens_decoder"].values()]
    cases = []
    for text in texts(rng, names, counts[0], counts[2]):
        ids = t(text).input_ids
        cases.append([text, ids, t.decode(ids), clean(t, config, ids)])
    favoured = [int(i) for i in config["added_tokens_decoder"]]
    mark, hidden, *more = t.convert_tokens_to_ids(["▁", "<hidden>", "▁▁", "▁a", ".", "▁the", "▁x▁y", "▁<0x41>"])
    favoured += [mark, hidden, *more]
    all_lists = [[mark, hidden, mark], [mark, mark, hidden, 4], *lists(rng, len(t), favoured, counts[1])]
    found = [[ids, t.decode(ids), clean(t, config, ids)] for ids in all_lists]
    return cases, found


def rank_cases(rng, counts):
    """With ranks for digits side by side, as arcade100k has them: the pattern never lets them merge."""
    file = slow.ranks(TEXTS, 400)
    file += b"".join(base64.b64encode(t) + b" %d\n" % (400 + i) for i, t in enumerate([b"12", b"123", b"90", b"25"]))
    with tempfile.TemporaryDirectory() as folder:
        with open(folder + "/arcade100k.tiktoken", "wb") as f:
            f.write(file)
        t = slow.Arcade100kTokenizer(folder)

    def both(ids):
        return [ids, t.decode(ids), t.decode(ids, skip_special_tokens=True)]

    cases = [[text, *both(t.encode(text))] for text in texts(rng, slow.ARCADE_SPECIALS, counts[0], counts[2])]
    known = [i for i in range(t.first_special + len(slow.ARCADE_SPECIALS)) if i != t.first_special - 1]
    favoured = range(len(known) - len(slow.ARCADE_SPECIALS), len(known))
    found = [both([known[i] for i in ids]) for ids in lists(rng, len(known), favoured, counts[1])]
    return file, dict(cases=cases, lists=found)


def short(config):
    """Flags of added tokens that are off are left out."""
    table = {i: {k: v for k, v in a.items() if v} for i, a in config["added_tokens_decoder"].items()}
    return dict(config, added_tokens_decoder=table)


def dump(value, name):
    with open(path("golden", "text", name), "wb") as f:
        if not isinstance(value, bytes):
            value = json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
        f.write(value)
    print("golden/text/" + name)


if __name__ == "__main__":
    models, rows = tokenizers()
    for name, model in models.items():
        dump(model.SerializeToString(), name)
    out = []
    for n, (name, model, dummy, config) in enumerate(rows):
        config = short(config)
        bytes_ = models[model].SerializeToString() + bytes.fromhex(DUMMY[dummy])
        counts = (40, 40, None) if name in ("internlm2", "phi3") else (20, 20, 25)
        cases, found = judged(name, bytes_, config, random.Random(n), counts)
        out.append(dict(name=name, model=model, append=DUMMY[dummy], config=config, cases=cases, lists=found))
    dump(out, "sentencepiece.json")
    file, judged_ranks = rank_cases(random.Random(99), (40, 40, None))
    dump(file, "arcade100k.tiktoken")
    dump(judged_ranks, "tiktoken.json")
