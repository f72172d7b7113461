/* A model folder's tokenizer: which kind it is, and what the kinds have in common. Invariant: a kind
 * is handed valid UTF-8 only; what is none became U+FFFD before. */
#include "text/tokenizer.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/path.h"
#include "base/utf8.h"
#include "text/tokenizer_parts.h"

#include <stdlib.h>
#include <string.h>

/* The only place that knows which kinds there are; the first whose file is in the folder counts. A
 * checkpoint that was saved with a tokenizer.json beside one of the other files is read by the other
 * file: its family's code does not use the tokenizers library. */
static const TokenizerKind *const kinds[] = {&sentencepiece_kind, &tiktoken_kind, &tokenizer_json_kind};

static Status find_kind(Tokenizer *t, const char *folder, Error *e)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        char *path = path_join(folder, kinds[i]->file, e);
        if (path && file_exists(path)) {
            t->kind = kinds[i];
            t->path = path;
            return OK;
        }
        free(path);
    }
    return error_set(e, BAD_INPUT, "%s/%s: no such file, nor %s or %s beside it: the folder has no tokenizer",
                     folder, tokenizer_json_kind.file, sentencepiece_kind.file, tiktoken_kind.file);
}

Tokenizer *tokenizer_open(const char *folder, Error *e)
{
    Tokenizer *t = memory_new(1, sizeof *t, e);
    if (t && find_kind(t, folder, e) == OK)
        t->kind->load(t, folder, t->path, e);
    if (t && e->status != OK) {
        tokenizer_close(t);
        t = NULL;
    }
    return t;
}

void tokenizer_close(Tokenizer *t)
{
    if (!t)
        return;
    added_free(&t->added);
    vocabulary_free(&t->vocabulary);
    merges_free(&t->merges);
    sentencepiece_free(&t->sentencepiece);
    free(t->path);
    free(t);
}

Status tokenizer_encode(const Tokenizer *t, Ids *ids, const char *text, size_t count, Error *e)
{
    Text valid = {0};
    Encoding g = {.tokenizer = t, .ids = ids};
    if (utf8_repair(&valid, text, count, e) == OK)
        t->kind->encode(&g, text_string(&valid), valid.count, e);
    bpe_free(&g.work);
    text_free(&valid);
    return e->status;
}

Status tokenizer_decode(const Tokenizer *t, Text *text, const int32_t *ids, int64_t count, bool skip_special,
                        Error *e)
{
    return e->status == OK ? t->kind->decode(t, text, ids, count, skip_special, e) : e->status;
}

int32_t tokenizer_id(const Tokenizer *t, const char *token)
{
    const Added *a = added_find(&t->added, token);
    return a ? a->id : vocabulary_find(&t->vocabulary, token, strlen(token));
}

int64_t tokenizer_size(const Tokenizer *t)
{
    return t->size;
}

const char *tokenizer_file(const Tokenizer *t)
{
    return t->path;
}
