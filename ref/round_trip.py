#!/usr/bin/env python3
"""What `mpa level` writes, loaded by transformers and PEFT: `make round-trip` runs this with 4.49 and with 5.x.

For both families that transformers knows, sharded in 16 bits and in one float32 file, trained in full and with
adapters: the result loads with no missing, unexpected or mismatched key, and gives the logits that `mpa trace`
gives. With adapters the same holds for PEFT's model of the original and aligned/adapter, and PEFT's own merge gives
aligned/'s weights. 5.x also saves each checkpoint its own way, and mpa then traces the same bytes."""
import json, os, subprocess, sys, tempfile

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
import torch
import transformers
from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoModelForImageTextToText as Auto

transformers.utils.logging.disable_progress_bar()
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CHECKPOINTS = {"tiny-qwen2vl-a": "k_proj up_proj qkv fc2 mlp.2", "tiny-qwen2vl-b": "q_proj down_proj proj",
               "tiny-smolvlm-a": "v_proj gate_proj fc1", "tiny-smolvlm-b": "o_proj q_proj proj"}
PICTURE, PROMPT, ANSWER = "golden/model/odd.png", "How many windows does the tower have?", "seventeen"
NEWER = int(transformers.__version__.split(".")[0]) >= 5


def mpa(*arguments):
    r = subprocess.run(["./mpa", "--quiet", *arguments], cwd=ROOT, capture_output=True, text=True)
    if r.returncode:
        sys.exit(f"mpa {' '.join(arguments)}: exit {r.returncode}\n{r.stderr}")


def level(work, name, method):
    """The run folder of a short training run."""
    run = os.path.join(work, f"{name}-{method}")
    os.makedirs(run)
    rows = [dict(id=i, image=PICTURE, conversations=[{"from": "human", "value": "<image>\n" + PROMPT},
                                                     {"from": "gpt", "value": f"{ANSWER} {i}"}]) for i in range(4)]
    with open(run + "/parity.json", "w") as f:
        json.dump(rows, f)
    with open(run + ".ini", "w") as f:
        f.write(f"[run]\ndir = {run}\n[student]\nmodel = {ROOT}/weights/{name}\n[data]\nimage_root = {ROOT}\n[level]\n"
                f"method = {method}\nlearning_rate = 1e-3\nbatch = 2\nmicro_batch = 1\nepochs = 3\nlora_rank = 4\n"
                f"lora_alpha = 12\nlora_target = {CHECKPOINTS[name]}\n")
    mpa("level", run + ".ini", "--force")
    return run


def traced(work, *model):
    out = os.path.join(work, "trace.safetensors")
    mpa("trace", *model, "--image", PICTURE, "--prompt", PROMPT, "--answer", ANSWER, "--out", out)
    return load_file(out)


def loaded(folder):
    model, info = Auto.from_pretrained(folder, output_loading_info=True, **{"dtype" if NEWER else "torch_dtype": torch.float32})
    wrong = {k: v for k, v in info.items() if v and k in ("missing_keys", "unexpected_keys", "mismatched_keys", "error_msgs")}
    if wrong:
        sys.exit(f"{folder}: {wrong}")
    return model.eval()


def check(what, model, t):
    """The model's logits on the inputs that mpa traced are those that it traced."""
    ids = t["input_ids"].long().reshape(1, -1)
    pixels = {k: t[k].long() if k != "pixel_values" else t[k] for k in ("pixel_values", "image_grid_thw", "pixel_attention_mask")
              if k in t}
    if NEWER and "image_grid_thw" in t:
        pixels["mm_token_type_ids"] = (ids == model.config.image_token_id).int()
    with torch.no_grad():
        logits = model(input_ids=ids, attention_mask=torch.ones_like(ids), use_cache=False, **pixels).logits[0]
    far = float((logits - t["logits"].reshape(logits.shape)).abs().max() / logits.square().mean().sqrt())
    print(f"{what}: largest difference of a logit {far:.1e} of their rms")
    if not far < 5e-5:
        sys.exit(f"{what}: the logits differ")


def check_peft(what, name, run, work):
    """The original with the adapter, as PEFT has it; and merged by PEFT."""
    base, adapter = os.path.join(ROOT, "weights", name), run + "/aligned/adapter"
    model = PeftModel.from_pretrained(loaded(base), adapter)
    tensors = load_file(adapter + "/adapter_model.safetensors")
    got = {n.replace(".default", ""): p for n, p in model.state_dict().items() if "lora_" in n}
    for n, p in got.items():
        if n not in tensors or not torch.equal(p.float(), tensors[n]):
            sys.exit(f"{what}: PEFT's {n} is not the adapter's")
    if len(got) * (2 if "qwen" in name else 1) != len(tensors):
        sys.exit(f"{what}: PEFT has {len(got)} factors, the file {len(tensors)} tensors")
    check(what + ", PEFT", model, traced(work, "--model", base, "--adapter", adapter))
    merged, aligned = model.merge_and_unload().state_dict(), loaded(run + "/aligned").state_dict()
    for n, p in merged.items():
        step = 2.0 ** -8 if aligned_dtype(run) == torch.bfloat16 else 1e-6
        if not torch.allclose(p, aligned[n], rtol=step, atol=step * float(p.abs().max()) * 1e-2):
            sys.exit(f"{what}: {n} merged by PEFT is not that of aligned/")


def aligned_dtype(run):
    folder = run + "/aligned"
    first = sorted(f for f in os.listdir(folder) if f.endswith(".safetensors"))[0]
    return next(iter(load_file(os.path.join(folder, first)).values())).dtype


def check_saved(name, work):
    """A checkpoint as this transformers saves it, tokenizer and processor's settings included."""
    from transformers import AutoProcessor

    base, out = os.path.join(ROOT, "weights", name), os.path.join(work, name + "-saved")
    Auto.from_pretrained(base, dtype="auto").save_pretrained(out, max_shard_size="100KB")
    AutoProcessor.from_pretrained(base).save_pretrained(out)
    a, b = traced(work, "--model", base), traced(work, "--model", out)
    if a.keys() != b.keys() or any(not torch.equal(a[k], b[k]) for k in a):
        sys.exit(f"{name}: saved by transformers {transformers.__version__}, mpa traces something else")
    print(f"{name}, saved by transformers {transformers.__version__}: the same trace")


with tempfile.TemporaryDirectory() as work:
    print(f"transformers {transformers.__version__}")
    for name in CHECKPOINTS:
        for method in ("full", "lora"):
            run = level(work, name, method)
            what = f"{name}, {method}"
            check(what, loaded(run + "/aligned"), traced(work, "--model", run + "/aligned"))
            if method == "lora":
                check_peft(what, name, run, work)
        if NEWER:
            check_saved(name, work)
