/* What the results were made of: models by hash, versions, and every key that is not its default. run.dir is
 * left out: the page lies there. */
#include "report/section.h"

#include "config/keys.h"
#include "job/fingerprint.h"
#include "mpa/depends.h"

#include <string.h>

/* ----------------------------------------------------------------------------------------------- models */

/* One hash of an input that any result was made of: of all files of a model. */
static Status hash_of(Text *out, const Record *r, const char *input, Error *e)
{
    const char *result;
    const json_t *entry;
    const json_t *found = NULL;
    json_object_foreach(r->made, result, entry)
    {
        const json_t *files = json_object_get(json_object_get(entry, "inputs"), input);
        found = json_is_object(files) ? files : found;
    }
    if (!found)
        return html_element(out, "td", "not recorded", e);
    return text_format(out, e, "<td><code>%016llx</code></td>",
                       (unsigned long long)fingerprint_json(found, e));
}

static Status model_row(Text *out, const Record *r, const char *title, const char *key, Error *e)
{
    const char *path = config_text(&r->job->config, key);
    if (!*path)
        return e->status;
    text_format(out, e, "<tr><th>%s</th>", title);
    html_element(out, "td", path, e);
    hash_of(out, r, key, e);
    return text_add(out, "</tr>\n", e);
}

static Status aligned_row(Text *out, const Record *r, Error *e)
{
    const json_t *hash = json_object_get(json_object_get(r->made, result_name[RESULT_ALIGNED]), "hash");
    if (!hash || json_is_null(hash))
        return e->status;
    text_add(out, "<tr><th>aligned student</th><td>aligned/ in the run folder</td>", e);
    return text_format(out, e, "<td><code>%016llx</code></td></tr>\n",
                       (unsigned long long)fingerprint_json(hash, e));
}

/* ------------------------------------------------------------------------------------- what computed it */

/* Each set of version, arithmetic and decoder that a result was made by, once. */
static Status made_by(Text *out, const Record *r, Error *e)
{
    json_t *seen = json_array();
    const char *result;
    const json_t *entry;
    json_object_foreach(r->made, result, entry)
    {
        json_t *by = json_object_get(entry, "made_by");
        const json_t *one;
        size_t i;
        bool known = !by;
        json_array_foreach(seen, i, one) known |= by && json_equal(readable(one), by);
        if (known)
            continue;
        json_append(seen, json_incref(by), e);
        text_add(out, "<p>Made by mpa ", e);
        html_text(out, text_in(by, "version"), e);
        text_add(out, "; ", e);
        html_text(out, text_in(by, "arithmetic"), e);
        text_add(out, "; JPEG by ", e);
        html_text(out, text_in(by, "jpeg"), e);
        text_format(out, e, "; seed %lld.</p>\n", (long long)r->job->config.run.seed);
    }
    json_decref(seen);
    return e->status;
}

/* ----------------------------------------------------------------------------------------------- settings */

static Status keys(Text *out, const Config *c, Error *e)
{
    const char *text = "";
    text_add(
        out,
        "<table class=\"list\"><caption>every key that is not its default</caption><thead><tr><th>key</th>"
        "<th>value</th><th>default</th><th>from</th></tr></thead>\n",
        e);
    for (int i = 0; config_key(c, i, &text) && e->status == OK; i++) {
        const Key *k = config_keys + i;
        if (!strcmp(text, k->fallback) || k->field == offsetof(Config, run.dir))
            continue;
        text_format(out, e, "<tr><td><code>%s</code></td>", k->name);
        html_element(out, "td", text, e);
        html_element(out, "td", *k->fallback ? k->fallback : "none", e);
        html_element(out, "td", c->setting[i].origin, e);
        text_add(out, "</tr>\n", e);
    }
    return text_add(out, "</table>\n", e);
}

Status made_section(Text *out, const Record *r, Error *e)
{
    text_add(out, "<section>\n<h2>What it was made of</h2>\n", e);
    made_by(out, r, e);
    text_add(out,
             "<table class=\"list\"><caption>models, with a hash of all files that decide what they "
             "say</caption>\n",
             e);
    model_row(out, r, "teacher", "teacher.model", e);
    model_row(out, r, "student", "student.model", e);
    aligned_row(out, r, e);
    text_add(out, "</table>\n", e);
    keys(out, &r->job->config, e);
    return text_add(out, "</section>\n", e);
}
