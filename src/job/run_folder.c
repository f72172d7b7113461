#include "job/run_folder.h"

#include "base/file.h"
#include "base/path.h"

#include <stdlib.h>
#include <string.h>

char *stage_path(const Stage *s, const char *name, Error *e)
{
    return path_join(s->folder, name, e);
}

bool stage_has(const Stage *s, const char *name)
{
    Error e = {0};
    char *path = stage_path(s, name, &e);
    bool has = path && file_exists(path);
    free(path);
    return has;
}

/* jansson's text as Python's json.dump writes it, which the published files have: escapes in
 * lower case, DEL escaped. */
static bool as_python(Text *out, const char *json, Error *e)
{
    bool ok = true;
    while (*json && ok) {
        size_t n = strcspn(json, "\\\x7F");
        ok = text_add_bytes(out, json, n, e);
        json += n;
        if (*json == 0x7F) {
            ok = ok && text_add(out, "\\u007f", e);
            json++;
        } else if (*json) {
            size_t length = json[1] == 'u' ? 6 : 2;
            for (size_t i = 0; i < length && ok; i++) {
                char lower = (char)(i > 1 && json[i] >= 'A' && json[i] <= 'F' ? json[i] + 32 : json[i]);
                ok = text_add_bytes(out, &lower, 1, e);
            }
            json += length;
        }
    }
    return ok;
}

Status stage_write_json(const Stage *s, const char *name, const json_t *value, int indent, Error *e)
{
    if (e->status != OK)
        return e->status;
    Text text = {0};
    char *path = stage_path(s, name, e),
         *json = json_dumps(value, (size_t)JSON_INDENT(indent) | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(9));
    Status status = path && json && as_python(&text, json, e) && text_add(&text, "\n", e)
                        ? OK
                        : error_set(e, NO_MEMORY, "%s: out of memory", name);
    if (status == OK)
        status = file_replace(path, text.data, text.count, e);
    text_free(&text);
    free(path);
    free(json);
    return status;
}

Status stage_open_model(const Stage *s, Vlm *vlm, const char *folder, Error *e)
{
    double begin = clock_seconds();
    Status status = vlm_open(vlm, folder, e);
    if (status != OK)
        return status;
    if (*vlm->warning)
        log_warning(&s->log, "%s", vlm->warning);
    log_detail(&s->log, "%s: opened in %.2f s", folder, clock_seconds() - begin);
    return OK;
}

PictureOptions stage_limits(const Stage *s)
{
    return (PictureOptions){s->config.image.min_pixels, s->config.image.max_pixels,
                            s->config.image.published};
}

uint64_t stage_memory(const Stage *s)
{
    uint64_t available = memory_available(), allowed = (uint64_t)s->config.run.memory;
    return allowed && (!available || allowed < available) ? allowed : available;
}

Status stage_check_memory(const Stage *s, int64_t need, const char *what, Error *e)
{
    uint64_t room = stage_memory(s);
    double mib = 1048576;
    if (!room || (uint64_t)need <= room)
        return OK;
    if (s->force) {
        log_warning(&s->log,
                    "%s needs about %.0f MiB of memory, %.0f are available; going on because of --force",
                    what, (double)need / mib, (double)room / mib);
        return OK;
    }
    return error_set(
        e, NO_MEMORY,
        "%s needs about %.0f MiB of memory, %.0f are available; use smaller batches or pictures, or --force",
        what, (double)need / mib, (double)room / mib);
}

Status stage_read_list(Json *j, const char *path, Error *e)
{
    Status status = json_open(j, path, (size_t)1 << 30, e);
    if (status != OK)
        return status;
    if (!json_is_array(j->root))
        status = error_set(e, BAD_INPUT, "%s: wanted a list, found %s", path, json_kind(j->root));
    for (size_t i = 0; i < json_array_size(j->root) && status == OK; i++) {
        const json_t *o = json_array_get(j->root, i);
        if (!json_is_object(o))
            status =
                error_set(e, BAD_INPUT, "%s: entry %zu: wanted an object, found %s", path, i, json_kind(o));
    }
    if (status != OK)
        json_close(j);
    return status;
}
