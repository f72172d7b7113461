#!/usr/bin/env python3
"""Writes golden/family/qwen2vl/newer and golden/family/smolvlm/newer: config.json and processor_config.json of
the first tiny checkpoint as transformers 5.x saves them (`make newer-folders`)."""
import os, shutil, tempfile

os.environ.setdefault("HF_HUB_OFFLINE", "1")
import transformers
from transformers import AutoConfig, AutoProcessor

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

for family in ("qwen2vl", "smolvlm"):
    base, out = f"{ROOT}/weights/tiny-{family}-a", f"{ROOT}/golden/family/{family}/newer"
    os.makedirs(out, exist_ok=True)
    with tempfile.TemporaryDirectory() as work:
        AutoConfig.from_pretrained(base).save_pretrained(work)
        AutoProcessor.from_pretrained(base).save_pretrained(work)
        for name in ("config.json", "processor_config.json"):
            shutil.copyfile(os.path.join(work, name), os.path.join(out, name))
    print(f"{out}, transformers {transformers.__version__}")
