"""The Model Parity Aligner's first two stages and its answers on transformers and PyTorch, for goldens.
Format and rules are those of the published code."""
import math, re

import torch
from PIL import Image
from transformers import AutoProcessor

import family
from truth import load

SUFFIX = "Answer the following question in a single word or phrase."


class Model:
    """A checkpoint of any family, its bfloat16 weights widened to float32."""

    def __init__(self, folder):
        self.family, self.net = family.of_folder(folder), load(folder, torch.float32, "sdpa")
        self.processor = AutoProcessor.from_pretrained(folder)
        self.processor.tokenizer.padding_side = "left"

    @torch.no_grad()
    def answer(self, images, texts, max_new_tokens=128, batch=16):
        """The text that the model writes for each (picture file, text), special tokens dropped."""
        tok, prompts, out = self.processor.tokenizer, list(zip(texts, images)), []
        for i in range(0, len(prompts), batch):
            rows = [(text, [opened(image)]) for text, image in prompts[i:i + batch]]
            inputs = self.family.inputs(self.processor, rows)
            ids = self.net.generate(**inputs, max_new_tokens=max_new_tokens)[:, inputs["input_ids"].shape[1]:]
            out += tok.batch_decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return out


class OwnModel:
    """The same of a family whose model is written here. `gap`: the smallest so far between the two best logits."""

    def __init__(self, folder):
        self.family, self.net = family.of_folder(folder), load(folder, torch.float32, "sdpa")
        self.folder, self.processor, self.gap = folder, self.family.processor(folder), math.inf

    def answer(self, images, texts, max_new_tokens=128):
        out = []
        for image, text in zip(images, texts):
            s = self.family.sample(self.processor, text, None, [opened(image)])
            _, text, gap = self.family.continued_greedily(self.net, self.folder, s, max_new_tokens)
            self.gap = min(self.gap, gap)
            out.append(text)
        return out


def opened(image):
    return Image.open(image).convert("RGB")


def parse(text):
    q = re.search(r"Question:\s*(.*?)\?", text, re.IGNORECASE)
    a = re.search(r"Answer:\s*(.*)", text, re.IGNORECASE)
    return q.group(1).strip() if q else None, a.group(1).strip() if a else None


def norm(s):
    return re.sub(r"\W+", "", re.sub(r"\s+", "", (s or "").lower()))


def keep(truth, student, teacher):
    return norm(truth) not in norm(student) and norm(truth) in norm(teacher)


def annotations(images, texts):
    """What the teacher wrote about each picture, parsed."""
    rows = []
    for i, (image, text) in enumerate(zip(images, texts)):
        question, answer = parse(text)
        rows.append(dict(question_id=i, image_path=image, ground_truth_question=None, ground_truth_answer=None,
                         predicted_question=question, predicted_answer=answer))
    return rows


def identify(model, rows, files, **limit):
    """`files`: the picture of each image_path; `limit`: max_new_tokens, or none."""
    texts = [(r["predicted_question"] or "") + SUFFIX for r in rows]
    answers = model.answer([files[r["image_path"]] for r in rows], texts, **limit)
    return [dict(question_id=r["question_id"], image_path=r["image_path"], PA_question=r["predicted_question"],
                 PA_answer=r["predicted_answer"], predictions=a) for r, a in zip(rows, answers)]


def kept_pairs(student, teacher):
    rows = []
    for s, t in zip(student, teacher):
        if keep(s["PA_answer"], s["predictions"], t["predictions"]):
            turns = [{"from": "human", "value": "<image>\n" + s["PA_question"]},
                     {"from": "gpt", "value": s["PA_answer"]}]
            rows.append(dict(id=s["question_id"], image=s["image_path"], conversations=turns))
    return rows
