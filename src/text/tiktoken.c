/* Reading a tiktoken rank file, arcade100k.tiktoken of TinyLLaVA's StableLM-2 (class
 * Arcade100kTokenizer): one token a line, its bytes in base64, a space, its rank. The rank is the id
 * and the order of merging. The rest is fixed in that class: NFC, then special tokens, Qwen2's
 * pattern. Invariant: the ranks are 0 to n - 1, each once, and every byte is a token. */
#include "text/tokenizer_parts.h"

#include "base/file.h"
#include "base/memory.h"
#include "text/split_rules.h"
#include "text/unicode.h"

#include <stdlib.h>
#include <string.h>

/* Their ids go on from the largest rank + 2. */
static const char *const specials[] = {
    "<|endoftext|>",   "<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>",   "<|fim_pad|>",
    "<gh_stars>",      "<filename>",     "<issue_start>",  "<issue_comment>",  "<issue_closed>",
    "<jupyter_start>", "<jupyter_text>", "<jupyter_code>", "<jupyter_output>", "<empty_output>",
    "<commit_before>", "<commit_msg>",   "<commit_after>", "<reponame>",       "<|endofprompt|>",
    "<|im_start|>",    "<|im_end|>",     "<|pause|>",      "<|reg0|>",         "<|reg1|>",
    "<|reg2|>",        "<|reg3|>",       "<|reg4|>",       "<|reg5|>",         "<|reg6|>",
    "<|reg7|>",        "<|extra0|>",
};

/* A walk over the lines of the file that are not empty. */
typedef struct {
    const char *path; /* for messages */
    const char *p, *end;
    const char *line, *stop; /* the current line, without its end */
    int64_t number;          /* of the line, from 1 */
} Lines;

static bool next_line(Lines *w)
{
    do {
        if (w->p >= w->end)
            return false;
        const char *stop = memchr(w->p, '\n', (size_t)(w->end - w->p));
        w->line = w->p;
        w->stop = stop ? stop : w->end;
        w->p = stop ? stop + 1 : w->end;
        w->number++;
        if (w->stop > w->line && w->stop[-1] == '\r')
            w->stop--;
    } while (w->line == w->stop);
    return true;
}

static int base64_digit(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c ? strchr(digits, c) : NULL;
    return at ? (int)(at - digits) : -1;
}

/* The bytes of `count` base64 characters, padded with '='; their number, -1 where it is none. Four
 * characters are three bytes; out has room for count bytes. */
static int64_t base64_decode(char *out, const char *text, size_t count)
{
    size_t padding = 0;
    int64_t n = 0;
    uint32_t bits = 0;
    while (padding < 2 && count > padding && text[count - padding - 1] == '=')
        padding++;
    if (count % 4)
        return -1;
    for (size_t i = 0; i < count - padding; i++) {
        int digit = base64_digit(text[i]);
        if (digit < 0)
            return -1;
        bits = bits << 6 | (uint32_t)digit;
        int extra = (int)(6 * (i + 1) % 8); /* of the bits, those that belong to the next byte */
        if (i % 4 == 0)
            continue;
        out[n] = (char)(bits >> extra & 0xFF);
        n++;
    }
    return n;
}

/* Digits alone; -1 for anything else and for 2^26 or more. */
static int64_t decimal(const char *p, const char *end)
{
    int64_t value = p < end ? 0 : -1;
    for (; p < end && value >= 0; p++) {
        value = *p >= '0' && *p <= '9' ? 10 * value + (*p - '0') : -1;
        if (value >= MAX_ID)
            value = -1;
    }
    return value;
}

static Status bad_line(const Lines *w, const char *what, Error *e)
{
    return error_set(e, BAD_INPUT, "%s:%lld: %s", w->path, (long long)w->number, what);
}

static Status load_line(Vocabulary *v, const Lines *w, Error *e)
{
    char bytes[4 * SPLIT_MAX_BYTES];
    const char *space = memchr(w->line, ' ', (size_t)(w->stop - w->line));
    int64_t rank = space ? decimal(space + 1, w->stop) : -1;
    if (rank < 0)
        return bad_line(w, "wanted a token in base64, a space and its rank", e);
    if (rank >= v->size)
        return error_set(e, BAD_INPUT, "%s:%lld: rank %lld: wanted 0 to %lld, each once, for %lld tokens",
                         w->path, (long long)w->number, (long long)rank, (long long)v->size - 1,
                         (long long)v->size);
    size_t length = (size_t)(space - w->line);
    int64_t count = length <= sizeof bytes ? base64_decode(bytes, w->line, length) : SPLIT_MAX_BYTES + 1;
    if (count <= 0)
        return bad_line(w, "its token is not valid base64", e);
    if (count > SPLIT_MAX_BYTES)
        return bad_line(w, "its token has more than 512 bytes", e);
    if (vocabulary_has(v, rank))
        return bad_line(w, "its rank is another token's already", e);
    if (vocabulary_find(v, bytes, (size_t)count) >= 0)
        return bad_line(w, "its token has a rank already", e);
    return vocabulary_add(v, (int32_t)rank, bytes, (size_t)count, e);
}

static Status load_tokens(Vocabulary *v, const char *path, const Text *file, Error *e)
{
    const char *start = text_string(file);
    const Lines all = {.path = path, .p = start, .end = start + file->count};
    Lines w = all;
    int64_t count = 0;
    while (next_line(&w))
        count++;
    if (e->status == OK && count >= MAX_ID / 2)
        error_set(e, BAD_INPUT, "%s: more than %d tokens", path, MAX_ID / 2);
    vocabulary_init(v, count, count, e);
    w = all;
    while (e->status == OK && next_line(&w))
        load_line(v, &w, e);
    for (int b = 0; b < 256 && e->status == OK; b++)
        if (v->byte_id[b] < 0)
            error_set(e, BAD_INPUT, "%s: byte 0x%02X is no token", path, (unsigned)b);
    return e->status;
}

static int32_t token_of(const void *context, const char *bytes, size_t count)
{
    return vocabulary_find(context, bytes, count);
}

/* The rank of a token is its id. */
static Status load_merges(Tokenizer *t, Error *e)
{
    const Vocabulary *v = &t->vocabulary;
    int32_t *rank = memory_new(v->size, sizeof *rank, e);
    for (int64_t i = 0; rank && i < v->size; i++)
        rank[i] = (int32_t)i;
    split_rules(&t->merges, v, rank, token_of, v, e);
    free(rank);
    return e->status;
}

/* They are looked for in text that NFC has gone over. */
static Status add_specials(Tokenizer *t, Error *e)
{
    t->size = t->vocabulary.size + 1;
    added_init(&t->added, unicode_is_space);
    for (size_t i = 0; i < sizeof specials / sizeof *specials; i++) {
        Added a = {.id = (int32_t)t->size, .special = true, .normalized = true};
        added_add(&t->added, a, specials[i], e);
        t->size++;
    }
    return e->status;
}

static Status load(Tokenizer *t, const char *folder, const char *path, Error *e)
{
    Text file = {0};
    (void)folder;
    file_read(&file, path, (size_t)1 << 25, e);
    load_tokens(&t->vocabulary, path, &file, e);
    load_merges(t, e);
    add_specials(t, e);
    t->byte_level = (ByteLevel){.nfc = true, .pretokenizer.qwen2 = true, .ignore_merges = true};
    text_free(&file);
    return e->status;
}

const TokenizerKind tiktoken_kind = {"arcade100k.tiktoken", load, byte_level_encode, byte_level_decode};
