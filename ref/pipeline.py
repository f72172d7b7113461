"""The Model Parity Aligner's stages on transformers and PyTorch, for goldens and for trying settings. Format and rules: those of the published code."""

import json
import math
import os
import re

import torch
from PIL import Image
from transformers import AutoProcessor, Qwen2VLForConditionalGeneration

SUFFIX = "Answer the following question in a single word or phrase."
SYSTEM = "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"


class Model:
    """A checkpoint, its bfloat16 weights widened to float32."""

    def __init__(self, folder):
        self.net = Qwen2VLForConditionalGeneration.from_pretrained(folder, torch_dtype=torch.float32, attn_implementation="sdpa").eval()
        self.processor = AutoProcessor.from_pretrained(folder)
        self.processor.tokenizer.padding_side = "left"

    @torch.no_grad()
    def answer(self, images, texts, max_new_tokens=128, batch=16):
        """The text that the model writes for each (picture file, text), special tokens dropped."""
        out = []
        for i in range(0, len(images), batch):
            pictures = [Image.open(p).convert("RGB") for p in images[i:i + batch]]
            chats = [f"{SYSTEM}<|im_start|>user\n<|vision_start|><|image_pad|><|vision_end|>{t}<|im_end|>\n<|im_start|>assistant\n" for t in texts[i:i + batch]]
            inputs = self.processor(text=chats, images=pictures, padding=True, return_tensors="pt")
            ids = self.net.generate(**inputs, max_new_tokens=max_new_tokens)[:, inputs.input_ids.shape[1]:]
            out += self.processor.tokenizer.batch_decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return out


def parse(text):
    q = re.search(r"Question:\s*(.*?)\?", text, re.IGNORECASE)
    a = re.search(r"Answer:\s*(.*)", text, re.IGNORECASE)
    return q.group(1).strip() if q else None, a.group(1).strip() if a else None


def norm(s):
    return re.sub(r"\W+", "", re.sub(r"\s+", "", (s or "").lower()))


def keep(truth, student, teacher):
    return norm(truth) not in norm(student) and norm(truth) in norm(teacher)


def annotate(teacher, images, prompt):
    texts = teacher.answer(images, [prompt] * len(images))
    return texts, [dict(question_id=i, image_path=p, ground_truth_question=None, ground_truth_answer=None, predicted_question=parse(t)[0],
                        predicted_answer=parse(t)[1]) for i, (p, t) in enumerate(zip(images, texts))]


def identify(model, rows):
    answers = model.answer([r["image_path"] for r in rows], [(r["predicted_question"] or "") + SUFFIX for r in rows])
    return [dict(question_id=r["question_id"], image_path=r["image_path"], PA_question=r["predicted_question"], PA_answer=r["predicted_answer"], predictions=a)
            for r, a in zip(rows, answers)]


def kept_pairs(student, teacher):
    return [dict(id=s["question_id"], image=s["image_path"],
                 conversations=[{"from": "human", "value": "<image>\n" + s["PA_question"]}, {"from": "gpt", "value": s["PA_answer"]}])
            for s, t in zip(student, teacher) if keep(s["PA_answer"], s["predictions"], t["predictions"])]


def accuracy(rows):
    return 100 * sum(norm(r["GT_answer"]) in norm(r["predictions"]) for r in rows) / len(rows)


def evaluate(model, questions, folder):
    images = [os.path.join(folder, f"COCO_val2014_{q['image_id']:012d}.jpg") for q in questions]
    answers = model.answer(images, [q["question"] + SUFFIX for q in questions])
    return [dict(question_id=q["question_id"], image_path=p, GT_question=q["question"], GT_answer=max(q["answers"], key=q["answers"].count), predictions=a)
            for q, p, a in zip(questions, images, answers)]


def align(model, pairs, lr, epochs, batch, warmup=0.03, seed=0):
    """Fine-tunes everything on the kept pairs: AdamW, cosine, labels on answer, <|im_end|> and line end, gradient clipped at 1."""
    tok, net = model.processor.tokenizer, model.net
    optimiser = torch.optim.AdamW(net.parameters(), lr=lr, betas=(0.9, 0.999), eps=1e-8, weight_decay=0)
    per_epoch = math.ceil(len(pairs) / batch)
    total, step = per_epoch * epochs, 0
    warm, order = math.ceil(warmup * total), torch.Generator().manual_seed(seed)
    for _ in range(epochs):
        shuffled = torch.randperm(len(pairs), generator=order).tolist()
        for i in range(0, len(pairs), batch):
            rate = step / warm if step < warm else 0.5 * (1 + math.cos(math.pi * (step - warm) / (total - warm)))
            chosen = [pairs[j] for j in shuffled[i:i + batch]]
            loss = 0
            for p in chosen:
                question, answer = p["conversations"][0]["value"].removeprefix("<image>\n"), p["conversations"][1]["value"]
                head = f"{SYSTEM}<|im_start|>user\n<|vision_start|><|image_pad|><|vision_end|>{question}<|im_end|>\n<|im_start|>assistant\n"
                x = model.processor(text=[head], images=[Image.open(p["image"]).convert("RGB")], return_tensors="pt")
                tail = torch.tensor([tok(answer + "<|im_end|>\n")["input_ids"]])
                ids = torch.cat([x.input_ids, tail], 1)
                labels = torch.cat([torch.full_like(x.input_ids, -100), tail], 1)
                loss = loss + net(input_ids=ids, attention_mask=torch.ones_like(ids), pixel_values=x.pixel_values, image_grid_thw=x.image_grid_thw,
                                  labels=labels).loss / len(chosen)
            for g in optimiser.param_groups:
                g["lr"] = lr * rate
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimiser.step()
            step += 1
            if step % 20 == 0:
                print(f"step {step}/{total} loss {loss.item():.3f}", flush=True)


def dump(path, value, indent):
    with open(path, "w", encoding="utf-8") as f:
        json.dump(value, f, indent=indent)
        f.write("\n")
