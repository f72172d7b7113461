/* The table of keys: one row binds a key to its field in Config. Everything else that is known of
 * the keys (help, dump, checks, defaults) is read from here. */
#include "config/keys.h"

/* The name of a key is the name of its field. */
#define KEY(section, key) #section "." #key, offsetof(Config, section.key), sizeof(((Config *)0)->section.key)
#define ANY -1e300, 1e300
#define COUNT 0, 1e15

const Key config_keys[] = {
    {KEY(run, dir), KEY_PATH, "", ANY, NULL, "folder of everything that the run writes"},
    {KEY(run, seed), KEY_INTEGER, "0", COUNT, NULL, "decides shuffling, sampling and random selection"},
    {KEY(run, threads), KEY_INTEGER, "0", 0, 4096, NULL, "0: all processors"},
    {KEY(run, memory), KEY_BYTES, "0", COUNT, NULL,
     "memory that may be used, in bytes or with K, M, G; 0: all that the machine has"},
    {KEY(run, precision), KEY_CHOICE, "float32", ANY, "float32", "number type of the arithmetic"},

    {KEY(teacher, model), KEY_PATH, "", ANY, NULL, "checkpoint folder of the large model"},
    {KEY(teacher, annotations), KEY_PATH, "", ANY, NULL,
     "annotations made elsewhere (annotations.json), instead of the teacher's"},
    {KEY(teacher, answers), KEY_PATH, "", ANY, NULL,
     "answers made elsewhere (teacher.json), instead of asking the teacher"},

    {KEY(student, model), KEY_PATH, "", ANY, NULL, "checkpoint folder of the small model"},
    {KEY(student, adapter), KEY_PATH, "", ANY, NULL,
     "folder of a LoRA adapter (PEFT) that is added to the small model, but not in `level`"},
    {KEY(student, answers), KEY_PATH, "", ANY, NULL,
     "answers made elsewhere (student.json), instead of asking the student"},

    {KEY(data, task), KEY_NAME, "textvqa", ANY, "textvqa stvqa chartqa okvqa",
     "kind of questions, and format of data set files; or FILE.ini, a task of your own"},
    {KEY(data, images), KEY_PATH, "", ANY, NULL,
     "unlabeled pictures: a folder (all below it), a list.txt, a data set's .json, or a .jsonl of {image}"},
    {KEY(data, image_root), KEY_PATH, "", ANY, NULL,
     "folder of the pictures: relative paths start here, and no picture may lie outside"},
    {KEY(data, image_map), KEY_LINES, "", ANY, NULL,
     "OLD=NEW: a path prefix in the files to replace; may be repeated"},
    {KEY(data, missing), KEY_CHOICE, "error", ANY, "error skip",
     "a picture that is missing or cannot be read: stop with an error before any model is loaded, or skip "
     "it"},
    {KEY(data, limit), KEY_INTEGER, "0", COUNT, NULL, "use only the first N pictures; 0: all"},
    {KEY(data, shard), KEY_SHARD, "", ANY, NULL,
     "i/n: use only pictures i, i + n, i + 2n, ..., with i from 0 to n - 1"},

    {KEY(image, min_pixels), KEY_INTEGER, "0", COUNT, NULL,
     "minimum number of pixels of a picture as the model sees it; 0: the checkpoint's (published runs: "
     "100352)"},
    {KEY(image, max_pixels), KEY_INTEGER, "0", COUNT, NULL,
     "maximum number of pixels of a picture as the model sees it; 0: the checkpoint's (published runs: "
     "401408)"},
    {KEY(image, published), KEY_BOOL, "no", ANY, NULL,
     "yes: as in the published pipeline: Qwen2-VL's pictures are resized twice, others as always"},
    {KEY(image, exif), KEY_BOOL, "no", ANY, NULL,
     "yes: turn pictures as their EXIF says (1 to 8, of JPEG and PNG); no: take the pixels as stored"},

    {KEY(annotate, prompt), KEY_PATH, "", ANY, NULL,
     "file with the instruction to the annotator; default: the task's"},
    {KEY(annotate, max_new_tokens), KEY_INTEGER, "128", 1, 100000, NULL,
     "maximum number of tokens of an annotation"},
    {KEY(annotate, batch), KEY_INTEGER, "0", 0, 4096, NULL,
     "pictures per batch; 0: as many as fit into memory, at most 32"},

    {KEY(identify, suffix), KEY_TEXT, "Answer the following question in a single word or phrase.", ANY, NULL,
     "text put behind every question, without a space"},
    {KEY(identify, max_new_tokens), KEY_INTEGER, "128", 1, 100000, NULL,
     "maximum number of tokens of an answer"},
    {KEY(identify, skip_teacher), KEY_BOOL, "no", ANY, NULL,
     "yes: where the student is right, the teacher is not asked (same pairs, less work)"},
    {KEY(identify, select), KEY_CHOICE, "parity", ANY, "parity all random unverified labels",
     "pairs to keep: only the teacher right; all; as many at random; student wrong, teacher not asked; the "
     "data "
     "set's own labels"},

    {KEY(level, recipe), KEY_CHOICE, "auto", ANY, "auto 2025-10 2024-12 2024-12-as-run",
     "the published trainer's settings for keys that are not set; auto: 2025-10, epochs, batch and warm-up "
     "fitted to the number of pairs"},
    {KEY(level, method), KEY_CHOICE, "full", ANY, "full lora",
     "what is trained: all weights, or low-rank adapters beside them"},
    {KEY(level, chat_newline), KEY_BOOL, "no", ANY, NULL, "yes: one more line end before each end of turn"},
    {KEY(level, min_pixels), KEY_INTEGER, "0", COUNT, NULL,
     "minimum number of pixels in training; 0: as in [image]"},
    {KEY(level, max_pixels), KEY_INTEGER, "0", COUNT, NULL,
     "maximum number of pixels in training; 0: as in [image]"},
    {KEY(level, epochs), KEY_INTEGER, "1", 1, 1e6, NULL, "passes over the kept pairs"},
    {KEY(level, batch), KEY_INTEGER, "128", 1, 1e6, NULL, "samples per optimiser step"},
    {KEY(level, micro_batch), KEY_INTEGER, "4", 1, 1e6, NULL, "samples per pass; divides batch"},
    {KEY(level, shuffle), KEY_BOOL, "yes", ANY, NULL,
     "yes: a new order in each epoch; no: the order of parity.json"},
    {KEY(level, learning_rate), KEY_REAL, "1e-5", 0, 1, NULL, "peak learning rate of the text model"},
    {KEY(level, vision_learning_rate), KEY_REAL, "2e-6", 0, 1, NULL,
     "peak learning rate of the vision tower"},
    {KEY(level, merger_learning_rate), KEY_REAL, "1e-5", 0, 1, NULL,
     "peak learning rate of the merger or connector, which joins vision to text"},
    {KEY(level, freeze), KEY_WORDS, "", ANY, "vision merger text", "parts that are not trained"},
    {KEY(level, decay), KEY_CHOICE, "no_bias_norm", ANY, "no_bias_norm all",
     "weights that decay: all but biases and those of LayerNorm; or all"},
    {KEY(level, schedule), KEY_CHOICE, "cosine", ANY, "cosine linear constant",
     "how the learning rate falls after warm-up"},
    {KEY(level, warmup_ratio), KEY_REAL, "0.03", 0, 1, NULL,
     "part of all steps in which the learning rate rises from 0"},
    {KEY(level, weight_decay), KEY_REAL, "0.1", 0, 100, NULL, "weight decay of AdamW"},
    {KEY(level, beta1), KEY_REAL, "0.9", 0, 0.9999999, NULL, "beta1 of AdamW"},
    {KEY(level, beta2), KEY_REAL, "0.999", 0, 0.9999999, NULL, "beta2 of AdamW"},
    {KEY(level, epsilon), KEY_REAL, "1e-8", 0, 1, NULL, "epsilon of AdamW"},
    {KEY(level, clip), KEY_REAL, "1", 0, 1e12, NULL,
     "maximum norm of the gradient, which is scaled down to it; 0: no clipping"},
    {KEY(level, loss), KEY_CHOICE, "token", ANY, "micro_batch token",
     "what is minimised: the mean of the micro-batches' means, or the mean over all label tokens of the "
     "step"},
    {KEY(level, lora_rank), KEY_INTEGER, "0", 0, 65536, NULL, "rank of the adapters; 0: lora_init's, or 64"},
    {KEY(level, lora_alpha), KEY_REAL, "0", 0, 1e6, NULL,
     "adapters count lora_alpha / lora_rank times; 0: lora_init's, or as the rank"},
    {KEY(level, lora_dropout), KEY_REAL, "0", 0, 0.999, NULL,
     "part of an adapter's input that is left out in training"},
    {KEY(level, lora_target), KEY_TEXT, "", ANY, NULL,
     "modules with adapters: words that their names are, or end in after a dot; default: lora_init's, or the "
     "products of the text model's layers"},
    {KEY(level, lora_init), KEY_PATH, "", ANY, NULL,
     "folder of an adapter (PEFT) to start from; default: A random, B 0"},
    {KEY(level, save_every), KEY_INTEGER, "100", COUNT, NULL,
     "save a state to resume from every N optimiser steps, and every ten minutes; 0: never"},
    {KEY(level, offload), KEY_PATH, "", ANY, NULL,
     "folder on a fast disk for the optimiser's moments: half of the training's memory, and a state after "
     "every step; default: in memory"},
    {KEY(level, dtype), KEY_CHOICE, "", ANY, "float32 bfloat16",
     "number type of the weights in aligned/; default: the student's"},

    {KEY(evaluate, questions), KEY_PATH, "", ANY, NULL,
     "labelled test set: .json in the format of the task, or .jsonl of {image, question, answers}"},
    {KEY(evaluate, image_root), KEY_PATH, "", ANY, NULL, "folder of the test pictures, as data.image_root"},
    {KEY(evaluate, metric), KEY_WORDS, "", ANY, "mpa vqa vqa-2015 anls relaxed",
     "default: mpa and the task's own; vqa needs labels"},
    {KEY(evaluate, holdout), KEY_REAL, "0.1", 0, 0.9, NULL,
     "without questions: this part of the pictures is kept from training, and agreement with the teacher on "
     "them "
     "is scored"},
    {KEY(evaluate, models), KEY_WORDS, "student aligned teacher", ANY, "student aligned teacher",
     "which to score"},
    {KEY(evaluate, predictions), KEY_PATH, "", ANY, NULL, "score the answers in this file; no model runs"},
    {NULL, 0, 0, KEY_TEXT, NULL, ANY, NULL, NULL},
};
