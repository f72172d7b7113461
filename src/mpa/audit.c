/* Lines of audit.jsonl. Annotate writes the file first; identify writes it anew with the decisions
 * and takes the annotator's words over from the old one. */
#include "mpa/audit.h"

#include "base/file.h"
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

json_t *audit_raw_texts(const Job *j, Error *e)
{
    Text text = {0};
    Text id = {0};
    json_t *all = json_object();
    char *path = job_path(j, "audit.jsonl", e);
    if (path && file_exists(path))
        file_read(&text, path, (size_t)1 << 31, e);
    const char *p = text_string(&text);
    for (const char *end = strchr(p, '\n'); end; end = strchr(p, '\n')) {
        json_error_t why;
        json_t *o = json_loadb(p, (size_t)(end - p), 0, &why);
        text_clear(&id);
        if (json_object_get(o, "question_id")) {
            id_text(&id, json_object_get(o, "question_id"), e);
            json_put(all, text_string(&id), json_incref(json_object_get(o, "raw")), e);
        }
        json_decref(o);
        p = end + 1;
    }
    text_free(&text);
    text_free(&id);
    free(path);
    return all;
}
