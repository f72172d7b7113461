/* What a model folder holds. */
#define _XOPEN_SOURCE 700 /* symlink */

#include "fuzz/readers.h"

#include "base/file.h"
#include "base/folder.h"
#include "base/memory.h"
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

/* A folder with links to the files of a checkpoint of weights/ but `file`, made once for each `file`; in it `file`
 * has these bytes. Good until the next call. */
static const char *folder_with(const char *checkpoint, const char *file, const uint8_t *bytes, size_t count)
{
    static char folder[500];
    char name[200];
    char here[500];
    char there[100];
    Error e = {0};
    snprintf(there, sizeof there, "%s-%s", strrchr(checkpoint, '/') + 1, file);
    snprintf(folder, sizeof folder, "%s", fuzz_path(there));
    if (!file_is_folder(folder)) {
        char **names;
        int64_t n;
        demand(getcwd(here, sizeof here) && folder_make(folder, &e) == OK);
        demand(folder_list(&names, &n, checkpoint, NULL, &e) == OK);
        for (int64_t i = 0; i < n; i++) {
            char target[1000], link[1000];
            snprintf(target, sizeof target, "%s/%s/%s", here, checkpoint, names[i]);
            snprintf(link, sizeof link, "%s/%s", folder, names[i]);
            demand(!strcmp(names[i], file) || !symlink(target, link));
        }
        names_free(names, n);
    }
    snprintf(name, sizeof name, "%s/%s", there, file);
    fuzz_file(name, bytes, count);
    return folder;
}

/* The index of a checkpoint of four files. */
void fuzz_index(const uint8_t *bytes, size_t count)
{
    static const char checkpoint[] = "weights/tiny-qwen2vl-a";
    static const char name[] = "model.safetensors.index.json";
    Checkpoint c;
    Error e = {0};
    const char *folder = folder_with(checkpoint, name, bytes, count);
    checkpoint_open(&c, folder, &e);
    demand_verdict(&e);
    for (int64_t i = 0; i < c.files; i++)
        demand(c.file[i].count > 0);
    checkpoint_close(&c);
}

static bool holds(const uint8_t *bytes, size_t count, const char *word)
{
    const size_t n = strlen(word);
    for (size_t i = 0; i + n <= count; i++)
        if (!memcmp(bytes + i, word, n))
            return true;
    return false;
}

/* A model with this config.json; the bytes say which family it is of. */
void fuzz_config(const uint8_t *bytes, size_t count)
{
    const char *family = holds(bytes, count, "qwen")     ? "weights/tiny-qwen2vl-b"
                         : holds(bytes, count, "intern") ? "weights/tiny-internvl2-a"
                         : holds(bytes, count, "llava")  ? "weights/tiny-tinyllava-a"
                                                         : "weights/tiny-smolvlm-a";
    Vlm vlm;
    Error e = {0};
    vlm_open(&vlm, folder_with(family, "config.json", bytes, count), &e);
    demand_verdict(&e);
    vlm_close(&vlm);
}

/* The sizes of a model with this preprocessor_config.json: it is read for them too, and quickly. */
void fuzz_preprocessor(const uint8_t *bytes, size_t count)
{
    const char *family = holds(bytes, count, "edge") ? "weights/tiny-smolvlm-a" : "weights/tiny-qwen2vl-b";
    char config[600];
    Vlm vlm;
    Error e = {0};
    snprintf(config, sizeof config, "%s/config.json",
             folder_with(family, "preprocessor_config.json", bytes, count));
    vlm_shape(&vlm, config, &e);
    demand_verdict(&e);
    vlm_close(&vlm);
}

/* A tokenizer with one text through it: all ids are below its size, and they are text. */
static void read_tokenizer(const char *checkpoint, const char *file, const uint8_t *bytes, size_t count)
{
    static const char text[] = "a b <x> 12 \xC3\xA9\xCC\x81 \xE4\xBD\xA0\xFF";
    Error e = {0};
    Ids ids = {0};
    Text back = {0};
    const char *folder = folder_with(checkpoint, file, bytes, count);
    Tokenizer *t = tokenizer_open(folder, &e);
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
    read_tokenizer("weights/tiny-smolvlm-b", "tokenizer.json", bytes, count);
}

/* tokenizer.model, or where the bytes are JSON, tokenizer_config.json beside a good one. */
void fuzz_sentencepiece(const uint8_t *bytes, size_t count)
{
    const bool json = count && bytes[0] == '{';
    read_tokenizer("weights/tiny-internvl2-b", json ? "tokenizer_config.json" : "tokenizer.model", bytes,
                   count);
}

void fuzz_tiktoken(const uint8_t *bytes, size_t count)
{
    read_tokenizer("weights/tiny-tinyllava-b", "arcade100k.tiktoken", bytes, count);
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
