"""What the programs family_NAME.py share: tiny checkpoints with random weights, and golden passes over them.

A family is one file, family_NAME.py, with a class below Family and one row in FAMILIES. What `write` makes of
it:

    weights/NAME                  the checkpoints of its table
    golden/family/NAME/
        CASE.safetensors, .json   a pass over a prompt with no picture, one odd picture, or several: inputs, the output of
                                  every stage as src/model names it, the loss, gradients where "grad" is true; and
                                  `isolated.STAGE`: the stage's output when it is fed the golden output of the stage
                                  before, as stored (of logits the last two rows; a stage that comes to the same
                                  bits as in the chain is not stored twice). CASE.json: checkpoint, prompt, answer, pictures, PyTorch float32's
                                  largest error and the rms of every tensor
        train-CASE.*              training.py
        texts.json                continuations.py"""
import importlib, json, math, os, re, shutil

import torch
import torch.nn.functional as F

import continuations, training
from common import ROOT, SEED, np, numpy_of, path, save, shown, shown_file
from truth import errors, run_all

# model_type of config.json: its program
FAMILIES = {"qwen2_vl": "family_qwen2vl", "idefics3": "family_smolvlm", "smolvlm": "family_smolvlm",
            "internvl_chat": "family_internvl2", "tiny_llava_stablelm": "family_tinyllava",
            "tinyllava": "family_tinyllava"}
PIXELS = ("pixel_values", "image_grid_thw", "pixel_attention_mask")
INPUTS = ("input_ids", "position_ids", *PIXELS)
# What the tokenizers of the tiny checkpoints are made from.
CORPUS = ["You are a helpful assistant.", "user assistant system", "How many windows does the yellow house have?",
          "Which letter stands on the gate?", "What is written below the clock?",
          "the left tower is taller than the right tower", "three of the four sails are striped",
          "Who painted it? Nobody knows.", "seventeen, sixty-two and ninety", "Answer in one word.",
          "eine grüne Tür, une fenêtre ronde", "река и мост", "塔 と 橋", "first\n\nsecond\n\nthird\n\n"]


def of_type(model_type):
    program = importlib.import_module(FAMILIES[model_type])
    return program.FACTORY if model_type == "tinyllava" else program.FAMILY


def of_folder(folder):
    with open(os.path.join(folder, "config.json"), encoding="utf-8") as f:
        return of_type(json.load(f)["model_type"])


def pixels(s):
    return {k: s[k] for k in PIXELS if k in s}


class Family:
    """Functions without a body here are what a family must say."""
    name = None         # of its folders
    first_seed = 0      # the first checkpoint's weights have the seed SEED + first_seed, the next one more
    checkpoints = {}    # folder in weights: what `build` takes, and `dtype`, `shard`, `generation` (false: no such file)
    cases = {}          # name: checkpoint, prompt, answer, pictures, grad, and what `prepare` takes
    training = {}       # as training.write wants it
    recipes = None      # a checkpoint and words for lora_target, on which training.py tries its recipes
    ends = []           # the tokens that end an answer, the usual one first
    stages = None       # the modules whose outputs are kept: a regular expression
    vision = None       # names of the vision tower, of what joins it to the text, and of the decoder
    projector = None
    text = None

    def build(self, c):
        """A model and its processor as a row of `checkpoints` shapes them."""

    def chat(self, processor, question, pictures):
        """The text of one user turn with so many pictures, up to where the answer begins."""

    def sample(self, processor, question, answer, pictures):
        """input_ids, labels and pixels as training builds them; no answer: the prompt alone."""

    def inputs(self, processor, prompts):
        """What generate takes for a list of (question, pictures), padded on the left."""

    def positions(self, model, s):
        """[3, 1, T]; a family whose positions have one axis repeats it."""

    def isolated_vision(self, model, stored, get):
        """The outputs of the stages before the decoder, each fed what is stored for the one before it."""

    # For real_size.py.
    shows_positions = True  # mpa trace

    def stored(self, folder, attention):
        """The checkpoint's model with its weights in bfloat16."""
        from transformers import AutoModelForVision2Seq

        wanted = None if attention == "sdpa" else attention  # as load() has it
        return AutoModelForVision2Seq.from_pretrained(folder, torch_dtype=torch.bfloat16, attn_implementation=wanted)

    def continued_greedily(self, model, folder, s, count):
        """At most `count` new ids, their text, and the smallest distance between the two best logits."""
        from transformers import AutoTokenizer

        with torch.no_grad():
            out = model.generate(input_ids=s["input_ids"], attention_mask=torch.ones_like(s["input_ids"]),
                                 do_sample=False, max_new_tokens=count, temperature=None, top_k=None, top_p=None,
                                 return_dict_in_generate=True, output_scores=True, **pixels(s))
        ids = out.sequences[0, s["input_ids"].shape[1]:].tolist()
        tok = AutoTokenizer.from_pretrained(folder)
        text = tok.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        best = torch.cat(out.scores).topk(2).values
        return ids, text, float((best[:, 0] - best[:, 1]).min())

    # For bench_torch.py.
    model_type = None     # of transformers' class
    gguf = None           # llama.cpp's name of the decoder's architecture
    training_tokens = 64  # of the training step's picture

    def configuration(self, given):
        """What the class takes, of the values of a config.json."""
        from transformers import AutoConfig

        return AutoConfig.for_model(self.model_type, **given)

    def bare_model(self, config, dtype):
        """A model whose weights have no values yet, the size of its vocabulary, and the id of a picture's
        tokens."""
        from transformers import AutoModelForVision2Seq

        model = AutoModelForVision2Seq.from_config(config, torch_dtype=dtype)
        return model, config.get_text_config().vocab_size, config.image_token_id

    def head(self, model):
        return model.lm_head

    def hidden(self, model, ids, cache=None, **more):
        """The rows after the decoder's last norm, of ids without a picture."""
        return model.model(input_ids=ids, past_key_values=cache, use_cache=True, **more)[0]

    def random_pixels(self, config, patches, dtype):
        """Of a picture with so many patches, and the grid that the model wants beside them, or none."""

    def training_patches(self, config):
        """How many patches the training step's picture has."""

    def vision_rows(self, model, pixels, grid):
        """The rows that join the text."""

    def step_positions(self, at, batch):
        """What the decoder takes beside the ids of one step at this position."""
        return {}

    def training_forward(self, model, ids, pixels, grid):
        """A function that gives the decoder's hidden states of `ids` with a picture."""

    def prepare(self, processor, case):
        """Sets what a case changes in the processor; returns it for CASE.json."""
        return {}

    def randomise(self, model, generator):
        """Weights whose products keep the size of their input and whose logits spread over several units."""
        norms = ("norm1.weight", "norm2.weight", "ln_q.weight", "layernorm.weight", "norm.weight")
        with torch.no_grad():
            for name, p in model.named_parameters():
                noise = torch.randn(p.shape, generator=generator)
                if p.ndim == 1:
                    p.copy_(1 + 0.25 * noise if name.endswith(norms) else 0.2 * noise)
                elif "embed_tokens" in name:
                    p.copy_(noise.mul_(0.5) if model.config.tie_word_embeddings else noise)
                else:  # in place: lm_head alone may take 2 GiB
                    scale = 2.0 if name == "lm_head.weight" else 1.0
                    p.copy_(noise.mul_(1.4).div_(math.sqrt(p[0].numel())).mul_(scale))

    def is_unused(self, name):
        """Is this parameter on disk, but no part of the computation?"""
        return False

    def part_of(self, name):
        """The group of learning rates that a parameter belongs to."""
        if name.startswith(self.projector):
            return "merger"
        return "vision" if name.startswith(self.vision) else "rest"

    # ------------------------------------------------------------ checkpoints

    def make_checkpoint(self, name, seed):
        c, folder = self.checkpoints[name], os.path.dirname(path("weights", name, "config.json"))
        shutil.rmtree(folder)
        model, processor = self.build(c)
        self.randomise(model, torch.Generator().manual_seed(seed))
        model.to(c["dtype"]).save_pretrained(folder, max_shard_size=c["shard"])
        if not c["generation"]:
            os.remove(folder + "/generation_config.json")
        processor.save_pretrained(folder)
        files = [os.path.join(folder, f) for f in os.listdir(folder)]
        for f in files:
            os.chmod(f, 0o644)
        print(f"weights/{name}: {sum(p.numel() for p in model.parameters())} parameters, "
              f"{sum(map(os.path.getsize, files))} bytes, {len(processor.tokenizer)} tokens")

    # ------------------------------------------------------------ passes

    def trace(self, model, s, grad=False):
        """The inputs, every stage's output, the loss and the gradients, as the model computes them in its own
        dtype."""
        out, hooks = {}, []

        def keep(name):
            def hook(module, args, result):
                out[name] = (result[0] if isinstance(result, tuple) else result).detach().clone()
            return hook

        for name, m in model.named_modules():
            if re.fullmatch(self.stages, name):
                hooks.append(m.register_forward_hook(keep(name)))
        ids = s["input_ids"]
        answer = bool((s["labels"] >= 0).any())
        model.zero_grad(set_to_none=True)
        with torch.set_grad_enabled(grad):
            r = model(input_ids=ids, attention_mask=torch.ones_like(ids), labels=s["labels"] if answer else None,
                      use_cache=False, **pixels(s))
        for h in hooks:
            h.remove()
        out["logits"] = r.logits.detach()
        if answer:
            out["loss"] = r.loss.detach().reshape(1)
        if grad:
            out.update(gradients(model, r.loss))
        out["input_ids"], out["position_ids"] = ids.int(), self.positions(model, s).int()
        for k, v in pixels(s).items():
            out[k] = v.clone() if k == "pixel_values" else v.int()
        return out

    def isolated(self, model, stored):
        """Each stage on its own, fed what is stored for the stage before it."""
        width, text = model.lm_head.weight.dtype, model.get_submodule(self.text)

        def get(name):
            return torch.from_numpy(numpy_of(stored[name])).to(width)

        with torch.no_grad():
            x, out = get(self.text + ".embed_tokens"), {}
            if "pixel_values" in stored:
                out.update(self.isolated_vision(model, stored, get))
                x[stored["input_ids"] == model.config.image_token_id] = get(self.projector).flatten(0, -2)
            position, T = self.decoder_positions(stored), x.shape[1]
            mask = torch.full((T, T), torch.finfo(width).min, dtype=width).triu(1)[None, None]
            for i, layer in enumerate(text.layers):
                name = f"{self.text}.layers.{i}"
                angle = text.rotary_emb(x, position)
                out[name] = layer(x, attention_mask=mask, position_ids=position, position_embeddings=angle)[0]
                x = get(name)
            out[self.text + ".norm"] = text.norm(x)
            out["logits"] = model.lm_head(get(self.text + ".norm"))
        return {"isolated." + k: v for k, v in out.items()}

    def stages_alone(self, folder, truth, first):
        """`isolated` with the logits from row `first` on, without the stages that have the pass's own input and
        so its bits; the float32 errors."""
        alone, runs = run_all(folder, lambda m, n: last_rows(self.isolated(m, truth), first))
        own = {k: v for k, v in alone.items()
               if not np.array_equal(numpy_of(v), numpy_of(truth[k[len("isolated."):]]))}
        return own, errors(own, runs)

    def decoder_positions(self, stored):
        """What the decoder's own layers take as positions."""
        return stored["position_ids"].long()

    def processor(self, folder):
        """What `sample` and its like are given for a checkpoint."""
        from transformers import AutoProcessor

        return AutoProcessor.from_pretrained(folder)

    def make_case(self, name):
        case = self.cases[name]
        folder = os.path.join(ROOT, "weights", case["checkpoint"])
        processor = self.processor(folder)
        notes = self.prepare(processor, case)
        s = self.sample(processor, case["prompt"], case["answer"], [shown(p) for p in case["pictures"]])
        truth, runs = run_all(folder, lambda m, n: self.trace(m, s, case["grad"]))
        alone, alone_error = self.stages_alone(folder, truth, s["input_ids"].shape[1] - 2)
        error = {**errors(truth, runs, INPUTS), **alone_error}
        truth["labels"] = s["labels"].int()
        notes.update(checkpoint="weights/" + case["checkpoint"], prompt=case["prompt"], answer=case["answer"],
                     grad=case["grad"], error=error, pictures=[shown_file(p) for p in case["pictures"]])
        save(f"family/{self.name}/{name}", {**truth, **alone}, notes)

    def write(self):
        os.makedirs(path("golden", "family", self.name), exist_ok=True)
        for i, name in enumerate(self.checkpoints):
            self.make_checkpoint(name, SEED + self.first_seed + i)
        for name in self.cases:
            self.make_case(name)
        training.write(self)
        continuations.write(self)


def last_rows(out, first):
    return {k: v[:, first:] if k.endswith("logits") else v for k, v in out.items()}


def gradients(model, loss):
    loss.backward()
    out = {}
    for n, p in model.named_parameters():
        out["grad." + n] = p.grad.detach().clone() if p.grad is not None else torch.zeros_like(p)
    model.zero_grad(set_to_none=True)
    return out


def case(checkpoint, prompt, answer, pictures, grad=False, **more):
    """A row of Family.cases; `pictures` are names of golden/model."""
    return dict(checkpoint=checkpoint, prompt=prompt, answer=answer, pictures=pictures, grad=grad, **more)


def left_padded(rows, fill):
    """[row][1, T] of several lengths as one tensor."""
    most = max(x.shape[1] for x in rows)
    return torch.stack([F.pad(x[0], (most - x.shape[1], 0), value=fill) for x in rows])
