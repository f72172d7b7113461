#include "config/config.h"

#define ANY -1e300, 1e300
#define COUNT 0, 1e15

const Key config_keys[] = {
    {"run", "dir", KEY_PATH, "", ANY, NULL, "folder of everything that the run writes"},
    {"run", "seed", KEY_INTEGER, "0", COUNT, NULL, "of shuffling, sampling and random selection"},
    {"run", "threads", KEY_INTEGER, "0", 0, 4096, NULL, "0: all processors"},
    {"run", "memory", KEY_BYTES, "0", COUNT, NULL, "bytes that may be used, with K, M or G; 0: what the machine has"},
    {"run", "precision", KEY_CHOICE, "float32", ANY, "float32", "of the arithmetic"},

    {"teacher", "model", KEY_PATH, "", ANY, NULL, "checkpoint folder of the large model"},
    {"teacher", "annotations", KEY_PATH, "", ANY, NULL, "annotations made elsewhere (annotations.json), instead of the teacher's"},
    {"teacher", "answers", KEY_PATH, "", ANY, NULL, "answers made elsewhere (teacher.json), instead of asking the teacher"},

    {"student", "model", KEY_PATH, "", ANY, NULL, "checkpoint folder of the small model"},
    {"student", "answers", KEY_PATH, "", ANY, NULL, "answers made elsewhere (student.json), instead of asking the student"},

    {"data", "task", KEY_CHOICE, "textvqa", ANY, "textvqa stvqa chartqa okvqa",
     "kind of questions, and format of data set files (own tasks from a FILE.ini: not available yet)"},
    {"data", "images", KEY_PATH, "", ANY, NULL, "unlabeled pictures: a folder, a list.txt, or a data set's .json"},
    {"data", "image_root", KEY_PATH, "", ANY, NULL, "folder that relative picture paths start from and below which all pictures must lie"},
    {"data", "image_map", KEY_LINES, "", ANY, NULL, "OLD=NEW: a path prefix in the files to replace; may be repeated"},
    {"data", "missing", KEY_CHOICE, "error", ANY, "error skip", "what to do about a picture that is not there"},
    {"data", "limit", KEY_INTEGER, "0", COUNT, NULL, "use the first so many pictures only; 0: all"},
    {"data", "shard", KEY_SHARD, "", ANY, NULL, "i/n: only pictures i, i + n, i + 2n, ... (i from 0)"},

    {"image", "min_pixels", KEY_INTEGER, "0", COUNT, NULL, "least pixels of a picture; 0: the checkpoint's (published runs: 100352)"},
    {"image", "max_pixels", KEY_INTEGER, "0", COUNT, NULL, "most pixels of a picture; 0: the checkpoint's (published runs: 401408)"},
    {"image", "published", KEY_BOOL, "no", ANY, NULL, "yes: Qwen2-VL pictures are resized twice, as the published pipeline does"},

    {"annotate", "prompt", KEY_PATH, "", ANY, NULL, "file with the instruction to the annotator; default: the task's"},
    {"annotate", "max_new_tokens", KEY_INTEGER, "128", 1, 100000, NULL, "most tokens of an annotation"},
    {"annotate", "batch", KEY_INTEGER, "0", 0, 4096, NULL, "pictures computed together; 0: chosen from memory"},

    {"identify", "suffix", KEY_TEXT, "Answer the following question in a single word or phrase.", ANY, NULL, "follows every question directly"},
    {"identify", "max_new_tokens", KEY_INTEGER, "128", 1, 100000, NULL, "most tokens of an answer"},
    {"identify", "skip_teacher", KEY_BOOL, "no", ANY, NULL, "yes: the teacher is not asked where the student is right already"},
    {"identify", "select", KEY_CHOICE, "parity", ANY, "parity all random", "pairs to keep: the parity gap, every pair, or as many at random"},

    {"level", "recipe", KEY_CHOICE, "", ANY, "2025-10 2024-12", "presets of this section: the published trainer at these dates"},
    {"level", "method", KEY_CHOICE, "full", ANY, "full lora", "what is trained (lora: not available yet)"},
    {"level", "chat_newline", KEY_BOOL, "no", ANY, NULL, "yes: one more line end before each end of turn"},
    {"level", "min_pixels", KEY_INTEGER, "0", COUNT, NULL, "as in [image], in training only; 0: as [image]"},
    {"level", "max_pixels", KEY_INTEGER, "0", COUNT, NULL, "as in [image], in training only; 0: as [image]"},
    {"level", "epochs", KEY_INTEGER, "1", 1, 1e6, NULL, "passes over the kept pairs"},
    {"level", "batch", KEY_INTEGER, "128", 1, 1e6, NULL, "samples per optimiser step"},
    {"level", "micro_batch", KEY_INTEGER, "4", 1, 1e6, NULL, "samples per pass; divides batch"},
    {"level", "shuffle", KEY_BOOL, "yes", ANY, NULL, "no: in the order of parity.json"},
    {"level", "learning_rate", KEY_REAL, "1e-5", 0, 1, NULL, "peak, of all parameters without an own one"},
    {"level", "vision_learning_rate", KEY_REAL, "2e-6", 0, 1, NULL, "peak, of the vision tower"},
    {"level", "merger_learning_rate", KEY_REAL, "1e-5", 0, 1, NULL, "peak, of what joins vision to text"},
    {"level", "freeze", KEY_WORDS, "", ANY, "vision merger text", "parts that are not trained"},
    {"level", "decay", KEY_CHOICE, "no_bias_norm", ANY, "no_bias_norm all", "which weights decay: all but biases and LayerNorm, or all"},
    {"level", "schedule", KEY_CHOICE, "cosine", ANY, "cosine linear constant", "of the learning rate after warm-up"},
    {"level", "warmup_ratio", KEY_REAL, "0.03", 0, 1, NULL, "share of the steps in which the rate rises from 0"},
    {"level", "weight_decay", KEY_REAL, "0.1", 0, 100, NULL, "AdamW's"},
    {"level", "beta1", KEY_REAL, "0.9", 0, 0.9999999, NULL, "AdamW's"},
    {"level", "beta2", KEY_REAL, "0.999", 0, 0.9999999, NULL, "AdamW's"},
    {"level", "epsilon", KEY_REAL, "1e-8", 0, 1, NULL, "AdamW's"},
    {"level", "clip", KEY_REAL, "1", 0, 1e12, NULL, "largest norm of the gradient; 0: any"},
    {"level", "loss", KEY_CHOICE, "token", ANY, "micro_batch token", "mean of the micro-batches' means, or over all label tokens of the step"},
    {"level", "lora_rank", KEY_INTEGER, "64", 1, 65536, NULL, "not available yet"},
    {"level", "lora_alpha", KEY_REAL, "64", 0, 1e6, NULL, "not available yet"},
    {"level", "lora_dropout", KEY_REAL, "0.05", 0, 0.999, NULL, "not available yet"},
    {"level", "lora_target", KEY_TEXT, "", ANY, NULL, "not available yet"},
    {"level", "save_every", KEY_INTEGER, "100", COUNT, NULL, "optimiser steps between states from which a run resumes; 0: none"},
    {"level", "dtype", KEY_CHOICE, "", ANY, "float32 bfloat16", "of the weights written; default: as the student's"},
    {"level", "offload", KEY_PATH, "", ANY, NULL, "not available yet"},

    {"evaluate", "questions", KEY_PATH, "", ANY, NULL, "labelled set in the task's evaluation format"},
    {"evaluate", "image_root", KEY_PATH, "", ANY, NULL, "as in [data], for the labelled set"},
    {"evaluate", "metric", KEY_WORDS, "", ANY, "mpa vqa anls relaxed", "default: mpa and the task's own"},
    {"evaluate", "models", KEY_WORDS, "student aligned teacher", ANY, "student aligned teacher", "which to score"},
    {"evaluate", "predictions", KEY_PATH, "", ANY, NULL, "score this file only, no model is run"},
    {NULL, NULL, KEY_TEXT, NULL, ANY, NULL, NULL},
};
