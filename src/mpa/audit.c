#include "mpa/audit.h"

#include "base/file.h"

#include <stdlib.h>
#include <string.h>

static bool put(json_t *o, const char *key, const char *value)
{
    return !json_object_set_new(o, key, value ? json_string(value) : json_null());
}

Status audit_add(Text *audit, const AuditLine *l, Error *e)
{
    json_t *o = json_object(), *normal = json_object();
    bool ok = !json_object_set(o, "question_id", (json_t *)(uintptr_t)l->id) &&
              put(o, "image_path", l->image) && put(o, "raw", l->raw) && put(o, "question", l->question) &&
              put(o, "answer", l->answer) && put(o, "student", l->student) && put(o, "teacher", l->teacher) &&
              put(normal, "answer", l->normal_answer) && put(normal, "student", l->normal_student) &&
              put(normal, "teacher", l->normal_teacher) && !json_object_set(o, "normalised", normal) &&
              put(o, "decision", l->decision) && put(o, "reason", l->reason);
    char *text = ok ? json_dumps(o, JSON_COMPACT) : NULL;
    ok = text && text_format(audit, e, "%s\n", text);
    free(text);
    json_decref(normal);
    json_decref(o);
    return ok ? OK : error_set(e, NO_MEMORY, "out of memory");
}

Status audit_write(const Stage *s, const Text *audit, Error *e)
{
    char *path = stage_path(s, "audit.jsonl", e);
    Status status = path ? file_replace(path, text_string(audit), audit->count, e) : NO_MEMORY;
    free(path);
    return status;
}

json_t *audit_raw_texts(const Stage *s, Error *e)
{
    Text text = {0}, id = {0};
    json_t *all = json_object();
    char *path = stage_path(s, "audit.jsonl", e);
    if (path && file_exists(path))
        file_read(&text, path, (size_t)1 << 31, e);
    for (const char *p = text_string(&text), *end; (end = strchr(p, '\n')); p = end + 1) {
        json_error_t why;
        json_t *o = json_loadb(p, (size_t)(end - p), 0, &why);
        text_clear(&id);
        if (json_object_get(o, "question_id") && id_text(&id, json_object_get(o, "question_id"), e))
            json_put(all, text_string(&id), json_incref(json_object_get(o, "raw")), e);
        json_decref(o);
    }
    text_free(&text);
    text_free(&id);
    free(path);
    return all;
}
