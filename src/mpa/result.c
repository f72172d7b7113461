/* Comparing what a result was made of with what there is now. Its invariant: a result that is in the
 * run folder, and whose entry in provenance.json holds its hash, was made of what the entry says. The
 * entry is written before the file, and the old file goes before both; so a kill leaves an entry
 * without a file at worst, and the file is made again. */
#include "mpa/result.h"

#include "base/file.h"
#include "base/hash.h"
#include "job/fingerprint.h"
#include "job/provenance.h"
#include "train/save.h"

#include <stdlib.h>
#include <string.h>

/* The result's own hash as it is now; null: there is no such file. Owned reference. */
static json_t *hash_now(const Job *j, Result r, Error *e)
{
    char *path = job_path(j, result_name[r], e);
    json_t *hash = NULL;
    if (path && file_is_folder(path)) {
        json_t *files = fingerprint_model(j, path, e);
        hash = fingerprint_text(fingerprint_json(files, e));
        json_decref(files);
    } else if (path && file_size(path) >= 0) {
        hash = fingerprint_text(file_hash(path, e));
    }
    free(path);
    return hash ? hash : json_null();
}

static ResultState worse(ResultState a, ResultState b)
{
    return a > b ? a : b;
}

/* ---------------------------------------------------------------------------------- what differs */

static const char *words(const json_t *value)
{
    const char *text = json_string_value(value);
    return text && *text ? text : "(not set)";
}

/* Adds a line, but not twice: one key may feed two inputs. */
static void add_change(Text *why, const char *key, const json_t *old, const json_t *now, Error *e)
{
    Text line = {0};
    text_format(&line, e, "%s was %s, is %s\n", key, words(old), words(now));
    if (!strstr(text_string(why), text_string(&line)))
        text_add(why, text_string(&line), e);
    text_free(&line);
}

/* Whether the input is a result of an earlier stage. */
static bool is_result(const char *input)
{
    for (int r = 0; r < RESULTS; r++)
        if (!strcmp(result_name[r], input))
            return true;
    return false;
}

/* A line for each key that feeds the input and has another value now; whether there is one. */
static bool keys_changed(Text *why, const char *input, const json_t *old, const json_t *now, Error *e)
{
    const char *key;
    json_t *value;
    bool changed = false;
    json_object_foreach((json_t *)(uintptr_t)now, key, value)
    {
        const json_t *before = json_object_get(old, key);
        if (!before || json_equal(before, value) || !depends_feeds(key, input))
            continue;
        changed = true;
        add_change(why, key, before, value, e);
    }
    return changed;
}

/* Counts the files of a that b does not have, or has otherwise when `other`; the first in *name. */
static int64_t count_files(const json_t *a, const json_t *b, bool other, const char **name)
{
    const char *file;
    json_t *hash;
    int64_t count = 0;
    json_object_foreach((json_t *)(uintptr_t)a, file, hash)
    {
        const json_t *theirs = json_object_get(b, file);
        if (other ? theirs && !json_equal(theirs, hash) : !theirs) {
            *name = count ? *name : file;
            count++;
        }
    }
    return count;
}

static void describe_files(Text *why, const char *input, const json_t *old, const json_t *now, Error *e)
{
    const char *name = NULL;
    text_format(why, e, "%s:", input);
    const int64_t added = count_files(now, old, false, &name);
    if (added)
        text_format(why, e, " %lld new (%s%s)", (long long)added, name, added > 1 ? ", ..." : "");
    const int64_t gone = count_files(old, now, false, &name);
    if (gone)
        text_format(why, e, "%s %lld gone (%s%s)", added ? "," : "", (long long)gone, name,
                    gone > 1 ? ", ..." : "");
    const int64_t changed = count_files(now, old, true, &name);
    if (changed)
        text_format(why, e, "%s %lld changed (%s%s)", added || gone ? "," : "", (long long)changed, name,
                    changed > 1 ? ", ..." : "");
    text_add(why, "\n", e);
}

/* Compares one input. */
static ResultState compare_input(Text *why, const char *input, const json_t *old, const json_t *now,
                                 const json_t *settings[2], Error *e)
{
    if (!old || json_equal(old, now))
        return STATE_TRUE;
    const bool moved = keys_changed(why, input, settings[0], settings[1], e);
    /* What is gone cannot be compared: it is taken for the same, if it is looked for at the same place. */
    if (json_is_null(now))
        return moved ? STATE_CHANGED : STATE_TRUE;
    if (json_is_object(old) && json_is_object(now))
        describe_files(why, input, old, now, e);
    else if (strcmp(input, "list"))
        text_format(why, e, "%s has changed\n", input);
    else if (!strstr(text_string(why), "pictures: "))
        text_add(why, "pictures: their order, ids or labels have changed\n", e);
    return is_result(input) && !moved ? STATE_OUTDATED : STATE_CHANGED;
}

static ResultState compare_settings(Text *why, Result r, const json_t *old, const json_t *now, Error *e)
{
    ResultState state = STATE_TRUE;
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)now, key, value)
    {
        const json_t *before = json_object_get(old, key);
        if (!before || json_equal(before, value) || !(depends_of(key)->counts & 1u << r))
            continue;
        state = STATE_CHANGED;
        add_change(why, key, before, value, e);
    }
    return state;
}

/* Work that was begun goes on with the same arithmetic only. */
static ResultState compare_arithmetic(Text *why, const Job *j, const json_t *entry, Error *e)
{
    json_t *now = provenance_made_by(j, e);
    const json_t *a = json_object_get(json_object_get(entry, "made_by"), "arithmetic");
    const json_t *b = json_object_get(now, "arithmetic");
    const bool same = !a || json_equal(a, b);
    if (!same)
        add_change(why, "arithmetic", a, b, e);
    json_decref(now);
    return same ? STATE_TRUE : STATE_CHANGED;
}

/* All inputs; first the earlier stages' files. Where one of those has changed, so have the pictures
 * that it names; and while answers are asked for, the journal knows for each picture what is true. */
static ResultState compare_inputs(Text *why, Result r, const json_t *old, const json_t *inputs,
                                  const json_t *settings[2], bool begun, Error *e)
{
    ResultState state = STATE_TRUE;
    const char *input;
    json_t *now;
    json_object_foreach((json_t *)(uintptr_t)inputs, input, now) if (is_result(input)) state =
        worse(state, compare_input(why, input, json_object_get(old, input), now, settings, e));
    const bool named = state == STATE_OUTDATED && r < RESULT_TEST_STUDENT;
    json_object_foreach((json_t *)(uintptr_t)inputs, input, now)
    {
        const bool of_pictures = !strcmp(input, "pictures") || !strcmp(input, "list");
        if (!is_result(input) && !(of_pictures && (named || (begun && r != RESULT_ALIGNED))))
            state = worse(state, compare_input(why, input, json_object_get(old, input), now, settings, e));
    }
    return state;
}

/* The entry against `made_of`, what the result would be made of now. */
static ResultState compare(Text *why, const Job *j, Result r, const json_t *entry, const json_t *made_of,
                           Error *e)
{
    const json_t *settings[2] = {json_object_get(entry, "settings"), json_object_get(made_of, "settings")};
    const bool begun = json_is_null(json_object_get(entry, "hash"));
    const ResultState a = compare_settings(why, r, settings[0], settings[1], e);
    const ResultState b = compare_inputs(why, r, json_object_get(entry, "inputs"),
                                         json_object_get(made_of, "inputs"), settings, begun, e);
    const ResultState c = begun ? compare_arithmetic(why, j, entry, e) : STATE_TRUE;
    return worse(worse(a, b), c);
}

/* ------------------------------------------------------------------------------------- the state */

static ResultState state_of(const Job *j, Result r, const json_t *entry, Text *why, Error *e)
{
    json_t *hash = hash_now(j, r, e);
    const json_t *made = json_object_get(entry, "hash");
    const bool there = !json_is_null(hash);
    /* A folder is ours when its making was recorded: a kill may come before its hash is. */
    const bool ours = json_equal(made, hash) || (r == RESULT_ALIGNED && json_is_null(made));
    ResultState state = there ? STATE_BY_HAND : STATE_NONE;
    if (entry && e->status == OK && (!there || ours)) {
        json_t *now = depends_now(j, r, e);
        state = compare(why, j, r, entry, now, e);
        json_decref(now);
        if (!there)
            state = json_is_null(made) && state >= STATE_OUTDATED ? state : STATE_NONE;
    }
    json_decref(hash);
    return state;
}

ResultState result_state(const Job *j, Result r, Text *why, Error *e)
{
    Text unread = {0};
    json_t *entry = provenance_read(j, result_name[r], e);
    const ResultState state = e->status == OK ? state_of(j, r, entry, why ? why : &unread, e) : STATE_NONE;
    text_free(&unread);
    json_decref(entry);
    return state;
}

bool result_holds(const Job *j, Result r, Error *e)
{
    const ResultState state = result_state(j, r, NULL, e);
    return state == STATE_TRUE || state == STATE_BY_HAND;
}

/* ------------------------------------------------------------------------------------ the making */

static Status remove_old(const Job *j, Result r, Error *e)
{
    char *path = job_path(j, result_name[r], e);
    if (path && file_is_folder(path))
        save_remove(path, e);
    else if (path)
        file_remove(path, e);
    if (r == RESULT_ALIGNED)
        json_object_clear(j->hashes); /* its files are read anew */
    free(path);
    return e->status;
}

Status result_begin(const Job *j, Result r, bool *resumes, Error *e)
{
    Text unread = {0};
    json_t *entry = provenance_read(j, result_name[r], e);
    json_t *now = depends_now(j, r, e);
    const bool begun = entry && json_is_null(json_object_get(entry, "hash"));
    if (resumes)
        *resumes = e->status == OK && begun && compare(&unread, j, r, entry, now, e) == STATE_TRUE;
    remove_old(j, r, e);
    provenance_write(j, result_name[r], now, json_null(), e);
    text_free(&unread);
    json_decref(now);
    json_decref(entry);
    return e->status;
}

Status result_end(const Job *j, Result r, const json_t *value, int indent, Error *e)
{
    json_t *entry = provenance_read(j, result_name[r], e);
    json_t *hash = NULL;
    if (value) {
        Text text = {0};
        job_json_text(&text, value, indent, e);
        hash = fingerprint_text(hash_words(HASH_START, text_string(&text), text.count));
        provenance_write(j, result_name[r], entry, hash, e);
        job_write_text(j, result_name[r], &text, e);
        text_free(&text);
    } else {
        provenance_write(j, result_name[r], entry, hash_now(j, r, e), e);
    }
    json_decref(entry);
    return e->status;
}

Status result_settle(const Job *j, Result r, Error *e)
{
    json_t *entry = provenance_read(j, result_name[r], e);
    if (entry && json_is_null(json_object_get(entry, "hash")))
        result_end(j, r, NULL, 0, e);
    json_decref(entry);
    return e->status;
}
