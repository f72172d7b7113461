"""Greedy continuations of the tiny checkpoints by transformers' generate: golden/family/NAME/texts.json.

One prompt at a time and in left-padded batches, with and without repetition penalty, with one and several end
tokens. `utf8`: the texts' bytes in hexadecimal; `gap`: the smallest difference between the two best logits of
any step, which says how far rounding is from mattering."""
import math, os

import torch

from common import ROOT, save_json, shown, shown_file
from truth import load

NEW_TOKENS = 20
PROMPTS = [("How many windows does the tower have?", ["odd"]), ("Who painted it?", []),
           ("Which of the two is older", ["wide", "tall"]),
           ("What is written below the clock on the yellow house?", ["tall"])]


def answer(model, processor, inputs, penalty, eos):
    """New tokens of each prompt up to and with its end token, and the smallest gap between the two best
    logits."""
    r = model.generate(**inputs, do_sample=False, temperature=None, top_k=None, top_p=None,
                       repetition_penalty=penalty, eos_token_id=eos, pad_token_id=processor.tokenizer.pad_token_id,
                       max_new_tokens=NEW_TOKENS, return_dict_in_generate=True, output_scores=True)
    rows, gap = [], math.inf
    for n in range(len(inputs["input_ids"])):
        ids = r.sequences[n, inputs["input_ids"].shape[1]:].tolist()
        stop = next((k for k, t in enumerate(ids) if t in eos), len(ids) - 1)
        for k in range(stop + 1):
            best = r.scores[k][n].topk(2).values
            gap = min(gap, float(best[0] - best[1]))
        rows.append(ids[: stop + 1])
    return rows, gap


def jobs_of(family, name):
    """A checkpoint's continuations."""
    from transformers import AutoProcessor

    folder = os.path.join(ROOT, "weights", name)
    processor, model = AutoProcessor.from_pretrained(folder), load(folder, torch.float32, "eager")
    end = processor.tokenizer.convert_tokens_to_ids(family.ends)

    def run(prompts, penalty, eos):
        inputs = family.inputs(processor, [(question, [shown(p) for p in names]) for question, names in prompts])
        return inputs, *answer(model, processor, inputs, penalty, eos)

    plain = [run([p], 1.0, end[:1])[1][0] for p in PROMPTS]
    several = end + sorted({plain[1][3], plain[2][7]})
    runs = [([p], 1.0, end[:1]) for p in PROMPTS]
    runs += [([PROMPTS[0]], 1.3, end), ([PROMPTS[2]], 1.05, end), ([PROMPTS[1]], 0.8, end)]
    runs += [([p], 1.0, several) for p in PROMPTS[1:3]]
    runs += [(PROMPTS, 1.0, end[:1]), (PROMPTS[::-1], 1.0, several)]
    for prompts, penalty, eos in runs:
        inputs, ids, gap = run(prompts, penalty, eos)
        if len(prompts) > 1:  # a batch gives what its prompts give alone
            assert ids == [run([p], penalty, eos)[1][0] for p in prompts], name
        decoded = processor.tokenizer.batch_decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        print(f"{name}: {len(prompts)} prompts, penalty {penalty}, {len(eos)} end tokens: "
              f"lengths {[len(x) for x in ids]}, {len(set(sum(ids, [])))} different ids, gap {gap:.3g}")
        yield dict(checkpoint="weights/" + name,
                   prompts=[dict(text=t, pictures=[shown_file(x) for x in p]) for t, p in prompts],
                   prompt_tokens=[int(x) for x in inputs["attention_mask"].sum(1)], repetition_penalty=penalty, eos=eos,
                   max_new_tokens=NEW_TOKENS, ids=ids, gap=gap, utf8=[t.encode().hex() for t in decoded])


def write(family):
    jobs = [job for name in family.checkpoints for job in jobs_of(family, name)]
    save_json(jobs, "golden", "family", family.name, "texts.json", indent=1, ensure_ascii=False)
