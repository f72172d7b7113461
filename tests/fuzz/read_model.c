/* What a model folder holds. */
#define _XOPEN_SOURCE 700 /* symlink */

#include "fuzz/readers.h"

#include "base/folder.h"
#include "base/memory.h"
#include "base/path.h"
#include "base/utf8.h"
#include "image/image.h"
#include "model/vlm.h"
#include "tensor/checkpoint.h"
#include "text/tokenizer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Every value of an opened file can be read. */
void fuzz_safetensors(const uint8_t *bytes, size_t count)
{
    SafeTensors s;
    Error e = {0};
    uint64_t sum = 0;
    safetensors_open(&s, fuzz_file("model.safetensors", bytes, count), &e);
    demand_verdict(&e);
    for (int64_t i = 0; i < s.count; i++) {
        const Tensor *t = s.tensor + i;
        demand(safetensors_find(&s, t->name) == t);
        for (size_t k = 0; k < t->bytes; k++)
            sum += t->data[k];
    }
    demand(sum < UINT64_MAX);
    safetensors_close(&s);
}

/* The folder of the process with these files of a checkpoint of weights/, but for `without`. */
static void link_files(const char *checkpoint, const char *without)
{
    Error e = {0};
    char **names;
    int64_t count;
    char here[500];
    if (!getcwd(here, sizeof here) || folder_list(&names, &count, checkpoint, NULL, &e) != OK)
        abort();
    for (int64_t i = 0; i < count; i++) {
        char target[1000];
        snprintf(target, sizeof target, "%s/%s/%s", here, checkpoint, names[i]);
        const char *path = fuzz_path(names[i]);
        unlink(path);
        demand(!strcmp(names[i], without) || !symlink(target, path));
    }
    names_free(names, count);
}

/* The index of a checkpoint of four files. */
void fuzz_index(const uint8_t *bytes, size_t count)
{
    static const char name[] = "model.safetensors.index.json";
    Checkpoint c;
    Error e = {0};
    unlink(fuzz_path("model.safetensors"));
    link_files("weights/tiny-qwen2vl-a", name);
    fuzz_file(name, bytes, count);
    checkpoint_open(&c, fuzz_path("."), &e);
    demand_verdict(&e);
    for (int64_t i = 0; i < c.files; i++)
        demand(c.file[i].count > 0);
    checkpoint_close(&c);
    unlink(fuzz_path(name));
}

/* One file of a model folder; the bytes say which family it is of. */
static void read_folder(const char *name, const uint8_t *bytes, size_t count, const char *family)
{
    Vlm vlm;
    Error e = {0};
    link_files(family, name);
    fuzz_file(name, bytes, count);
    vlm_open(&vlm, fuzz_path("."), &e);
    demand_verdict(&e);
    vlm_close(&vlm);
    unlink(fuzz_path(name));
}

static bool holds(const uint8_t *bytes, size_t count, const char *word)
{
    const size_t n = strlen(word);
    for (size_t i = 0; i + n <= count; i++)
        if (!memcmp(bytes + i, word, n))
            return true;
    return false;
}

void fuzz_config(const uint8_t *bytes, size_t count)
{
    const char *family = holds(bytes, count, "qwen")     ? "weights/tiny-qwen2vl-b"
                         : holds(bytes, count, "intern") ? "weights/tiny-internvl2-a"
                         : holds(bytes, count, "llava")  ? "weights/tiny-tinyllava-a"
                                                         : "weights/tiny-smolvlm-a";
    unlink(fuzz_path("model.safetensors"));
    unlink(fuzz_path("model.safetensors.index.json"));
    unlink(fuzz_path("tokenizer.model"));
    unlink(fuzz_path("arcade100k.tiktoken"));
    unlink(fuzz_path("tokenizer.json"));
    read_folder("config.json", bytes, count, family);
}

void fuzz_preprocessor(const uint8_t *bytes, size_t count)
{
    unlink(fuzz_path("tokenizer.model"));
    unlink(fuzz_path("arcade100k.tiktoken"));
    unlink(fuzz_path("model.safetensors"));
    unlink(fuzz_path("model.safetensors.index.json"));
    read_folder("preprocessor_config.json", bytes, count,
                holds(bytes, count, "edge") ? "weights/tiny-smolvlm-a" : "weights/tiny-qwen2vl-b");
}

/* The tokenizer of the folder, with one text through it: all ids are below its size, and they are text. */
static void read_tokenizer(void)
{
    static const char text[] = "a b <x> 12 \xC3\xA9\xCC\x81 \xE4\xBD\xA0\xFF";
    Error e = {0};
    Ids ids = {0};
    Text back = {0};
    Tokenizer *t = tokenizer_open(fuzz_path("."), &e);
    demand_verdict(&e);
    demand((t != NULL) == (e.status == OK));
    if (t && tokenizer_encode(t, &ids, text, sizeof text - 1, &e) == OK) {
        for (int64_t i = 0; i < ids.count; i++)
            demand(ids.data[i] >= 0 && ids.data[i] < tokenizer_size(t));
        tokenizer_decode(t, &back, ids.data, ids.count, false, &e);
    }
    demand_verdict(&e);
    tokenizer_close(t);
    text_free(&back);
    ids_free(&ids);
}

void fuzz_tokenizer(const uint8_t *bytes, size_t count)
{
    unlink(fuzz_path("tokenizer.model"));
    unlink(fuzz_path("arcade100k.tiktoken"));
    fuzz_file("tokenizer.json", bytes, count);
    read_tokenizer();
    unlink(fuzz_path("tokenizer.json"));
}

/* tokenizer.model, or where the bytes are JSON, tokenizer_config.json beside a good one. */
void fuzz_sentencepiece(const uint8_t *bytes, size_t count)
{
    const bool json = count && bytes[0] == '{';
    link_files("weights/tiny-internvl2-a", json ? "tokenizer_config.json" : "tokenizer.model");
    fuzz_file(json ? "tokenizer_config.json" : "tokenizer.model", bytes, count);
    read_tokenizer();
    unlink(fuzz_path("tokenizer.model"));
    unlink(fuzz_path("tokenizer_config.json"));
}

void fuzz_tiktoken(const uint8_t *bytes, size_t count)
{
    unlink(fuzz_path("tokenizer.model"));
    link_files("weights/tiny-tinyllava-a", "arcade100k.tiktoken");
    fuzz_file("arcade100k.tiktoken", bytes, count);
    read_tokenizer();
    unlink(fuzz_path("arcade100k.tiktoken"));
}

static bool is_ascii(const uint8_t *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (bytes[i] >= 0x80)
            return false;
    return true;
}

/* Text to ids and back is the same text, where nothing is normalised or repaired. */
void fuzz_text(const uint8_t *bytes, size_t count)
{
    static Tokenizer *t;
    Error e = {0};
    Ids ids = {0};
    Text back = {0};
    t = t ? t : tokenizer_open("weights/demo-student", &e);
    tokenizer_encode(t, &ids, (const char *)bytes, count, &e);
    tokenizer_decode(t, &back, ids.data, ids.count, false, &e);
    demand(e.status == OK);
    if (is_ascii(bytes, count))
        demand(back.count == count && (!count || !memcmp(back.data, bytes, count)));
    text_free(&back);
    ids_free(&ids);
}

/* A picture that is read has the pixels that it says. */
void fuzz_picture(const uint8_t *bytes, size_t count)
{
    Image im;
    Error e = {0};
    image_read(&im, fuzz_file("picture", bytes, count), &e);
    demand_verdict(&e);
    demand((e.status == OK) == (im.data != NULL));
    unsigned sum = 0;
    for (int64_t i = 0; i < im.width * im.height * 3; i++)
        sum += im.data[i];
    demand(sum < UINT32_MAX);
    image_free(&im);
}
