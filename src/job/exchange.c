/* Requests and replies. A reply is read in each of these forms, by what the line holds:
 *
 *     {custom_id, response: {status_code, body: {choices: [{message: {content}}]}}, error}   OpenAI, Mistral, ...
 *     {custom_id, result: {type: "succeeded", message: {content: [{type: "text", text}]}}}   Anthropic
 *     {custom_id or id, text or content}                                                     made by hand
 *
 * content is a string, or a list of parts whose texts are joined. A line with an error, or without a
 * text, is no reply; it is counted and named. */
#include "job/exchange.h"

#include "base/base64.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/path.h"
#include "data/items.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const size_t MAX_REPLIES = (size_t)1 << 31;

/* --------------------------------------------------------------------------------------- the replies */

/* What a file of replies holds. Owned: replies_free. */
typedef struct {
    json_t *text;  /* by id */
    json_t *error; /* of lines that are no reply, by id; null: the line just holds no text */
} Replies;

static void replies_free(Replies *r)
{
    json_decref(r->text);
    json_decref(r->error);
}

/* Appends a content: a string, or the texts of its parts. False: it is neither. */
static bool add_content(Text *out, const json_t *content, Error *e)
{
    bool found = json_is_string(content);
    if (found)
        text_add(out, json_string_value(content), e);
    for (size_t i = 0; i < json_array_size(content); i++) {
        const char *part = json_string_value(json_object_get(json_array_get(content, i), "text"));
        if (part)
            text_add(out, part, e);
        found |= part != NULL;
    }
    return found;
}

/* The field at the end of a way of names and, for "0", first elements. Borrowed; NULL: there is none. */
static const json_t *at(const json_t *o, const char *const *way)
{
    for (; *way && o; way++)
        o = strcmp(*way, "0") ? json_object_get(o, *way) : json_array_get(o, 0);
    return o;
}

/* Appends the text of a line. False: it holds none. */
static bool add_text(Text *out, const json_t *line, Error *e)
{
    static const char *const ways[][7] = {
        {"response", "body", "choices", "0", "message", "content", NULL},
        {"body", "choices", "0", "message", "content", NULL},
        {"choices", "0", "message", "content", NULL},
        {"result", "message", "content", NULL},
        {"text", NULL},
        {"content", NULL},
    };
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++)
        if (add_content(out, at(line, ways[i]), e))
            return true;
    return false;
}

/* Why a line is no reply; NULL: it may be one. Borrowed. */
static const json_t *error_of(const json_t *line)
{
    static const char *const ways[][5] = {{"error", NULL},
                                          {"response", "error", NULL},
                                          {"response", "body", "error", NULL},
                                          {"result", "error", NULL}};
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        const json_t *v = at(line, ways[i]);
        if (v && !json_is_null(v))
            return v;
    }
    return NULL;
}

static Status take_line(Replies *r, const Json *file, size_t i, Error *e)
{
    const json_t *line = json_array_get(file->root, i);
    const json_t *id = json_object_get(line, "custom_id");
    Text text = {0};
    id = id ? id : json_object_get(line, "id");
    if (!id_is(id))
        return error_set(e, BAD_INPUT,
                         "%s: entry %zu: custom_id or id: wanted a string or an integer, found %s",
                         file->path, i, json_kind(id));
    const json_t *error = error_of(line);
    if (!error && add_text(&text, line, e))
        id_put(r->text, id, json_string(text_string(&text)), e);
    else
        id_put(r->error, id, error ? json_incref((json_t *)(uintptr_t)error) : json_null(), e);
    text_free(&text);
    return e->status;
}

static Status replies_read(Replies *r, const char *path, Error *e)
{
    Json file;
    *r = (Replies){json_object(), json_object()};
    json_open_lines(&file, path, MAX_REPLIES, e);
    for (size_t i = 0; i < json_array_size(file.root) && e->status == OK; i++)
        take_line(r, &file, i, e);
    json_close(&file);
    return e->status;
}

/* What a request is called: a hash of its picture and its text, in characters that every interface takes. */
enum { NAME_SIZE = 24 };
static Status name_request(char name[NAME_SIZE], const Questions *q, int64_t i, Error *e)
{
    const uint64_t picture = q->file[i] ? file_hash(q->file[i], e) : HASH_START;
    snprintf(name, NAME_SIZE, "q%016llx", (unsigned long long)hash_text(picture, q->text[i]));
    return e->status;
}

/* The reply to question i, and what it was found by; NULL: there is none. Borrowed. */
static const char *reply_to(const Replies *r, const Questions *q, int64_t i, char name[NAME_SIZE], Error *e)
{
    name_request(name, q, i, e);
    const char *text = json_string_value(json_object_get(r->text, name));
    return text ? text : json_string_value(json_object_get(r->text, q->id[i]));
}

/* Warns of lines that are no reply, where no other line is one to the same request. */
static void show_errors(const Answerer *a, const Replies *r, Error *e)
{
    enum { NAMED = 3 };
    int64_t count = 0;
    Text first = {0};
    const char *id;
    json_t *error;
    json_object_foreach(r->error, id, error)
    {
        count += !json_object_get(r->text, id);
        if (json_object_get(r->text, id) || count > NAMED)
            continue;
        text_format(&first, e, "%s%s: ", count > 1 ? "; " : "", id);
        if (json_is_null(error))
            text_add(&first, "no text", e);
        else
            json_print(&first, error, JSON_COMPACT | JSON_ENCODE_ANY, e);
    }
    if (count)
        log_warning(&a->job->log, "%s: %lld requests have an error, or a reply without text (%s)", a->journal,
                    (long long)count, text_string(&first));
    text_free(&first);
}

/* What became of the requests. */
typedef struct {
    int64_t count, missing;
    const char *first; /* that is missing */
    json_t *used;      /* replies, by id, however many ask for one */
} Tally;

/* Says it; FAILED where requests stay unanswered and that is not wanted. */
static Status account(const Answerer *a, const Replies *r, const Tally *t, Error *e)
{
    const int64_t others = (int64_t)json_object_size(r->text) - (int64_t)json_object_size(t->used);
    const Log *l = &a->job->log;
    if (e->status != OK)
        return e->status;
    log_info(l, "%s: %lld of %lld requests have a reply in %s", a->journal,
             (long long)(t->count - t->missing), (long long)t->count, a->source);
    show_errors(a, r, e);
    if (others > 0)
        log_warning(l, "%s: %lld replies belong to no request", a->journal, (long long)others);
    if (t->missing && !a->job->force)
        error_set(e, FAILED,
                  "%s: %lld of %lld requests have no reply, the first is that of %s; --import %s --export "
                  "REST.jsonl "
                  "writes them for another try (put all replies into one file); --force goes on without them",
                  a->source, (long long)t->missing, (long long)t->count, t->first, a->source);
    return e->status;
}

static Status answer_from_replies(Answerer *a, const Questions *q, char **texts, Error *e)
{
    Replies r;
    char name[NAME_SIZE];
    Tally t = {.count = q->count, .used = json_object()};
    replies_read(&r, a->source, e);
    for (int64_t i = 0; i < q->count && e->status == OK; i++) {
        const char *text = reply_to(&r, q, i, name, e);
        texts[i] = text ? memory_copy(text, e) : NULL;
        if (text)
            json_put(t.used, json_object_get(r.text, name) ? name : q->id[i], json_true(), e);
        else if (!t.missing)
            t.first = q->id[i];
        t.missing += !text;
    }
    account(a, &r, &t, e);
    json_decref(t.used);
    replies_free(&r);
    return e->status;
}

Answerer answerer_replies(const Job *j, const char *journal)
{
    return (Answerer){.answer = answer_from_replies,
                      .looks = true, /* asked is what was exported */
                      .source = j->exchange.import_path,
                      .job = j,
                      .journal = journal};
}

/* -------------------------------------------------------------------------------------- the requests */

/* Appends where a picture is: its path, or all of it. */
static Status add_picture(Text *out, const Job *j, const char *path, Error *e)
{
    FileMap map;
    if (j->exchange.paths) {
        char *whole = path_absolute(path, e);
        text_format(out, e, "file://%s", whole ? whole : "");
        free(whole);
        return e->status;
    }
    if (file_map(&map, path, e) == OK) {
        const bool png = map.size && map.data[0] == 0x89;
        text_format(out, e, "data:image/%s;base64,", png ? "png" : "jpeg");
        base64_add(out, map.data, map.size, e);
    }
    file_unmap(&map);
    return e->status;
}

/* One request, as a batch interface takes it. Owned reference. */
static json_t *request(const Job *j, const Questions *q, int64_t i, const char *name, int64_t max_new_tokens,
                       Error *e)
{
    Text url = {0};
    json_t *content = json_array();
    if (q->file[i])
        add_picture(&url, j, q->file[i], e);
    if (q->file[i])
        json_append(content,
                    json_pack("{s:s, s:{s:s}}", "type", "image_url", "image_url", "url", text_string(&url)),
                    e);
    json_append(content, json_pack("{s:s, s:s}", "type", "text", "text", q->text[i]), e);
    json_t *o =
        json_pack("{s:s, s:s, s:s, s:{s:s, s:[{s:s, s:o}], s:I}}", "custom_id", name, "method", "POST", "url",
                  "/v1/chat/completions", "body", "model", j->exchange.model ? j->exchange.model : "MODEL",
                  "messages", "role", "user", "content", content, "max_tokens", (json_int_t)max_new_tokens);
    text_free(&url);
    return o;
}

/* Appends request i to the file. */
static Status put_request(FileWriter *w, const Job *j, const Questions *q, int64_t i, const char *name,
                          int64_t max_new_tokens, Error *e)
{
    Text line = {0};
    json_t *o = e->status == OK ? request(j, q, i, name, max_new_tokens, e) : NULL;
    json_print(&line, o, JSON_COMPACT | JSON_ENSURE_ASCII, e);
    text_add(&line, "\n", e);
    file_put(w, text_string(&line), line.count, e);
    text_free(&line);
    json_decref(o);
    return e->status;
}

Status exchange_export(const Job *j, const Questions *q, int64_t max_new_tokens, Error *e)
{
    FileWriter w;
    Replies have = {NULL, NULL};
    char name[NAME_SIZE];
    json_t *seen = json_object();
    if (j->exchange.import_path)
        replies_read(&have, j->exchange.import_path, e);
    file_begin(&w, j->exchange.export_path, e);
    for (int64_t i = 0; i < q->count && e->status == OK; i++) {
        if (reply_to(&have, q, i, name, e) || json_object_get(seen, name))
            continue;
        json_put(seen, name, json_true(), e);
        put_request(&w, j, q, i, name, max_new_tokens, e);
    }
    file_commit(&w, e);
    if (e->status == OK)
        log_info(&j->log, "%lld requests are in %s; the replies to them are for --import",
                 (long long)json_object_size(seen), j->exchange.export_path);
    json_decref(seen);
    replies_free(&have);
    return e->status;
}
