/* tokenizer.json: model (BPE), added tokens, normalizer, pre-tokenizer. What is not known is
 * refused by name, never guessed. */
#include "text/tokenizer_load.h"

#include "base/json.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/utf8.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_ID = 1 << 26 };

static uint64_t spread_hash(const char *bytes, size_t count)
{
    uint64_t h = hash_bytes(HASH_START, bytes, count);
    return h ^ h >> 32;
}

/* The slot that holds these bytes, or the empty one where they would go. */
static int32_t *slot_of(const Tokenizer *t, const char *bytes, size_t count)
{
    uint64_t i = spread_hash(bytes, count) & (t->slots - 1);
    while (t->slot[i] >= 0) {
        const Token *k = t->token + t->slot[i];
        if (k->length == (int64_t)count && !memcmp(t->bytes.data + k->first, bytes, count))
            break;
        i = (i + 1) & (t->slots - 1);
    }
    return t->slot + i;
}

int32_t vocabulary_find(const Tokenizer *t, const char *bytes, size_t count)
{
    return *slot_of(t, bytes, count);
}

/* GPT-2's alphabet writes each byte as one printable character: printable Latin-1 as itself, the
 * others from U+0100 on. The byte, or -1. */
static int alphabet_byte(int32_t code)
{
    if ((code >= '!' && code <= '~') || (code >= 0xA1 && code <= 0xFF && code != 0xAD))
        return code;
    if (code >= 0x100 && code <= 0x120)
        return code - 0x100;
    if (code >= 0x121 && code <= 0x142)
        return code - 0x121 + 0x7F;
    return code == 0x143 ? 0xAD : -1;
}

/* Appends the bytes that a token's text stands for; a text outside the alphabet (an added
 * token's) stands for itself. */
static bool add_token_bytes(Text *out, const char *text, size_t count, Error *e)
{
    size_t before = out->count, plain = 0;
    const char *end = text + count;
    while (plain < count && text[plain] >= '!' && text[plain] <= '~')
        plain++;
    if (!text_add_bytes(out, text, plain, e))
        return false;
    for (const char *p = text + plain; p < end;) {
        int used, byte = alphabet_byte(utf8_decode(p, end, &used));
        char c = (char)byte;
        if (byte < 0) {
            out->count = before;
            return text_add_bytes(out, text, count, e);
        }
        if (!text_add_bytes(out, &c, 1, e))
            return false;
        p += used;
    }
    return true;
}

static Status load_vocabulary(Tokenizer *t, const Json *j, json_t *vocab, Error *e)
{
    const char *key;
    json_t *v;
    t->size = 0;
    json_object_foreach(vocab, key, v)
    {
        if (!json_is_integer(v) || json_integer_value(v) < 0 || json_integer_value(v) >= MAX_ID)
            return error_set(e, BAD_INPUT, "%s: model.vocab.%s: wanted an id from 0 to %d", j->path, key,
                             MAX_ID - 1);
        if (json_integer_value(v) >= t->size)
            t->size = json_integer_value(v) + 1;
    }
    for (t->slots = 64; t->slots < (uint64_t)json_object_size(vocab) * 3 / 2;)
        t->slots *= 2;
    t->token = memory_new(t->size, sizeof *t->token, e);
    t->slot = memory_new((int64_t)t->slots, sizeof *t->slot, e);
    if (!t->token || !t->slot)
        return NO_MEMORY;
    memset(t->slot, -1, (size_t)t->slots * sizeof *t->slot);
    for (int64_t i = 0; i < t->size; i++)
        t->token[i].length = -1;
    json_object_foreach(vocab, key, v)
    {
        int64_t id = json_integer_value(v), first = (int64_t)t->bytes.count;
        if (t->token[id].length >= 0)
            return error_set(e, BAD_INPUT, "%s: model.vocab.%s: id %lld belongs to another token already",
                             j->path, key, (long long)id);
        if (!add_token_bytes(&t->bytes, key, strlen(key), e))
            return NO_MEMORY;
        int64_t length = (int64_t)t->bytes.count - first;
        int32_t *slot = slot_of(t, text_string(&t->bytes) + first, (size_t)length);
        t->token[id] = (Token){first, length};
        if (*slot < 0)
            *slot = (int32_t)id;
    }
    for (int b = 0; b < 256; b++) {
        char c = (char)b;
        t->byte_id[b] = vocabulary_find(t, &c, 1);
    }
    return OK;
}

/* The two halves of a merge, from ["a", "b"] or "a b". False: neither form. */
static bool merge_halves(const json_t *rule, const char *half[2], size_t length[2])
{
    if (json_is_string(rule)) {
        const char *text = json_string_value(rule), *space = strchr(text, ' ');
        if (!space || strchr(space + 1, ' '))
            return false;
        half[0] = text;
        length[0] = (size_t)(space - text);
        half[1] = space + 1;
        length[1] = strlen(space + 1);
        return true;
    }
    for (size_t i = 0; i < 2; i++) {
        half[i] = json_string_value(json_array_get(rule, i));
        length[i] = half[i] ? strlen(half[i]) : 0;
    }
    return json_array_size(rule) == 2 && half[0] && half[1];
}

static Status load_merges(Tokenizer *t, const Json *j, const json_t *rules, Error *e)
{
    Text pair = {0};
    size_t count = json_array_size(rules), length[2];
    Status status = count < MAX_ID ? merges_init(&t->merges, (int64_t)count, e)
                                   : error_set(e, BAD_INPUT, "%s: model.merges: too many", j->path);
    for (size_t i = 0; i < count && status == OK; i++) {
        const char *half[2];
        int32_t id[3];
        size_t cut = 0;
        if (!merge_halves(json_array_get(rules, i), half, length)) {
            status = error_set(e, BAD_INPUT,
                               "%s: model.merges[%zu]: wanted two tokens, as [\"a\", \"b\"] or \"a b\"",
                               j->path, i);
            break;
        }
        text_clear(&pair);
        for (int k = 0; k < 2 && status == OK; k++) {
            if (!add_token_bytes(&pair, half[k], length[k], e))
                status = NO_MEMORY;
            else
                id[k] = vocabulary_find(t, pair.data + cut, pair.count - cut);
            cut = pair.count;
        }
        if (status != OK)
            break;
        id[2] = vocabulary_find(t, text_string(&pair), pair.count);
        if (id[0] < 0 || id[1] < 0 || id[2] < 0)
            status = error_set(
                e, BAD_INPUT,
                "%s: model.merges[%zu]: \"%.*s\" and \"%.*s\" or their union are no tokens of the vocabulary",
                j->path, i, (int)length[0], half[0], (int)length[1], half[1]);
        else
            merges_add(&t->merges, id[0], id[1], (int32_t)i, id[2]);
    }
    text_free(&pair);
    return status;
}

/* Options of the BPE model that change its results must be off. */
static Status check_model_options(Tokenizer *t, const Json *j, const json_t *model, Error *e)
{
    static const char *const absent[] = {"dropout", "unk_token", "continuing_subword_prefix",
                                         "end_of_word_suffix"};
    for (size_t i = 0; i < sizeof absent / sizeof *absent; i++) {
        const json_t *v = json_object_get(model, absent[i]);
        if (v && !json_is_null(v) && !(json_is_string(v) && !*json_string_value(v)))
            return error_set(e, BAD_INPUT, "%s: model.%s is set; only byte-level BPE without it is supported",
                             j->path, absent[i]);
    }
    bool fallback = false;
    json_bool_or(j, model, "model", "byte_fallback", false, &fallback, e);
    json_bool_or(j, model, "model", "ignore_merges", false, &t->ignore_merges, e);
    if (e->status == OK && fallback)
        error_set(e, BAD_INPUT, "%s: model.byte_fallback is set; only byte-level BPE without it is supported",
                  j->path);
    return e->status;
}

static Status load_model(Tokenizer *t, const Json *j, Error *e)
{
    json_t *model, *vocab, *merges;
    const char *type;
    if (json_object_in(j, j->root, "", "model", &model, e) != OK ||
        json_string_or(j, model, "model", "type", "BPE", &type, e) != OK)
        return e->status;
    if (strcmp(type, "BPE"))
        return error_set(e, BAD_INPUT, "%s: model.type: wanted \"BPE\", found \"%s\"", j->path, type);
    if (check_model_options(t, j, model, e) != OK ||
        json_object_in(j, model, "model", "vocab", &vocab, e) != OK ||
        json_array_in(j, model, "model", "merges", &merges, e) != OK || load_vocabulary(t, j, vocab, e) != OK)
        return e->status;
    return load_merges(t, j, merges, e);
}

/* The "type" of a component, "" for null or nothing. */
static Status type_of(const Json *j, const json_t *o, const char *where, const char **type, Error *e)
{
    *type = "";
    return o && !json_is_null(o) ? json_string_in(j, o, where, "type", type, e) : OK;
}

static Status unknown(const Json *j, const char *where, const char *what, Error *e)
{
    return error_set(e, BAD_INPUT, "%s: %s: \"%s\" is not supported", j->path, where, what);
}

static Status load_normalizer(Tokenizer *t, const Json *j, const json_t *o, Error *e)
{
    const char *type;
    if (type_of(j, o, "normalizer", &type, e) != OK)
        return e->status;
    if (!strcmp(type, "Sequence")) {
        const json_t *list = json_object_get(o, "normalizers");
        for (size_t i = 0; i < json_array_size(list) && e->status == OK; i++)
            load_normalizer(t, j, json_array_get(list, i), e);
        return e->status;
    }
    t->nfc |= !strcmp(type, "NFC");
    return *type && strcmp(type, "NFC") ? unknown(j, "normalizer", type, e) : OK;
}

static Status load_byte_level(Tokenizer *t, const Json *j, const json_t *o, const char *where, Error *e)
{
    bool prefix = false;
    json_bool_or(j, o, where, "use_regex", true, &t->pretokenizer.gpt2, e);
    json_bool_or(j, o, where, "add_prefix_space", true, &prefix, e);
    return e->status == OK && prefix ? unknown(j, where, "ByteLevel with add_prefix_space", e) : e->status;
}

static Status load_split(Tokenizer *t, const Json *j, const json_t *o, const char *where, Error *e)
{
    const char *pattern = json_string_value(json_object_get(json_object_get(o, "pattern"), "Regex")),
               *behavior;
    bool invert;
    json_string_or(j, o, where, "behavior", "", &behavior, e);
    json_bool_or(j, o, where, "invert", false, &invert, e);
    if (e->status != OK)
        return e->status;
    if (!pattern || strcmp(pattern, pretokenize_qwen2_pattern))
        return unknown(j, where, pattern ? pattern : "Split without a Regex", e);
    if (strcmp(behavior, "Isolated") || invert)
        return unknown(j, where, "Split with another behavior than Isolated", e);
    t->pretokenizer.qwen2 = true;
    return OK;
}

static Status load_pretokenizer(Tokenizer *t, const Json *j, const json_t *o, bool *byte_level, Error *e)
{
    const char *type, *where = "pre_tokenizer";
    if (type_of(j, o, where, &type, e) != OK)
        return e->status;
    if (*byte_level)
        return unknown(j, where, "a step after ByteLevel", e);
    if (!strcmp(type, "Sequence")) {
        const json_t *list = json_object_get(o, "pretokenizers");
        for (size_t i = 0; i < json_array_size(list) && e->status == OK; i++)
            load_pretokenizer(t, j, json_array_get(list, i), byte_level, e);
        return e->status;
    }
    if (!strcmp(type, "ByteLevel")) {
        *byte_level = true;
        return load_byte_level(t, j, o, where, e);
    }
    if (!strcmp(type, "Split"))
        return t->pretokenizer.digits ? unknown(j, where, "Split after Digits", e)
                                      : load_split(t, j, o, where, e);
    bool individual = false;
    if (!strcmp(type, "Digits") &&
        json_bool_or(j, o, where, "individual_digits", false, &individual, e) == OK && individual &&
        !t->pretokenizer.qwen2) {
        t->pretokenizer.digits = true;
        return OK;
    }
    return unknown(j, where, *type ? type : "null", e);
}

static Status add_added(Tokenizer *t, const Json *j, const json_t *o, const char *where, Error *e)
{
    Added a = {.next = -1};
    const char *content;
    int64_t id;
    if (json_string_in(j, o, where, "content", &content, e) != OK ||
        json_integer_in(j, o, where, "id", 0, MAX_ID - 1, &id, e) != OK)
        return e->status;
    json_bool_or(j, o, where, "special", false, &a.special, e);
    json_bool_or(j, o, where, "normalized", false, &a.normalized, e);
    json_bool_or(j, o, where, "lstrip", false, &a.lstrip, e);
    json_bool_or(j, o, where, "rstrip", false, &a.rstrip, e);
    json_bool_or(j, o, where, "single_word", false, &a.single_word, e);
    if (e->status != OK)
        return e->status;
    if (!*content)
        return error_set(e, BAD_INPUT, "%s: %s.content is empty", j->path, where);
    for (int64_t i = 0; i < t->n_added; i++)
        if ((t->added[i].id == id) != !strcmp(t->added[i].content, content))
            return error_set(e, BAD_INPUT, "%s: %s: \"%s\" with id %lld clashes with \"%s\" with id %d",
                             j->path, where, content, (long long)id, t->added[i].content,
                             (int)t->added[i].id);
    if (id < t->size && t->token[id].length >= 0 && vocabulary_find(t, content, strlen(content)) != id)
        return error_set(e, BAD_INPUT, "%s: %s: \"%s\" has id %lld, which is another token's in model.vocab",
                         j->path, where, content, (long long)id);
    if (!(a.content = memory_copy(content, e)))
        return NO_MEMORY;
    a.length = strlen(content);
    a.id = (int32_t)id;
    a.next = t->added_first[(unsigned char)*content];
    t->added_first[(unsigned char)*content] = (int32_t)t->n_added;
    t->added[t->n_added++] = a;
    return OK;
}

static Status load_added(Tokenizer *t, const Json *j, Error *e)
{
    const json_t *list = json_object_get(j->root, "added_tokens");
    if (list && !json_is_null(list) && !json_is_array(list))
        return error_set(e, BAD_INPUT, "%s: added_tokens: wanted a list, found %s", j->path, json_kind(list));
    for (int b = 0; b < 256; b++)
        t->added_first[b] = -1;
    if (!(t->added = memory_new((int64_t)json_array_size(list), sizeof *t->added, e)))
        return NO_MEMORY;
    for (size_t i = 0; i < json_array_size(list) && e->status == OK; i++) {
        Text where = {0};
        if (text_format(&where, e, "added_tokens[%zu]", i))
            add_added(t, j, json_array_get(list, i), where.data, e);
        text_free(&where);
    }
    for (int64_t i = 0; i < t->n_added; i++)
        t->size = t->added[i].id >= t->size ? t->added[i].id + 1 : t->size;
    return e->status;
}

/* Neither changes ids: what would is refused. */
static Status check_ends(const Json *j, Error *e)
{
    const char *type;
    if (type_of(j, json_object_get(j->root, "decoder"), "decoder", &type, e) != OK)
        return e->status;
    if (strcmp(type, "ByteLevel"))
        return unknown(j, "decoder", *type ? type : "null", e);
    if (type_of(j, json_object_get(j->root, "post_processor"), "post_processor", &type, e) != OK)
        return e->status;
    return *type && strcmp(type, "ByteLevel") ? unknown(j, "post_processor", type, e) : OK;
}

Status tokenizer_load(Tokenizer *t, const char *path, Error *e)
{
    Json j;
    bool byte_level = false;
    Status status = json_open(&j, path, (size_t)1 << 28, e);
    if (status != OK)
        return status;
    status = json_is_object(j.root)
                 ? load_model(t, &j, e)
                 : error_set(e, BAD_INPUT, "%s: wanted an object, found %s", path, json_kind(j.root));
    int64_t in_vocabulary = t->size;
    if (status == OK)
        status = load_added(t, &j, e);
    if (status == OK)
        status = load_normalizer(t, &j, json_object_get(j.root, "normalizer"), e);
    if (status == OK)
        status = load_pretokenizer(t, &j, json_object_get(j.root, "pre_tokenizer"), &byte_level, e);
    if (status == OK && !byte_level)
        status = unknown(&j, "pre_tokenizer", "a pre-tokenizer without ByteLevel", e);
    if (status == OK)
        status = check_ends(&j, e);
    if (status == OK && t->size > in_vocabulary) { /* ids of added tokens alone have no bytes in the table */
        Token *more = memory_grow(t->token, t->size, sizeof *more, e);
        if (more)
            t->token = more;
        for (int64_t i = in_vocabulary; more && i < t->size; i++)
            more[i] = (Token){0, -1};
        status = more ? OK : NO_MEMORY;
    }
    json_close(&j);
    return status;
}
