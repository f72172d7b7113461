"""`mpa bench` beside PyTorch, and beside llama.cpp where llama-cpp-python is installed: the same shapes,
random weights, one after the other in every round.

    python ref/bench_torch.py --config CONFIG.json [--rounds 3] [--threads N] [--repeats 3] [--mpa ./mpa] [--json FILE]
                              [--only prefill,decode,vision,lora,train] [--peers float32,bfloat16,llama.cpp]
                              [--layers N] [--vocabulary N]

A round runs mpa and its peers: PyTorch in float32, PyTorch in bfloat16 (which takes minutes where the CPU has
no instructions for it, and is left out there unless named), and llama.cpp on the text model in bfloat16, each
in a process of its own. A ratio is taken within a round, and what is printed is the median over the rounds:
machines change their speed from minute to minute, less so within one round. Ratios above 1: mpa is faster.
What is measured is what src/command/bench_model.c measures: 512 tokens of prefill with the logits of the
last; a step of decoding after 64 tokens; the vision tower on a picture of 672x448; a training step (forward,
backward, clipping, AdamW) on 8 tokens, those of a picture, and 440 on which the loss is; the same of PEFT's
adapters of rank 64 on every product of the text model's layers. Where a model is too large for the machine, or
would take an hour: --layers measures it with so many layers of the decoder and of the tower, --vocabulary with a
smaller table and head. ref/shapes has the shapes of the families whose model is written here."""
import argparse, glob, importlib.util, json, os, resource, shutil, statistics, subprocess, sys, tempfile, time

HERE = os.path.dirname(os.path.abspath(__file__))
PARTS = ("prefill", "decode", "vision", "lora", "train")
PROMPT, FIRST, ANSWER, CONTEXT, STEPS = 512, 8, 440, 64, 8
BATCHES = (1, 8, 32)
TRAINED = 1e9  # parameters of the largest model whose training is measured


def median(work):
    """Seconds of the median of Peer.repeats runs after one that does not count; work may return its own
    seconds."""
    seconds = []
    for _ in range(Peer.repeats + 1):
        start = time.perf_counter()
        own = work()
        seconds.append(own if isinstance(own, float) else time.perf_counter() - start)
    return statistics.median(seconds[1:])


def family_and_config(file):
    """Of a config.json: our program for its family, and the configuration of its class."""
    import family

    with open(file, encoding="utf-8") as f:
        given = json.load(f)
    kind = family.of_type(given.pop("model_type"))
    return kind, kind.configuration(given)


def smaller(config, layers, vocabulary):
    """A configuration, and those inside it, with so many layers and tokens; none: as many as it has. Layers are set also where the file
    leaves their number to its class."""
    new = {"num_hidden_layers": layers, "depth": layers, "vocab_size": vocabulary}
    out = {k: smaller(v, layers, vocabulary) if isinstance(v, dict) else new.get(k) or v for k, v in config.items()}
    return {**out, "num_hidden_layers": layers, "depth": layers} if layers and "hidden_size" in config else out


class Peer:
    """A model with random weights of one dtype, as `config` shapes it. torch is imported
    here, in a process of its own."""
    repeats = 3

    def __init__(self, config, dtype):
        import torch
        from truth import unfilled

        self.torch, self.dtype = torch, dtype
        self.family, self.config = family_and_config(config)
        with torch.no_grad():
            with unfilled(dtype):
                self.model, self.vocab, self.image = self.family.bare_model(self.config, dtype)
            for p in self.model.parameters():
                p.uniform_(-0.03, 0.03)
        if hasattr(self.model, "tie_weights"):
            self.model.tie_weights()
        self.head = self.family.head(self.model)

    def ids(self, batch, count, picture=0):
        ids = self.torch.randint(0, min(1000, self.image), (batch, count))
        ids[:, FIRST:FIRST + picture] = self.image
        return ids

    def hidden(self, ids, cache, **more):
        return self.family.hidden(self.model, ids, cache, **more)

    def prefill(self):
        from transformers import DynamicCache

        ids = self.ids(1, PROMPT)
        return median(lambda: self.head(self.hidden(ids, DynamicCache())[:, -1:]))

    def decode(self, batch):
        from transformers import DynamicCache
        context, step = self.ids(batch, CONTEXT), self.ids(batch, 1)
        cache, count = DynamicCache(), CONTEXT
        self.hidden(context, cache)

        def work():
            nonlocal count
            start = time.perf_counter()
            for count in range(count + 1, count + 1 + STEPS):
                more = self.family.step_positions(count - 1, batch)
                self.head(self.hidden(step, cache, **more))
            return (time.perf_counter() - start) / STEPS
        return median(work)

    def vision(self, patches):
        pixels = self.family.random_pixels(self.config, patches, self.dtype)
        return median(lambda: self.family.vision_rows(self.model, *pixels))

    def adapt(self):
        """Adapters on the text model's layers; all else is frozen."""
        from peft import LoraConfig, inject_adapter_in_model

        names = [n for n, m in self.model.named_modules() if isinstance(m, self.torch.nn.Linear) and m is not self.head
                 and self.family.part_of(n) == "rest"]
        inject_adapter_in_model(LoraConfig(r=64, lora_alpha=64, target_modules=names), self.model)

    def train(self):
        torch, patches, tokens = self.torch, self.family.training_patches(self.config), self.family.training_tokens
        pixels = self.family.random_pixels(self.config, patches, self.dtype)
        ids = self.ids(1, FIRST + tokens + ANSWER, tokens)
        forward = self.family.training_forward(self.model, ids, *pixels)
        trained = [p for p in self.model.parameters() if p.requires_grad]
        optimiser = torch.optim.AdamW(trained, lr=1e-6, fused=True)
        labels = ids[0, -ANSWER:] % self.vocab

        def work():
            optimiser.zero_grad()
            logits = self.head(forward()[0, -ANSWER - 1:-1]).float()
            torch.nn.functional.cross_entropy(logits, labels).backward()
            torch.nn.utils.clip_grad_norm_(trained, 1.0)
            optimiser.step()
        return median(work)


def measure_torch(a):
    import torch
    torch.set_num_threads(a.threads)
    torch.manual_seed(0)
    peer, out = Peer(a.config, getattr(torch, a.child)), {}
    with torch.inference_mode():
        if "prefill" in a.only:
            out["prefill, 512 tokens"] = peer.prefill()
        for batch in BATCHES if "decode" in a.only else ():
            out[f"decode, batch {batch}"] = peer.decode(batch)
        if "vision" in a.only:
            out["vision, 672x448"] = peer.vision(a.patches)
    if "train" in a.only and sum(p.numel() for p in peer.model.parameters()) < TRAINED:
        out["training step"] = peer.train()
    if "lora" in a.only:
        peer.adapt()
        out["LoRA step, rank 64"] = peer.train()
    return out


def gguf_head(w, c):
    """What llama.cpp wants to know of a text model."""
    for add, value in ((w.add_block_count, c.num_hidden_layers), (w.add_context_length, 8192),
                       (w.add_embedding_length, c.hidden_size), (w.add_feed_forward_length, c.intermediate_size),
                       (w.add_head_count, c.num_attention_heads), (w.add_head_count_kv, c.num_key_value_heads),
                       (w.add_layer_norm_rms_eps, 1e-6), (w.add_rope_freq_base, 1e6),
                       (w.add_rope_dimension_count, c.hidden_size // c.num_attention_heads),
                       (w.add_vocab_size, c.vocab_size)):
        add(value)
    w.add_tokenizer_model("none")


def write_gguf(config, path):
    """The text model of `config` in llama.cpp's format: its matrices in bfloat16, random, its vocabulary
    without texts."""
    import numpy, gguf
    kind, whole = family_and_config(config)
    assert kind.gguf, f"no text model of {kind.name} for llama.cpp here"
    c = whole.get_text_config()
    D, F, H, V = c.hidden_size, c.intermediate_size, c.num_attention_heads, c.vocab_size
    K, E = c.num_key_value_heads, D // H
    draw, w = numpy.random.default_rng(0), gguf.GGUFWriter(path, kind.gguf)
    gguf_head(w, c)

    def matrix(name, rows, cols):
        values = draw.random((rows, cols), dtype=numpy.float32) * numpy.float32(0.06) - numpy.float32(0.03)
        bits = (values.view(numpy.uint32) >> 16).astype(numpy.uint16).view(numpy.uint8)
        w.add_tensor(name + ".weight", bits, raw_dtype=gguf.GGMLQuantizationType.BF16)

    def vector(name, count, value):
        w.add_tensor(name, numpy.full(count, value, numpy.float32))

    matrix("token_embd", V, D)
    vector("output_norm.weight", D, 1)
    if not whole.tie_word_embeddings:
        matrix("output", V, D)
    for i in range(c.num_hidden_layers):
        for name, rows, cols in (("attn_q", H * E, D), ("attn_k", K * E, D), ("attn_v", K * E, D),
                                 ("attn_output", D, H * E), ("ffn_gate", F, D), ("ffn_up", F, D), ("ffn_down", D, F)):
            matrix(f"blk.{i}.{name}", rows, cols)
            if kind.gguf == "qwen2" and name in ("attn_q", "attn_k", "attn_v"):  # llama.cpp wants biases there
                vector(f"blk.{i}.{name}.bias", rows, 0)
        vector(f"blk.{i}.attn_norm.weight", D, 1)
        vector(f"blk.{i}.ffn_norm.weight", D, 1)
    for write in (w.write_header_to_file, w.write_kv_data_to_file, w.write_tensors_to_file, w.close):
        write()


def measure_llama(a):
    from llama_cpp import Llama
    with tempfile.TemporaryDirectory() as folder:
        write_gguf(a.config, folder + "/text.gguf")
        model = Llama(folder + "/text.gguf", n_threads=a.threads, n_threads_batch=a.threads, n_ctx=PROMPT + 64,
                      n_batch=PROMPT, verbose=False)

    def decode():
        model.reset()
        model.eval([1] * CONTEXT)
        start = time.perf_counter()
        for _ in range(STEPS):
            model.eval([1])
        return (time.perf_counter() - start) / STEPS

    def prefill():
        model.reset()
        start = time.perf_counter()
        model.eval([1] * PROMPT)
        return time.perf_counter() - start
    out = {"prefill, 512 tokens": median(prefill)} if "prefill" in a.only else {}
    return {**out, "decode, batch 1": median(decode)} if "decode" in a.only else out


def measure_mpa(a):
    command = [a.mpa, "bench", "--quiet", "--json", "--config", a.config, "--threads", str(a.threads), "--only",
               ",".join(["machine", *a.only])]
    environment = {**os.environ, "OMP_WAIT_POLICY": "active"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:  # a vocabulary without the special tokens, too little memory, ...
        sys.exit(done.stderr.strip() or f"{a.mpa} bench: exit status {done.returncode}")
    return json.loads(done.stdout)


def child(a, which, patches):
    command = [sys.executable, __file__, "--child", which, "--config", a.config, "--threads", str(a.threads), "--only",
               ",".join(a.only), "--patches", str(patches), "--repeats", str(a.repeats)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        said = done.stderr.strip().splitlines()
        print(f"{which}: {said[-1] if said else done.returncode}", file=sys.stderr)
        return {}
    return json.loads(done.stdout.splitlines()[-1])


def default_peers():
    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as f:
        cpu = f.read()
    llama = all(importlib.util.find_spec(name) for name in ("llama_cpp", "gguf"))
    return ["float32"] + ["bfloat16"] * ("bf16" in cpu) + ["llama.cpp"] * llama


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--config", required=True)
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--threads", type=int, default=os.cpu_count())
    p.add_argument("--repeats", type=int, default=Peer.repeats,
                   help="runs of which the peers' figures are the median (mpa takes 3)")
    p.add_argument("--only", default=",".join(PARTS))
    p.add_argument("--mpa", default=os.path.join(HERE, "..", "mpa"))
    p.add_argument("--peers", help="default: float32, bfloat16 where the CPU has instructions for it, llama.cpp where its "
                   "Python package is installed, with gguf")
    p.add_argument("--layers", type=int, help="of the decoder and of the tower (default: all)")
    p.add_argument("--vocabulary", type=int, help="tokens (default: all)")
    p.add_argument("--json")
    p.add_argument("--child", help=argparse.SUPPRESS)
    p.add_argument("--patches", type=int, help=argparse.SUPPRESS)
    a = p.parse_args()
    a.only = a.only.split(",")
    return a


def main():
    a = arguments()
    Peer.repeats = a.repeats
    if a.child:
        out = measure_llama(a) if a.child == "llama.cpp" else measure_torch(a)
        print(json.dumps({**out, "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}))
        return
    a.title = a.config + (f", {a.layers} layers" if a.layers else "") + (f", {a.vocabulary} tokens" if a.vocabulary else "")
    with tempfile.TemporaryDirectory() as scratch:
        with open(a.config, encoding="utf-8") as f:
            given = json.load(f)
        for beside in glob.glob(os.path.join(os.path.dirname(a.config) or ".", "*processor_config.json")):
            shutil.copy(beside, scratch)  # how large the pictures are
        a.config = os.path.join(scratch, "config.json")
        with open(a.config, "w", encoding="utf-8") as f:
            json.dump(smaller(given, a.layers, a.vocabulary), f)
        compare(a)


def compare(a):
    peers = a.peers.split(",") if a.peers else default_peers()
    rounds = []
    for i in range(a.rounds):
        own, patches = measure_mpa(a), 0
        for f in own["figures"]:
            patches = int(f["note"].split()[0]) if f["name"].startswith("vision") else patches
        rounds.append({"mpa": own, **{which: child(a, which, patches) for which in peers}})
        print(f"round {i + 1} of {a.rounds} done", file=sys.stderr, flush=True)
    if a.json:
        with open(a.json, "w", encoding="utf-8") as f:
            json.dump(rounds, f, indent=1)
    show(rounds, peers, a)


def show(rounds, peers, a):
    def middle(values):
        values = [v for v in values if v]
        return statistics.median(values) if values else None

    def cell(value, form):
        return form.format(value) if value else "-"
    first = rounds[0]["mpa"]
    print(f"{a.title}: {a.threads} threads, median of {len(rounds)} rounds; {first['arithmetic']}")
    print(f"this machine: {middle(r['mpa']['gflops'] for r in rounds):.0f} GFLOP/s, "
          f"{middle(r['mpa']['gb_per_second'] for r in rounds):.1f} GB/s")
    print(f"{'seconds':22}{'mpa':>9}{'of limit':>9}" + "".join(f"{w:>11}{'ratio':>7}" for w in peers))
    for i, f in enumerate(first["figures"]):
        own = [r["mpa"]["figures"][i]["seconds"] for r in rounds]
        limit = middle(r["mpa"]["figures"][i]["part_of_limit"] for r in rounds)
        line = f"{f['name']:22}{cell(middle(own), '{:.4f}'):>9}{cell(limit, '{:.0%}'):>9}"
        for w in peers:
            theirs = [r[w].get(f["name"]) for r in rounds]
            ratio = middle(t / o for t, o in zip(theirs, own) if t and o)
            line += f"{cell(middle(theirs), '{:.4f}'):>11}{cell(ratio, '{:.2f}'):>7}"
        print(line)
    peaks = [rounds[0][w].get("peak_bytes", 0) / 2**30 for w in peers]
    print(f"{'peak memory, GiB':22}{first['peak_bytes'] / 2**30:9.2f}{'':9}" + "".join(f"{v:11.2f}{'':7}" for v in peaks))


if __name__ == "__main__":
    main()
