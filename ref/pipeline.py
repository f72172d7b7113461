"""The Model Parity Aligner's first two stages and its answers on transformers and PyTorch, for goldens. Format and rules: those of the published code."""

import json
import re

import torch
from PIL import Image
from transformers import AutoConfig, AutoProcessor, Idefics3ForConditionalGeneration, Qwen2VLForConditionalGeneration

SUFFIX = "Answer the following question in a single word or phrase."
SYSTEM = "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"


class Model:
    """A checkpoint of either family, its bfloat16 weights widened to float32."""

    def __init__(self, folder):
        self.smolvlm = AutoConfig.from_pretrained(folder).model_type == "idefics3"
        kind = Idefics3ForConditionalGeneration if self.smolvlm else Qwen2VLForConditionalGeneration
        self.net = kind.from_pretrained(folder, torch_dtype=torch.float32, attn_implementation="eager" if self.smolvlm else "sdpa").eval()
        self.processor = AutoProcessor.from_pretrained(folder)
        self.processor.tokenizer.padding_side = "left"

    def chat(self, text):
        if self.smolvlm:
            return f"<|im_start|>User:<image>{text}<end_of_utterance>\nAssistant:"
        return f"{SYSTEM}<|im_start|>user\n<|vision_start|><|image_pad|><|vision_end|>{text}<|im_end|>\n<|im_start|>assistant\n"

    @torch.no_grad()
    def answer(self, images, texts, max_new_tokens=128, batch=16):
        """The text that the model writes for each (picture file, text), special tokens dropped."""
        out = []
        for i in range(0, len(images), batch):
            pictures = [Image.open(p).convert("RGB") for p in images[i:i + batch]]
            pictures = [[p] for p in pictures] if self.smolvlm else pictures
            inputs = self.processor(text=[self.chat(t) for t in texts[i:i + batch]], images=pictures, padding=True, return_tensors="pt")
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


def dump(path, value, indent):
    with open(path, "w", encoding="utf-8") as f:
        json.dump(value, f, indent=indent)
        f.write("\n")
