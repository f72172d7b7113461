#!/usr/bin/env python3
"""Writes golden/MANIFEST: the versions that the files in golden/ and weights/ were made with, and for each file its
SHA-256, its size and the program in ref/ that wrote it: the one whose docstring names the file, or else the nearest
folder above it. `manifest.py --check` compares instead and exits 1 on a difference."""
import ast, hashlib, importlib.metadata, os, platform, re, sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PACKAGES = ("torch", "transformers", "tokenizers", "safetensors", "pillow", "numpy")


def seed():
    for line in open(os.path.join(ROOT, "ref", "common.py"), encoding="utf-8"):
        if line.startswith("SEED ="):
            return line.split("=")[1].strip()


def writers():
    """What each program says about itself."""
    out = {}
    for name in sorted(os.listdir(os.path.join(ROOT, "ref"))):
        if name.endswith(".py") and name not in ("common.py", "manifest.py"):
            out["ref/" + name] = ast.get_docstring(ast.parse(open(os.path.join(ROOT, "ref", name), encoding="utf-8").read())) or ""
    return out


def files():
    for top in ("golden", "weights"):
        for folder, folders, names in sorted(os.walk(os.path.join(ROOT, top))):
            for name in sorted(names):
                path = os.path.relpath(os.path.join(folder, name), ROOT)
                if path != "golden/MANIFEST":
                    yield path


def writer(path, about):
    """The program that names `path`, or else the nearest folder above it; a longer name does not count as one."""
    while path:
        by = [program for program, text in about.items() if re.search(re.escape(path) + r"(?![\w/-])", text)]
        if by:
            return ",".join(by)
        path = os.path.dirname(path)
    return "by hand"


def lines():
    about = writers()
    for path in files():
        data = open(os.path.join(ROOT, path), "rb").read()
        yield f"{hashlib.sha256(data).hexdigest()} {len(data):8d} {path}  {writer(path, about)}"


def header():
    versions = [f"{p} {importlib.metadata.version(p)}" for p in PACKAGES]
    return [f"# python {platform.python_version()}, {', '.join(versions)}; seed {seed()}", "# sha256, bytes, file, written by"]


if __name__ == "__main__":
    path = os.path.join(ROOT, "golden", "MANIFEST")
    if "--check" in sys.argv:
        old = [x.rstrip("\n") for x in open(path, encoding="utf-8") if not x.startswith("#")]
        changed = sorted(x.split()[2] for x in set(old) ^ set(lines()))
        print("\n".join(changed) if changed else f"{len(old)} files as golden/MANIFEST says")
        sys.exit(bool(changed))
    with open(path, "w", encoding="utf-8") as f:
        f.write("\n".join(header() + list(lines())) + "\n")
