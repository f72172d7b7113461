#!/usr/bin/env python3
"""Writes golden/model: the pictures that every family's cases are shown."""
from common import PICTURES, path, shown, shown_file

if __name__ == "__main__":
    for name in PICTURES:
        shown(name).save(path(shown_file(name)), optimize=True)
        print(shown_file(name))
