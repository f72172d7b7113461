#!/usr/bin/env python3
"""Writes golden/MANIFEST: the versions that the files in golden/ and weights/ were made with, and for each
file its SHA-256, its size and the program in ref/ that wrote it: the one whose docstring names the file, or
else the nearest folder above it. `manifest.py --check` compares instead and exits 1 on a difference."""
import ast, hashlib, importlib.metadata, os, platform, re, sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PACKAGES = ("torch", "transformers", "peft", "tokenizers", "sentencepiece", "tiktoken", "safetensors", "pillow", "numpy")


def source(name):
    with open(os.path.join(ROOT, "ref", name), encoding="utf-8") as f:
        return f.read()


def seed():
    return re.search(r"^SEED = (\d+)", source("common.py"), re.MULTILINE).group(1)


def writers():
    """What each program that writes goldens or checkpoints says about itself."""
    names = [n for n in sorted(os.listdir(os.path.join(ROOT, "ref"))) if re.match(r"(family_|golden_|newer_|train_).*py$", n)]
    return {"ref/" + n: ast.get_docstring(ast.parse(source(n))) or "" for n in names}


def writer(path, about):
    """The program that names `path`, or else the nearest folder above it; a longer name does not count as
    one."""
    while path:
        by = [program for program, text in about.items() if re.search(re.escape(path) + r"(?![\w/-])", text)]
        if by:
            return ",".join(by)
        path = os.path.dirname(path)
    return "by hand"


def files():
    for top in ("golden", "weights"):
        for folder, _, names in sorted(os.walk(os.path.join(ROOT, top))):
            for name in sorted(names):
                path = os.path.relpath(os.path.join(folder, name), ROOT)
                if path != "golden/MANIFEST":
                    yield path


def lines():
    about = writers()
    for path in files():
        with open(os.path.join(ROOT, path), "rb") as f:
            data = f.read()
        yield f"{hashlib.sha256(data).hexdigest()} {len(data):8d} {path}  {writer(path, about)}"


def header():
    versions = ", ".join(f"{p} {importlib.metadata.version(p)}" for p in PACKAGES)
    return [f"# python {platform.python_version()}, {versions}; seed {seed()}", "# sha256, bytes, file, written by"]


def check(manifest):
    """Names the files that differ from what the list says; returns the exit status."""
    with open(manifest, encoding="utf-8") as f:
        old = [x.rstrip("\n") for x in f if not x.startswith("#")]
    changed = sorted({x.split()[2] for x in set(old) ^ set(lines())})
    print("\n".join(changed) if changed else f"{len(old)} files as golden/MANIFEST says")
    return int(bool(changed))


if __name__ == "__main__":
    manifest = os.path.join(ROOT, "golden", "MANIFEST")
    if "--check" in sys.argv:
        sys.exit(check(manifest))
    with open(manifest, "w", encoding="utf-8") as f:
        f.write("\n".join(header() + list(lines())) + "\n")
