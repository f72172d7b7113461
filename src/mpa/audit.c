/* Lines of audit.jsonl. Annotate writes the file first; identify writes it anew with the decisions
 * and takes the annotator's words over from the old one. */
#include "mpa/audit.h"

#include "data/items.h"

#include <stdlib.h>
#include <string.h>

static void put(json_t *o, const char *key, const char *value, Error *e)
{
    json_put(o, key, value ? json_string(value) : json_null(), e);
}

Status audit_add(Text *audit, const AuditLine *l, Error *e)
{
    json_t *o = json_object();
    json_t *normal = json_object();
    put(normal, "answer", l->normal_answer, e);
    put(normal, "student", l->normal_student, e);
    put(normal, "teacher", l->normal_teacher, e);
    json_put(o, "question_id", json_incref((json_t *)(uintptr_t)l->id), e);
    put(o, "image_path", l->image, e);
    put(o, "raw", l->raw, e);
    put(o, "question", l->question, e);
    put(o, "answer", l->answer, e);
    put(o, "student", l->student, e);
    put(o, "teacher", l->teacher, e);
    json_put(o, "normalised", normal, e);
    put(o, "decision", l->decision, e);
    put(o, "reason", l->reason, e);
    json_print(audit, o, JSON_COMPACT, e);
    text_add(audit, "\n", e);
    json_decref(o);
    return e->status;
}

Status audit_write(const Job *j, const Text *audit, Error *e)
{
    return job_write_text(j, "audit.jsonl", audit, e);
}

static bool is_skipped(const json_t *line)
{
    const char *decision = json_string_value(json_object_get(line, "decision"));
    return decision && !strcmp(decision, "skipped");
}

Status audit_keep_skipped(Text *audit, const json_t *lines, Error *e)
{
    const char *id;
    json_t *line;
    json_object_foreach((json_t *)(uintptr_t)lines, id, line)
    {
        if (!is_skipped(line))
            continue;
        json_print(audit, line, JSON_COMPACT, e);
        text_add(audit, "\n", e);
    }
    return e->status;
}

json_t *audit_lines(const Job *j, Error *e)
{
    json_t *all = json_object();
    json_t *lines = job_read_lines(j, "audit.jsonl", e);
    json_t *line;
    size_t i;
    json_array_foreach(lines, i, line)
    {
        const json_t *id = json_object_get(line, "question_id");
        if (id)
            id_put(all, id, json_incref(line), e);
    }
    json_decref(lines);
    return all;
}

/* The reason with the most pairs; NULL: none is left. */
static const char *most_frequent_reason(json_t *counts)
{
    const char *most = NULL;
    const char *reason;
    json_t *count;
    json_object_foreach(counts, reason, count)
    {
        if (!most || json_integer_value(count) > json_integer_value(json_object_get(counts, most)))
            most = reason;
    }
    return most;
}

Status audit_reasons(const Job *j, Text *out, Error *e)
{
    json_t *counts = json_object();
    json_t *lines = job_read_lines(j, "audit.jsonl", e);
    for (size_t i = 0; i < json_array_size(lines); i++) {
        const json_t *line = json_array_get(lines, i);
        const char *whole = json_string_value(json_object_get(line, "reason"));
        const char *detail = whole ? strstr(whole, " (") : NULL; /* of one picture */
        char *reason = NULL;
        if (whole && !is_skipped(line))
            reason = memory_copy_bytes(whole, detail ? (size_t)(detail - whole) : strlen(whole), e);
        if (reason)
            json_put(counts, reason, json_integer(1 + json_integer_value(json_object_get(counts, reason))),
                     e);
        free(reason);
    }
    for (const char *most = most_frequent_reason(counts); most && e->status == OK;
         most = most_frequent_reason(counts)) {
        text_format(out, e, "%s%lld %s", out->count ? ", " : "",
                    (long long)json_integer_value(json_object_get(counts, most)), most);
        json_object_del(counts, most);
    }
    json_decref(lines);
    json_decref(counts);
    return e->status;
}
