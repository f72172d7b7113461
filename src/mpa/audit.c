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

json_t *audit_lines(const Job *j, Error *e)
{
    Text id = {0};
    json_t *all = json_object();
    json_t *lines = job_read_lines(j, "audit.jsonl", e);
    json_t *line;
    size_t i;
    json_array_foreach(lines, i, line)
    {
        text_clear(&id);
        if (json_object_get(line, "question_id")) {
            id_text(&id, json_object_get(line, "question_id"), e);
            json_put(all, text_string(&id), json_incref(line), e);
        }
    }
    json_decref(lines);
    text_free(&id);
    return all;
}
