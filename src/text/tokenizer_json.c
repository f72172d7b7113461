/* Reading tokenizer.json: model (byte-level BPE), added tokens, normalizer, pre-tokenizer. What is not
 * known is refused by name, never guessed: a wrong token is silent. */
#include "text/tokenizer_parts.h"

#include "base/json.h"
#include "base/memory.h"
#include "base/number.h"
#include "base/utf8.h"
#include "text/unicode.h"

#include <stdio.h>
#include <string.h>

static Status unknown(const Json *j, const char *where, const char *what, Error *e)
{
    return error_set(e, BAD_INPUT, "%s: %s: \"%s\" is not supported", j->path, where, what);
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

/* Appends the bytes that a token's text stands for. A text with a character outside the alphabet (an
 * added token's) stands for itself. */
static void add_token_bytes(Text *out, const char *text, size_t count, Error *e)
{
    size_t before = out->count;
    const char *end = text + count;
    const char *p = text;
    text_add(out, "", e);
    while (p < end && e->status == OK) {
        int used;
        int byte = alphabet_byte(utf8_decode(p, end, &used));
        char c = (char)byte;
        if (byte < 0) {
            out->count = before;
            text_add_bytes(out, text, count, e);
            return;
        }
        text_add_bytes(out, &c, 1, e);
        p += used;
    }
}

/* The largest id + 1. */
static int64_t vocabulary_size(const Json *j, json_t *vocab, Error *e)
{
    int64_t size = 0;
    const char *key;
    json_t *v;
    json_object_foreach(vocab, key, v)
    {
        int64_t id = json_is_integer(v) ? json_integer_value(v) : -1;
        if (id < 0 || id >= MAX_ID)
            error_set(e, BAD_INPUT, "%s: model.vocab.%s: wanted an id from 0 to %d", j->path, key,
                      MAX_ID - 1);
        size = max_i64(size, id + 1);
    }
    return size;
}

static Status load_vocabulary(Tokenizer *t, const Json *j, json_t *vocab, Error *e)
{
    Vocabulary *v = &t->vocabulary;
    Text bytes = {0};
    const char *key;
    json_t *value;
    t->size = vocabulary_size(j, vocab, e);
    vocabulary_init(v, t->size, (int64_t)json_object_size(vocab), e);
    json_object_foreach(vocab, key, value)
    {
        if (e->status != OK)
            break;
        int64_t id = json_integer_value(value);
        if (vocabulary_has(v, id))
            error_set(e, BAD_INPUT, "%s: model.vocab.%s: id %lld belongs to another token already", j->path,
                      key, (long long)id);
        text_clear(&bytes);
        add_token_bytes(&bytes, key, strlen(key), e);
        vocabulary_add(v, (int32_t)id, text_string(&bytes), bytes.count, e);
    }
    text_free(&bytes);
    return e->status;
}

/* The two halves of a merge, from ["a", "b"] or "a b". False: neither form. */
static bool merge_halves(const json_t *rule, const char *half[2], size_t length[2])
{
    if (json_is_string(rule)) {
        const char *text = json_string_value(rule);
        const char *space = strchr(text, ' ');
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

/* Rule i, of rank i. `pair` is scratch. */
static Status load_merge(Tokenizer *t, const Json *j, const json_t *rule, size_t i, Text *pair, Error *e)
{
    const char *half[2];
    size_t length[2];
    if (!merge_halves(rule, half, length))
        return error_set(e, BAD_INPUT,
                         "%s: model.merges[%zu]: wanted two tokens, as [\"a\", \"b\"] or \"a b\"", j->path,
                         i);
    text_clear(pair);
    add_token_bytes(pair, half[0], length[0], e);
    size_t cut = pair->count;
    add_token_bytes(pair, half[1], length[1], e);
    if (e->status != OK)
        return e->status;
    int32_t left = vocabulary_find(&t->vocabulary, pair->data, cut);
    int32_t right = vocabulary_find(&t->vocabulary, pair->data + cut, pair->count - cut);
    int32_t merged = vocabulary_find(&t->vocabulary, pair->data, pair->count);
    if (left < 0 || right < 0 || merged < 0)
        return error_set(
            e, BAD_INPUT,
            "%s: model.merges[%zu]: \"%.*s\" and \"%.*s\" or their union are no tokens of the vocabulary",
            j->path, i, (int)length[0], half[0], (int)length[1], half[1]);
    merges_add(&t->merges, left, right, (int32_t)i, merged);
    return OK;
}

static Status load_merges(Tokenizer *t, const Json *j, const json_t *rules, Error *e)
{
    Text pair = {0};
    size_t count = json_array_size(rules);
    if (count >= MAX_ID)
        return error_set(e, BAD_INPUT, "%s: model.merges: too many", j->path);
    merges_init(&t->merges, (int64_t)count, e);
    for (size_t i = 0; i < count && e->status == OK; i++)
        load_merge(t, j, json_array_get(rules, i), i, &pair, e);
    text_free(&pair);
    return e->status;
}

/* Options that change the results of byte-level BPE must be off. */
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
    bool fallback;
    json_bool_or(j, model, "model", "byte_fallback", false, &fallback, e);
    json_bool_or(j, model, "model", "ignore_merges", false, &t->byte_level.ignore_merges, e);
    if (fallback)
        error_set(e, BAD_INPUT, "%s: model.byte_fallback is set; only byte-level BPE without it is supported",
                  j->path);
    return e->status;
}

static Status load_model(Tokenizer *t, const Json *j, Error *e)
{
    json_t *model, *vocab, *merges;
    const char *type;
    json_object_in(j, j->root, "", "model", &model, e);
    json_string_or(j, model, "model", "type", "BPE", &type, e);
    if (strcmp(type, "BPE"))
        error_set(e, BAD_INPUT, "%s: model.type: wanted \"BPE\", found \"%s\"", j->path, type);
    check_model_options(t, j, model, e);
    json_object_in(j, model, "model", "vocab", &vocab, e);
    json_array_in(j, model, "model", "merges", &merges, e);
    load_vocabulary(t, j, vocab, e);
    return load_merges(t, j, merges, e);
}

/* The "type" of a component; "" for null or nothing. */
static Status type_of(const Json *j, const json_t *o, const char *where, const char **type, Error *e)
{
    *type = "";
    if (o && !json_is_null(o))
        json_string_in(j, o, where, "type", type, e);
    return e->status;
}

static Status load_normalizer(Tokenizer *t, const Json *j, const json_t *o, Error *e)
{
    const char *type;
    type_of(j, o, "normalizer", &type, e);
    if (!strcmp(type, "Sequence")) {
        const json_t *list = json_object_get(o, "normalizers");
        for (size_t i = 0; i < json_array_size(list) && e->status == OK; i++)
            load_normalizer(t, j, json_array_get(list, i), e);
    } else if (!strcmp(type, "NFC")) {
        t->byte_level.nfc = true;
    } else if (*type) {
        unknown(j, "normalizer", type, e);
    }
    return e->status;
}

static Status load_byte_level(PreTokenizer *p, const Json *j, const json_t *o, const char *where, Error *e)
{
    bool prefix;
    json_bool_or(j, o, where, "use_regex", true, &p->gpt2, e);
    json_bool_or(j, o, where, "add_prefix_space", true, &prefix, e);
    if (p->gpt2 && p->qwen2)
        unknown(j, where, "ByteLevel with use_regex after Split", e);
    if (prefix)
        unknown(j, where, "ByteLevel with add_prefix_space", e);
    return e->status;
}

static Status load_split(PreTokenizer *p, const Json *j, const json_t *o, const char *where, Error *e)
{
    const char *pattern = json_string_value(json_object_get(json_object_get(o, "pattern"), "Regex"));
    const char *behavior;
    bool invert;
    json_string_or(j, o, where, "behavior", "", &behavior, e);
    json_bool_or(j, o, where, "invert", false, &invert, e);
    if (p->digits)
        unknown(j, where, "Split after Digits", e);
    if (!pattern || strcmp(pattern, pretokenize_qwen2_pattern))
        unknown(j, where, pattern ? pattern : "Split without a Regex", e);
    if (strcmp(behavior, "Isolated") || invert)
        unknown(j, where, "Split with another behavior than Isolated", e);
    p->qwen2 = true;
    return e->status;
}

static Status load_digits(PreTokenizer *p, const Json *j, const json_t *o, const char *where, Error *e)
{
    bool individual;
    json_bool_or(j, o, where, "individual_digits", false, &individual, e);
    if (!individual || p->qwen2)
        unknown(j, where, "Digits", e);
    p->digits = true;
    return e->status;
}

/* *byte_level becomes true at the step ByteLevel, which must be the last. */
static Status load_pretokenizer(Tokenizer *t, const Json *j, const json_t *o, bool *byte_level, Error *e)
{
    const char *where = "pre_tokenizer";
    const char *type;
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
    *byte_level = !strcmp(type, "ByteLevel");
    if (*byte_level)
        return load_byte_level(&t->byte_level.pretokenizer, j, o, where, e);
    if (!strcmp(type, "Split"))
        return load_split(&t->byte_level.pretokenizer, j, o, where, e);
    if (!strcmp(type, "Digits"))
        return load_digits(&t->byte_level.pretokenizer, j, o, where, e);
    return unknown(j, where, *type ? type : "null", e);
}

/* No other token has this content or this id. */
static Status check_added(const Tokenizer *t, const Json *j, const char *where, const char *content,
                          int64_t id, Error *e)
{
    if (e->status != OK)
        return e->status;
    if (!*content)
        return error_set(e, BAD_INPUT, "%s: %s.content is empty", j->path, where);
    const Added *same_id = added_of(&t->added, (int32_t)id);
    const Added *same_content = added_find(&t->added, content);
    const Added *other = same_id != same_content ? (same_id ? same_id : same_content) : NULL;
    if (other)
        return error_set(e, BAD_INPUT, "%s: %s: \"%s\" with id %lld clashes with \"%s\" with id %d", j->path,
                         where, content, (long long)id, other->content, (int)other->id);
    if (vocabulary_has(&t->vocabulary, id) && vocabulary_find(&t->vocabulary, content, strlen(content)) != id)
        return error_set(e, BAD_INPUT, "%s: %s: \"%s\" has id %lld, which is another token's in model.vocab",
                         j->path, where, content, (long long)id);
    return OK;
}

static Status add_added(Tokenizer *t, const Json *j, const json_t *o, const char *where, Error *e)
{
    Added a = {0};
    const char *content;
    int64_t id;
    json_string_in(j, o, where, "content", &content, e);
    json_integer_in(j, o, where, "id", 0, MAX_ID - 1, &id, e);
    json_bool_or(j, o, where, "special", false, &a.special, e);
    json_bool_or(j, o, where, "normalized", false, &a.normalized, e);
    json_bool_or(j, o, where, "lstrip", false, &a.lstrip, e);
    json_bool_or(j, o, where, "rstrip", false, &a.rstrip, e);
    json_bool_or(j, o, where, "single_word", false, &a.single_word, e);
    check_added(t, j, where, content, id, e);
    a.id = (int32_t)id;
    added_add(&t->added, a, content, e);
    t->size = max_i64(t->size, id + 1);
    return e->status;
}

static Status load_added(Tokenizer *t, const Json *j, Error *e)
{
    const json_t *list = json_object_get(j->root, "added_tokens");
    if (list && !json_is_null(list) && !json_is_array(list))
        error_set(e, BAD_INPUT, "%s: added_tokens: wanted a list, found %s", j->path, json_kind(list));
    added_init(&t->added, unicode_is_space);
    for (size_t i = 0; i < json_array_size(list) && e->status == OK; i++) {
        char where[40];
        snprintf(where, sizeof where, "added_tokens[%zu]", i);
        add_added(t, j, json_array_get(list, i), where, e);
    }
    return e->status;
}

/* What follows encoding must leave the ids as they are: ByteLevel's only moves offsets; transformers 5
 * writes a template that is the text alone, and may put both into a list. */
static Status check_after(const Json *j, const json_t *o, Error *e)
{
    const char *type;
    const json_t *part;
    size_t i;
    bool adds = false;
    if (type_of(j, o, "post_processor", &type, e) != OK || !*type || !strcmp(type, "ByteLevel"))
        return e->status;
    if (!strcmp(type, "Sequence")) {
        json_array_foreach(json_object_get(o, "processors"), i, part)
        {
            check_after(j, part, e);
        }
        return e->status;
    }
    const json_t *template = json_object_get(o, "single");
    json_array_foreach(template, i, part)
    {
        adds |= !json_object_get(part, "Sequence");
    }
    if (strcmp(type, "TemplateProcessing") || json_array_size(template) != 1 || adds)
        unknown(j, "post_processor", type, e);
    return e->status;
}

/* The decoder must be the one that byte_level_decode is. A post-processor of another kind would add
 * tokens. */
static Status check_ends(const Json *j, Error *e)
{
    const char *decoder;
    type_of(j, json_object_get(j->root, "decoder"), "decoder", &decoder, e);
    if (strcmp(decoder, "ByteLevel"))
        unknown(j, "decoder", *decoder ? decoder : "null", e);
    return check_after(j, json_object_get(j->root, "post_processor"), e);
}

static Status load(Tokenizer *t, const char *folder, const char *path, Error *e)
{
    Json j;
    bool byte_level = false;
    (void)folder;
    if (json_open(&j, path, JSON_LARGE, e) != OK)
        return e->status;
    if (!json_is_object(j.root))
        error_set(e, BAD_INPUT, "%s: wanted an object, found %s", path, json_kind(j.root));
    load_model(t, &j, e);
    load_added(t, &j, e);
    load_normalizer(t, &j, json_object_get(j.root, "normalizer"), e);
    load_pretokenizer(t, &j, json_object_get(j.root, "pre_tokenizer"), &byte_level, e);
    if (!byte_level)
        unknown(&j, "pre_tokenizer", "a pre-tokenizer without ByteLevel", e);
    check_ends(&j, e);
    json_close(&j);
    return e->status;
}

const TokenizerKind tokenizer_json_kind = {"tokenizer.json", load, byte_level_encode, byte_level_decode};
