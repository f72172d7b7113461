"""A family whose model is written here (model_NAME.py), since transformers 4.49 has no class for it: checkpoint
folders, passes and continuations in the form of family.py and continuations.py, but kept small, for goldens
and weights together have a limit.

A case's `logits` too hold the last two rows only, from row `logits_from` of CASE.json on; the loss judges the
others. `isolated.STAGE` is there where CASE.json says so. Errors have four digits."""
import json, math, os, re, shutil

import torch

import training
from common import ROOT, SEED, numpy_of, path, save, save_rows, shown, shown_file
from continuations import NEW_TOKENS, PROMPTS
from family import INPUTS, Family, last_rows, pixels
from model_internvl2 import checkpoint_tensors
from truth import errors, load, run_all, unfilled


def write_json(folder, name, value):
    """One line for each entry: indented, such files would be a large part of a tiny checkpoint or case."""
    rows = [f"{json.dumps(k, ensure_ascii=False)}: {json.dumps(v, ensure_ascii=False, separators=(',', ': '))}"
            for k, v in value.items()]
    with open(os.path.join(folder, name), "w", encoding="utf-8") as f:
        f.write("{\n" + ",\n".join(rows) + "\n}\n")


def write_weights(folder, model, dtype, shard):
    from huggingface_hub import split_torch_state_dict_into_shards
    from safetensors.torch import save_file

    tensors = {k: v.to(dtype).contiguous() for k, v in model.state_dict().items()}
    parts = split_torch_state_dict_into_shards(tensors, max_shard_size=shard)
    for name, keys in parts.filename_to_tensors.items():
        save_file({k: tensors[k] for k in keys}, os.path.join(folder, name), metadata={"format": "pt"})
    if parts.is_sharded:
        index = dict(metadata=parts.metadata, weight_map=parts.tensor_to_filename)
        write_json(folder, "model.safetensors.index.json", index)


def rounded(error):
    return {k: {n: float(f"{x:.4g}") for n, x in v.items()} for k, v in error.items()}


@torch.no_grad()
def greedy(model, s, penalty, eos, limit=NEW_TOKENS):
    """At most `limit` new tokens, up to and with an end token, and the smallest gap between the two best logits.
    Generation starts from embeddings: the penalty sees generated ids only, and cached keys stay as they were
    turned."""
    from transformers import DynamicCache

    cache, ids, gap = DynamicCache(), [], math.inf
    logits = model(input_ids=s["input_ids"], cache=cache, **pixels(s)).logits[0, -1]
    while True:
        for i in set(ids):
            logits[i] = logits[i] * penalty if logits[i] < 0 else logits[i] / penalty
        best = logits.topk(2)
        gap = min(gap, float(best.values[0] - best.values[1]))
        ids.append(int(best.indices[0]))
        if ids[-1] in eos or len(ids) == limit:
            return ids, gap
        logits = model(input_ids=torch.tensor([ids[-1:]]), cache=cache).logits[0, -1]


class OwnFamily(Family):
    """What a family must say beside Family: `make_folder`, `ends_of`; its rows of `checkpoints` have a `seed`, its
    cases `alone`: whether stages are stored on their own."""

    def make_folder(self, folder, c):
        """Writes all files but the weights; the model."""

    def ends_of(self, name):
        """The tokens that end an answer, the usual one first."""

    def randomise(self, model, generator):
        """Weights whose products keep the size of their input and whose logits spread over several units."""
        with torch.no_grad():
            for name, p in model.named_parameters():
                noise = torch.randn(p.shape, generator=generator)
                if re.search(r"\.ls[12]$", name):
                    p.copy_(0.6 + 0.3 * noise)
                elif re.search(r"norm\d?\.weight$|^mlp1\.0\.weight$", name):
                    p.copy_(1 + 0.25 * noise)
                elif p.ndim == 1:
                    p.copy_(0.2 * noise)
                elif "embed" in name and "patch" not in name:
                    p.copy_(noise)
                else:
                    scale = 2.0 if re.search("lm_head|output", name) else 1.0
                    p.copy_(noise * 1.4 / math.sqrt(p[0].numel()) * scale)

    def make_checkpoint(self, name, seed):
        c, folder = self.checkpoints[name], os.path.dirname(path("weights", name, "config.json"))
        shutil.rmtree(folder)
        os.makedirs(folder)
        model = self.make_folder(folder, c)
        self.randomise(model, torch.Generator().manual_seed(SEED + c["seed"]))
        write_weights(folder, model, c["dtype"], c["shard"])
        files = [os.path.join(folder, f) for f in os.listdir(folder)]
        for f in files:
            os.chmod(f, 0o644)
        print(f"weights/{name}: {sum(p.numel() for p in model.parameters())} parameters, "
              f"{sum(map(os.path.getsize, files))} bytes")

    def positions(self, model, s):
        return torch.arange(s["labels"].shape[1]).expand(3, 1, -1)

    def make_case(self, name):
        """As Family's, with the last rows of logits."""
        case = self.cases[name]
        folder = os.path.join(ROOT, "weights", case["checkpoint"])
        processor = self.processor(folder)
        s = self.sample(processor, case["prompt"], case["answer"], [shown(p) for p in case["pictures"]])
        first = s["labels"].shape[1] - 2
        truth, runs = run_all(folder, lambda m, n: last_rows(self.trace(m, s, case["grad"]), first))
        error = errors(truth, runs, INPUTS)
        truth["labels"] = s["labels"].int()
        if case["alone"]:
            alone, alone_error = self.stages_alone(folder, truth, first)
            truth, error = {**truth, **alone}, {**error, **alone_error}
        save(f"family/{self.name}/{name}", truth, {})
        notes = dict(checkpoint="weights/" + case["checkpoint"], prompt=case["prompt"], answer=case["answer"],
                     pictures=[shown_file(p) for p in case["pictures"]], grad=case["grad"], isolated=case["alone"],
                     logits_from=first, error=rounded(error))
        write_json(path("golden", "family", self.name), name + ".json", notes)

    def getter(self, model, stored):
        """A function that gives what is stored under a name, in the model's type."""
        width = next(model.parameters()).dtype
        return lambda name: torch.from_numpy(numpy_of(stored[name])).to(width)

    # ------------------------------------------------------------ for real_size.py and bench_torch.py

    shows_positions = False
    model_of = None     # of model_NAME.py: the model of a folder before its weights
    model_class = None  # of model_NAME.py

    def stored(self, folder, attention):
        with unfilled(torch.bfloat16):
            model = type(self).model_of(folder, attention)
        model.load_state_dict(checkpoint_tensors(folder), assign=True)
        return model

    def continued_greedily(self, model, folder, s, count):
        tok = self.processor(folder)
        with open(os.path.join(folder, "generation_config.json"), encoding="utf-8") as f:
            ends = json.load(f)["eos_token_id"]
        ids, gap = greedy(model, s, 1.0, ends if isinstance(ends, list) else [ends], count)
        return ids, tok.plain(ids), gap

    def configuration(self, given):
        return given

    def bare_model(self, config, dtype):
        """The last id stands for pictures, as in `mpa bench`."""
        model = self.model_class(config, "sdpa")
        vocab = model.head.weight.shape[0]
        return model, vocab, vocab - 1

    def head(self, model):
        return model.head

    def hidden(self, model, ids, cache=None):
        return model.hidden(model.embedding(ids), cache)

    def random_pixels(self, config, patches, dtype):
        c = config["vision_config"]
        size, side = c["image_size"], c["image_size"] // c["patch_size"]
        return torch.randn(patches // side**2, 3, size, size, dtype=dtype), None

    def vision_rows(self, model, pixels, grid):
        return model.features(pixels)

    def training_patches(self, config):
        c = config["vision_config"]
        return (c["image_size"] // c["patch_size"]) ** 2

    def training_forward(self, model, ids, pixels, grid):
        here = (ids[0] == model.head.weight.shape[0] - 1).nonzero().flatten()
        before, behind = ids[:, : here[0]], ids[:, here[-1] + 1 :]

        def forward():
            rows = model.features(pixels).flatten(0, 1)[None]
            return model.hidden(torch.cat([model.embedding(before), rows, model.embedding(behind)], 1))
        return forward

    # ------------------------------------------------------------ continuations

    def continued(self, name):
        """Rows as continuations.py has them; one of several prompts holds what each gives alone."""
        folder = os.path.join(ROOT, "weights", name)
        model, tok = load(folder, torch.float32), self.processor(folder)
        end = [tok.id(t) for t in self.ends_of(name)]
        given = [self.sample(tok, question, None, [shown(p) for p in names]) for question, names in PROMPTS]
        plain = [greedy(model, s, 1.0, end[:1])[0] for s in given]
        several = end + sorted({plain[1][3], plain[2][7]})
        jobs = [([i], 1.0, end[:1]) for i in range(4)] + [([0], 1.3, end), ([2], 1.05, end), ([1], 0.8, end)]
        jobs += [([2], 1.0, several), ([3, 2, 1, 0], 1.0, several)]
        for which, penalty, eos in jobs:
            out = [greedy(model, given[i], penalty, eos) for i in which]
            ids, gap = [x for x, _ in out], min(g for _, g in out)
            assert gap > 1e-3, (name, which, gap)
            print(f"{name}: {which}, penalty {penalty}, {len(eos)} end tokens: lengths {[len(x) for x in ids]}, "
                  f"gap {gap:.3g}")
            asked = [dict(text=PROMPTS[i][0], pictures=[shown_file(x) for x in PROMPTS[i][1]]) for i in which]
            yield dict(checkpoint="weights/" + name, prompts=asked,
                       prompt_tokens=[given[i]["labels"].shape[1] for i in which], repetition_penalty=penalty, eos=eos,
                       max_new_tokens=NEW_TOKENS, ids=ids, gap=gap, utf8=[tok.plain(x).encode().hex() for x in ids])

    def write_rows(self, name, rows):
        save_rows(rows, "golden", "family", self.name, name, separators=(",", ":"))

    def write(self):
        os.makedirs(path("golden", "family", self.name), exist_ok=True)
        for name in self.checkpoints:
            self.make_checkpoint(name, None)
        for name in self.cases:
            self.make_case(name)
        training.write(self)
        self.write_rows("texts.json", [row for name in self.checkpoints for row in self.continued(name)])
