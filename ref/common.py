"""What the programs in ref/ share and what knows of no model: where files stand, the seed, pictures, odd
texts, and how golden files are written. Nothing here writes a file by itself."""
import io, json, os

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
import numpy as np
import torch
from PIL import Image
from safetensors.numpy import save_file
from transformers.utils import logging

logging.disable_progress_bar()

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SEED = 20250


def path(*parts):
    """A file in the repository, its folder made where it is missing."""
    p = os.path.join(ROOT, *parts)
    os.makedirs(os.path.dirname(p), exist_ok=True)
    return p


def read(*parts):
    with open(os.path.join(ROOT, *parts), encoding="utf-8") as f:
        return f.read()


# ---------------------------------------------------------------- files

def numpy_of(v, wide=False):
    """What a golden file holds of a tensor: float32 (or float64 where `wide`), int32, or 8-bit numbers."""
    if isinstance(v, torch.Tensor):
        v = v.detach().numpy()
    v = np.ascontiguousarray(v)
    if v.dtype == np.float64 and not wide:
        v = v.astype(np.float32)
    return v.astype(np.int32) if v.dtype in (np.int64, np.bool_) else v


def save(name, tensors, notes, wide=False):
    """golden/NAME.safetensors (float64 truth, rounded to float32 unless `wide`; no file without tensors) and
    golden/NAME.json."""
    if tensors:
        file = path("golden", name + ".safetensors")
        save_file({k: numpy_of(v, wide) for k, v in tensors.items()}, file)
        os.chmod(file, 0o644)
    with open(path("golden", name + ".json"), "w") as f:
        json.dump(notes, f, indent=1, ensure_ascii=False, sort_keys=True)
        f.write("\n")
    print(f"golden/{name}: {len(tensors)} tensors")


def save_json(value, *parts, **form):
    """A JSON file in the repository, with a newline at its end; `form` is what json.dump takes."""
    with open(path(*parts), "w", encoding="utf-8") as f:
        json.dump(value, f, **form)
        f.write("\n")


def save_rows(rows, *parts, **form):
    """A JSON file with one row a line."""
    with open(path(*parts), "w", encoding="utf-8") as f:
        f.write("[\n" + ",\n".join(json.dumps(r, **form) for r in rows) + "\n]\n")
    print(f"{'/'.join(parts)}: {len(rows)} rows")


# ---------------------------------------------------------------- pictures

# Those in golden/model, which every family is shown: seed, width, height.
PICTURES = {"odd": (11, 97, 61), "wide": (12, 151, 40), "tall": (13, 43, 88)}


def picture(seed, width, height):
    """A soft coloured pattern with some noise: no flat areas, so that every patch differs."""
    r = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width] / 32.0
    channels = []
    for _ in range(3):
        a, b, p, q = r.uniform(-3, 3, 4)
        wave = 120 + 60 * np.sin(a * x + b * y + p) + 50 * np.sin(b * x - a * y + q)
        channels.append(wave + r.integers(-6, 7, (height, width)))
    return Image.fromarray(np.clip(np.stack(channels, -1), 0, 255).astype(np.uint8), "RGB")


def shown(name):
    """A picture of golden/model, and what a golden file calls it."""
    return picture(*PICTURES[name])


def shown_file(name):
    return f"golden/model/{name}.png"


def rgb_of(data):
    """The RGB values of a picture file as the models get them: alpha over white, all else by
    convert("RGB")."""
    image = Image.open(io.BytesIO(data))
    image.load()
    if image.mode in ("LA", "RGBA", "PA") or "transparency" in image.info:
        x = np.asarray(image.convert("RGBA")).astype(np.int64)
        t = x[..., :3] * x[..., 3:] + 255 * (255 - x[..., 3:]) + 128
        return (((t >> 8) + t) >> 8).astype(np.uint8)
    return np.asarray(image.convert("RGB"))


def encoded(image, kind, **options):
    """The bytes of a picture file."""
    f = io.BytesIO()
    image.save(f, kind, **options)
    return f.getvalue()


# ---------------------------------------------------------------- texts

# Words of many scripts, digits of many kinds, marks that combine, characters that change length with their case,
# and texts that look like special tokens.
WORDS = (
    "the of cat's we'll I'M THEY'RE don't 'S '\u017f x'\u017ft na\u00efve caf\u00e9 cafe\u0301 \u00c5ngstr\u00f6m "
    "\u212bngstr\u00f6m \ufb01 \u2167 \u00b2 \u00bd \u0663 \u6570 \u3092 \u4e2d\u6587 \ud55c\uad6d\uc5b4 "
    "\u0939\u093f\u0928\u094d\u0926\u0940 \u0e44\u0e17\u0e22 \u0627\u0644\u0639 \U0001f600 "
    "\U0001f469\u200d\U0001f467 \ufeff <|im_start|> <|im_end|> <|im_ <image> <row_1_col_2> | ' '' _a a_b 123 12.5 $ "
    "\u20ac ... --- \u0085 \u00a0 \u2028 \u3000 \u1680 \u1100 \u1161 \u11a8 \u0323\u0307 \u0345 \x00 \x1c").split(" ")
SPACES = ["", " ", "  ", "\n", " \n", "\t", "\r\n", "\n\n ", "   "]
PLANES = [(0, 127), (0, 0x2FF), (0, 0xD7FF), (0xE000, 0x10FFFF)]


def odd_texts(rng, count):
    """`count` texts to tokenise: words, characters of any code, or runs of spaces and contractions."""
    for _ in range(count):
        k = rng.random()
        if k < 0.6:
            yield "".join(rng.choice(WORDS) + rng.choice(SPACES) for _ in range(rng.randint(0, 9)))
        elif k < 0.8:
            yield "".join(chr(rng.choice([rng.randint(*p) for p in PLANES])) for _ in range(rng.randint(0, 16)))
        else:
            yield "".join(rng.choice([" ", "\n", "\r", "a", "'s", "1", "!"]) for _ in range(rng.randint(0, 12)))


def tokenised(t, texts):
    """What a tokenizer of the library makes of each text: its ids, and the texts that these decode to."""
    for text in texts:
        ids = t.encode(text, add_special_tokens=False).ids
        yield dict(text=text, ids=ids, decoded=t.decode(ids, skip_special_tokens=False),
                   clean=t.decode(ids, skip_special_tokens=True))
