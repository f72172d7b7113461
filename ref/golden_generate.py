#!/usr/bin/env python3
"""Writes golden/generate: filter.safetensors, filter.json: logits and ids that occurred, which of them transformers' own
logits processors keep before sampling, and with which values (0 where dropped). Holds too how family_*.py make their
texts.json: greedy continuations by transformers' generate, one prompt at a time and in left-padded batches, with and
without repetition penalty, with one and several end tokens; `utf8`: the texts' bytes in hexadecimal; `gap` is the smallest
difference between the two best logits of any step, which says how far rounding is from mattering."""
from common import *
from transformers import (LogitsProcessorList, RepetitionPenaltyLogitsProcessor, TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper)

NEW_TOKENS = 20
PROMPTS = [("How many windows does the tower have?", ["odd"]), ("Who painted it?", []), ("Which of the two is older", ["wide", "tall"]),
           ("What is written below the clock on the yellow house?", ["tall"])]


def answer(model, processor, i, penalty, eos):
    """New tokens of each prompt of the inputs `i` up to and with its end token, and the smallest gap between the two best logits."""
    r = model.generate(**i, do_sample=False, temperature=None, top_k=None, top_p=None, repetition_penalty=penalty, eos_token_id=eos,
                       pad_token_id=processor.tokenizer.pad_token_id, max_new_tokens=NEW_TOKENS, return_dict_in_generate=True, output_scores=True)
    rows, gap = [], math.inf
    for n in range(len(i["input_ids"])):
        ids = r.sequences[n, i["input_ids"].shape[1]:].tolist()
        stop = next((k for k, t in enumerate(ids) if t in eos), len(ids) - 1)
        for k in range(stop + 1):
            best = r.scores[k][n].topk(2).values
            gap = min(gap, float(best[0] - best[1]))
        rows.append(ids[: stop + 1])
    return rows, gap


def texts(part, names, ends, inputs):
    """golden/PART.json for some checkpoints with their end tokens; inputs(processor, prompts) is what generate is given."""
    from transformers import AutoProcessor

    jobs = []
    for name in names:
        folder = os.path.join(ROOT, "weights", name)
        processor, model = AutoProcessor.from_pretrained(folder), load(folder, torch.float32)
        end = processor.tokenizer.convert_tokens_to_ids(ends)
        plain = [answer(model, processor, inputs(processor, [p]), 1.0, end[:1])[0][0] for p in PROMPTS]
        several = end + sorted({plain[1][3], plain[2][7]})
        runs = [([p], 1.0, end[:1]) for p in PROMPTS] + [([PROMPTS[0]], 1.3, end), ([PROMPTS[2]], 1.05, end), ([PROMPTS[1]], 0.8, end)]
        runs += [([p], 1.0, several) for p in PROMPTS[1:3]] + [(PROMPTS, 1.0, end[:1]), (PROMPTS[::-1], 1.0, several)]
        for prompts, penalty, eos in runs:
            ids, gap = answer(model, processor, inputs(processor, prompts), penalty, eos)
            decoded = processor.tokenizer.batch_decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
            jobs.append(dict(checkpoint="weights/" + name, prompts=[dict(text=t, pictures=[f"golden/model/{x}.png" for x in p]) for t, p in prompts],
                             prompt_tokens=[int(x) for x in inputs(processor, prompts)["attention_mask"].sum(1)], repetition_penalty=penalty, eos=eos,
                             max_new_tokens=NEW_TOKENS, ids=ids, gap=gap, utf8=[t.encode().hex() for t in decoded]))
            print(f"{name}: {len(prompts)} prompts, penalty {penalty}, {len(eos)} end tokens: lengths {[len(x) for x in ids]}, {len(set(sum(ids, [])))} "
                  f"different ids, gap {gap:.3g}")
            if len(prompts) > 1:  # a batch gives what its prompts give alone
                assert ids == [answer(model, processor, inputs(processor, [p]), penalty, eos)[0][0] for p in prompts], name
    with open(path("golden", part + ".json"), "w") as f:
        json.dump(jobs, f, indent=1, ensure_ascii=False)
        f.write("\n")


def filters():
    torch.manual_seed(SEED)
    logits = {"plain": 3 * torch.randn(97), "tied": torch.randint(-4, 5, (97,)).float(), "small": torch.randint(-2, 3, (13,)).float(), "flat": torch.zeros(13),
              "negative": -torch.rand(61) * 5}
    # logits, penalty, temperature, top_k, top_p
    cases = [("plain", 1.0, 1.0, 50, 1.0), ("plain", 1.05, 0.7, 7, 0.8), ("plain", 1.3, 0.01, 1, 0.001), ("plain", 0.8, 1.7, 0, 0.9), ("tied", 1.0, 0.5, 5, 1.0),
             ("tied", 1.2, 1.0, 3, 1.0), ("small", 1.0, 1.0, 1, 0.001), ("small", 1.0, 1.0, 200, 0.5), ("small", 1.2, 0.6, 4, 0.8), ("flat", 1.5, 1.0, 4, 1.0), ("flat", 1.0, 2.0, 0, 0.31),
             ("negative", 1.1, 0.9, 20, 0.6), ("negative", 2.0, 0.3, 50, 0.99), ("plain", 1.0, 1.0, 0, 1.0)]
    tensors, notes = {}, []
    for n, (name, penalty, temperature, k, p) in enumerate(cases):
        x = logits[name]
        seen = torch.randperm(len(x))[: len(x) // 3]
        chain = LogitsProcessorList()
        if penalty != 1:
            chain.append(RepetitionPenaltyLogitsProcessor(penalty))
        if temperature != 1:
            chain.append(TemperatureLogitsWarper(temperature))
        if k:
            chain.append(TopKLogitsWarper(k))
        if p < 1:
            chain.append(TopPLogitsWarper(p))
        ids = torch.cat([seen, seen[:3]])[None]
        out = chain(ids, x[None].clone())[0]
        wide = chain(ids, x[None].double())[0]
        # a cut that hangs on rounding would prove nothing, nor one between equal logits where torch.sort keeps no order (beyond 16 values)
        assert len(x) <= 16 or torch.isinf(out).sum() == 0 or x[torch.isinf(out)].max() != x[~torch.isinf(out)].min() or penalty != 1, name
        assert torch.equal(torch.isinf(out), torch.isinf(wide)), (name, penalty, temperature, k, p)
        kept = ~torch.isinf(out)
        tensors.update({f"{n}.logits": x, f"{n}.seen": ids[0], f"{n}.kept": kept, f"{n}.filtered": torch.where(kept, out, 0.0)})
        notes.append(dict(logits=name, repetition_penalty=penalty, temperature=temperature, top_k=k, top_p=p, left=int(kept.sum())))
        print(notes[-1])
    save("generate/filter", tensors, dict(cases=notes))


if __name__ == "__main__":
    filters()
