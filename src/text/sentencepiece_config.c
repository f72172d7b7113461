/* Reading tokenizer_config.json beside tokenizer.model: the class, its options, the added tokens with
 * their flags, and which of them the file lists as special tokens. What transformers would do with an
 * option that is not known here is not guessed: the option is refused by name. */
#include "text/tokenizer_parts.h"

#include "base/memory.h"
#include "base/number.h"
#include "base/path.h"
#include "text/unicode.h"

#include <stdlib.h>
#include <string.h>

/* transformers' special token attributes, in its order, with their defaults where all classes have
 * the same. */
static const struct {
    const char *key, *fallback;
} single[] = {
    {"bos_token", "<s>"}, {"eos_token", "</s>"}, {"unk_token", "<unk>"}, {"sep_token", NULL},
    {"pad_token", NULL},  {"cls_token", NULL},   {"mask_token", NULL},
};

/* Options that must be off, or empty. */
static const char *const absent[] = {"split_special_tokens", "do_lower_case", "sp_model_kwargs",
                                     "extra_special_tokens"};

static Status check_absent(const Json *j, Error *e)
{
    for (size_t i = 0; i < sizeof absent / sizeof *absent; i++) {
        const json_t *v = json_object_get(j->root, absent[i]);
        if (json_is_true(v) || json_object_size(v) || json_array_size(v))
            error_set(e, BAD_INPUT, "%s: %s is set; only a tokenizer without it is supported", j->path,
                      absent[i]);
    }
    return e->status;
}

/* InternLM2's class decodes with a space before each run that a special token ends, and cleans up
 * whatever clean_up_tokenization_spaces says. */
static Status read_class(SentencePiece *s, const Json *j, bool *internlm2, Error *e)
{
    const char *name;
    bool legacy, prefix;
    json_string_in(j, j->root, "", "tokenizer_class", &name, e);
    json_bool_or(j, j->root, "", "legacy", true, &legacy, e);
    json_bool_or(j, j->root, "", "add_prefix_space", true, &prefix, e);
    *internlm2 = !strcmp(name, "InternLM2Tokenizer");
    if (*internlm2) {
        s->rules = (ClassRules){.space_first = true, .space_before = true, .clean_up = true};
        return e->status;
    }
    if (e->status == OK && strcmp(name, "LlamaTokenizer"))
        return error_set(e, BAD_INPUT,
                         "%s: tokenizer_class: wanted InternLM2Tokenizer or LlamaTokenizer, found \"%s\"",
                         j->path, name);
    s->rules = (ClassRules){.reads_marks = !legacy,
                            .marks_text = !legacy && prefix,
                            .trims_first = prefix,
                            .space_before = legacy};
    if (!legacy)
        s->dummy_prefix = false;
    return e->status;
}

/* A key of added_tokens_decoder: digits alone. -1: anything else. */
static int64_t id_of(const char *key)
{
    int64_t id = *key ? 0 : -1;
    for (const char *p = key; *p && id >= 0 && id < MAX_ID; p++)
        id = *p >= '0' && *p <= '9' ? 10 * id + (*p - '0') : -1;
    return id < MAX_ID ? id : -1;
}

static Status check_added(const Tokenizer *t, const Json *j, const char *key, const char *content, int64_t id,
                          Error *e)
{
    const char *what = NULL;
    if (e->status != OK)
        return e->status;
    int32_t piece = vocabulary_find(&t->vocabulary, content, strlen(content));
    if (id < 0)
        what = "the key is no token id";
    else if (!*content)
        what = "content is empty";
    else if (added_find(&t->added, content) || added_of(&t->added, (int32_t)id))
        what = "its content or its id is another added token's too";
    else if (piece >= 0 && piece != id)
        what = "its content is a piece of tokenizer.model with another id";
    return what ? error_set(e, BAD_INPUT, "%s: added_tokens_decoder.%s (\"%s\"): %s", j->path, key, content,
                            what)
                : OK;
}

static Status read_added(Tokenizer *t, const Json *j, const char *key, const json_t *o, Error *e)
{
    Added a = {0};
    const char *content;
    int64_t id = id_of(key);
    bool single_word;
    const char *where = "added_tokens_decoder";
    if (!json_is_object(o))
        return error_set(e, BAD_INPUT, "%s: %s.%s: wanted an object, found %s", j->path, where, key,
                         json_kind(o));
    json_string_in(j, o, where, "content", &content, e);
    json_bool_or(j, o, where, "special", false, &a.special, e);
    json_bool_or(j, o, where, "lstrip", false, &a.lstrip, e);
    json_bool_or(j, o, where, "rstrip", false, &a.rstrip, e);
    json_bool_or(j, o, where, "single_word", false, &single_word, e);
    check_added(t, j, key, content, id, e);
    if (single_word)
        error_set(e, BAD_INPUT, "%s: %s.%s: single_word is not supported", j->path, where, key);
    a.id = (int32_t)id;
    added_add(&t->added, a, content, e);
    t->size = max_i64(t->size, id + 1);
    return e->status;
}

static Status read_all_added(Tokenizer *t, const Json *j, Error *e)
{
    json_t *all;
    const char *key;
    json_t *value;
    added_init(&t->added, unicode_is_python_space);
    json_object_in(j, j->root, "", "added_tokens_decoder", &all, e);
    json_object_foreach(all, key, value)
    {
        if (e->status == OK)
            read_added(t, j, key, value, e);
    }
    return e->status;
}

/* The added token of a name that is listed as special. One that is not there yet is added: the piece
 * of that name, or a new id. */
static Added *list_token(Tokenizer *t, const char *content, Error *e)
{
    if (e->status == OK && !added_find(&t->added, content)) {
        int32_t piece = vocabulary_find(&t->vocabulary, content, strlen(content));
        Added a = {.special = true, .id = piece >= 0 ? piece : (int32_t)t->size};
        added_add(&t->added, a, content, e);
        t->size = max_i64(t->size, (int64_t)a.id + 1);
    }
    Added *a = e->status == OK ? added_find(&t->added, content) : NULL;
    if (a)
        a->listed = true;
    return a;
}

/* The name in a string or in an object {"content": name}; NULL: neither, or empty. */
static const char *name_in(const json_t *v)
{
    const char *name = json_string_value(json_is_object(v) ? json_object_get(v, "content") : v);
    return name && *name ? name : NULL;
}

/* Each added token that is not listed is an item in decoding, and so is one of
 * additional_special_tokens whose id is no piece's. */
static Status list_additional(Tokenizer *t, const Json *j, Error *e)
{
    const json_t *list = json_object_get(j->root, "additional_special_tokens");
    if (list && !json_is_null(list) && !json_is_array(list))
        error_set(e, BAD_INPUT, "%s: additional_special_tokens: wanted a list, found %s", j->path,
                  json_kind(list));
    for (size_t i = 0; i < json_array_size(list) && e->status == OK; i++) {
        const char *name = name_in(json_array_get(list, i));
        Added *a = name ? list_token(t, name, e) : NULL;
        if (a)
            a->apart = a->id >= t->sentencepiece.pieces;
        else
            error_set(e, BAD_INPUT, "%s: additional_special_tokens[%zu]: wanted a token's name", j->path, i);
    }
    for (int64_t i = 0; i < t->added.count; i++)
        if (!t->added.token[i].listed)
            t->added.token[i].apart = true;
    return e->status;
}

static Status list_tokens(Tokenizer *t, const Json *j, bool internlm2, Error *e)
{
    for (size_t i = 0; i < sizeof single / sizeof *single && e->status == OK; i++) {
        const json_t *v = json_object_get(j->root, single[i].key);
        const char *name = v ? name_in(v) : single[i].fallback;
        if (!v && internlm2 && !strcmp(single[i].key, "pad_token"))
            name = "</s>";
        if (v && !json_is_null(v) && !name)
            error_set(e, BAD_INPUT, "%s: %s: wanted a token's name, found %s", j->path, single[i].key,
                      json_kind(v));
        if (name)
            list_token(t, name, e);
    }
    return list_additional(t, j, e);
}

/* The id of bos_token or eos_token when `option` is on; else -1. */
static Status end_token(const Tokenizer *t, const Json *j, const char *option, bool fallback, size_t which,
                        int32_t *id, Error *e)
{
    bool on;
    const json_t *v = json_object_get(j->root, single[which].key);
    const char *name = v ? name_in(v) : single[which].fallback;
    json_bool_or(j, j->root, "", option, fallback, &on, e);
    if (e->status != OK || !on)
        return e->status;
    if (!name)
        return error_set(e, BAD_INPUT, "%s: %s is on, but %s is null", j->path, option, single[which].key);
    *id = added_find(&t->added, name)->id;
    return OK;
}

Status sentencepiece_config(Tokenizer *t, const char *folder, Error *e)
{
    Json j;
    SentencePiece *s = &t->sentencepiece;
    bool internlm2;
    char *path = path_join(folder, "tokenizer_config.json", e);
    if (!path || json_open(&j, path, (size_t)1 << 25, e) != OK) {
        free(path);
        return e->status;
    }
    if (!json_is_object(j.root))
        error_set(e, BAD_INPUT, "%s: wanted an object, found %s", path, json_kind(j.root));
    read_class(s, &j, &internlm2, e);
    check_absent(&j, e);
    read_all_added(t, &j, e);
    list_tokens(t, &j, internlm2, e);
    end_token(t, &j, "add_bos_token", true, 0, &s->first, e);
    end_token(t, &j, "add_eos_token", false, 1, &s->last, e);
    json_close(&j);
    free(path);
    return e->status;
}
