/* The run folder. Its files are written beside and renamed, so each is whole or not there; their
 * bytes are those of Python's json.dump, as the published code's are. */
#include "job/job.h"

#include "base/disk.h"
#include "base/file.h"
#include "base/path.h"
#include "model/adapter.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char *job_path(const Job *j, const char *name, Error *e)
{
    return path_join(j->folder, name, e);
}

enum { LONGEST_PATH = 4096 }; /* that systems open */

bool job_has(const Job *j, const char *name)
{
    char path[LONGEST_PATH];
    const int n = snprintf(path, sizeof path, "%s/%s", j->folder, name);
    return n > 0 && n < LONGEST_PATH && file_exists(path);
}

char *job_given_or_path(const Job *j, const char *given, const char *name, Error *e)
{
    return *given ? memory_copy(given, e) : job_path(j, name, e);
}

/* jansson's text with escapes in lower case and DEL escaped. */
static void as_python(Text *out, const char *json, Error *e)
{
    while (*json && e->status == OK) {
        const size_t plain = strcspn(json, "\\\x7F");
        text_add_bytes(out, json, plain, e);
        json += plain;
        if (*json == 0x7F) {
            text_add(out, "\\u007f", e);
            json++;
        } else if (*json) {
            const size_t length = json[1] == 'u' ? 6 : 2;
            for (size_t i = 0; i < length; i++) {
                const bool upper = i > 1 && json[i] >= 'A' && json[i] <= 'F';
                const char lower = (char)(upper ? json[i] + 32 : json[i]);
                text_add_bytes(out, &lower, 1, e);
            }
            json += length;
        }
    }
}

Status job_json_text(Text *out, const json_t *value, int indent, Error *e)
{
    if (e->status != OK)
        return e->status;
    const size_t flags = (size_t)JSON_INDENT(indent) | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(9);
    char *json = json_dumps(value, flags);
    if (!json)
        error_set(e, NO_MEMORY, "out of memory");
    else
        as_python(out, json, e);
    free(json);
    return text_add(out, "\n", e);
}

Status job_write_text(const Job *j, const char *name, const Text *text, Error *e)
{
    char *path = job_path(j, name, e);
    if (path)
        file_replace(path, text_string(text), text->count, e);
    free(path);
    return e->status;
}

Status job_write_json(const Job *j, const char *name, const json_t *value, int indent, Error *e)
{
    Text text = {0};
    job_json_text(&text, value, indent, e);
    job_write_text(j, name, &text, e);
    text_free(&text);
    return e->status;
}

Status job_open_json(Json *file, const char *folder, const char *name, Error *e)
{
    *file = (Json){0};
    char *path = path_join(folder, name, e);
    if (path && file_exists(path))
        json_open(file, path, JSON_DATA, e);
    free(path);
    return e->status;
}

json_t *job_read_lines(const Job *j, const char *name, Error *e)
{
    Text text = {0};
    json_t *lines = json_array();
    char *path = job_path(j, name, e);
    if (path && file_exists(path))
        file_read(&text, path, JSON_DATA, e);
    const char *p = text_string(&text);
    for (const char *end = strchr(p, '\n'); end && e->status == OK; end = strchr(p, '\n')) {
        json_error_t why;
        json_t *line = json_loadb(p, (size_t)(end - p), 0, &why);
        if (line)
            json_append(lines, line, e);
        p = end + 1;
    }
    text_free(&text);
    free(path);
    return lines;
}

Status job_cut_partial_line(const Job *j, const char *name, Error *e)
{
    Text text = {0};
    char *path = job_path(j, name, e);
    if (path && file_exists(path))
        file_read(&text, path, JSON_DATA, e);
    size_t whole = text.count;
    while (whole && text.data[whole - 1] != '\n')
        whole--;
    if (e->status == OK && whole < text.count)
        file_truncate(path, (int64_t)whole, e);
    text_free(&text);
    free(path);
    return e->status;
}

Status job_read_list(Json *list, const char *path, Error *e)
{
    *list = (Json){0};
    json_open(list, path, JSON_DATA, e);
    if (e->status == OK && !json_is_array(list->root))
        error_set(e, BAD_INPUT, "%s: wanted a list, found %s", path, json_kind(list->root));
    for (size_t i = 0; i < json_array_size(list->root) && e->status == OK; i++) {
        const json_t *o = json_array_get(list->root, i);
        if (!json_is_object(o))
            error_set(e, BAD_INPUT, "%s: entry %zu: wanted an object, found %s", path, i, json_kind(o));
    }
    return e->status;
}

Status job_open_model(const Job *j, Vlm *vlm, const char *folder, const char *adapter, Error *e)
{
    const double begin = clock_seconds();
    if (vlm_open(vlm, folder, e) != OK)
        return e->status;
    const PictureOptions options = job_picture_options(j);
    if (vlm_check_pictures(vlm, &options, e) != OK) {
        vlm_close(vlm);
        return e->status;
    }
    if (*vlm->warning)
        log_warning(&j->log, "%s", vlm->warning);
    log_detail(&j->log, "%s: opened in %.2f s", folder, clock_seconds() - begin);
    if (adapter && *adapter && adapter_load(vlm, adapter, e) != OK)
        vlm_close(vlm);
    return e->status;
}

PictureOptions job_picture_options(const Job *j)
{
    return (PictureOptions){j->config.image.min_pixels, j->config.image.max_pixels, j->config.image.published,
                            j->config.image.exif};
}

uint64_t job_memory(const Job *j)
{
    const uint64_t available = memory_available();
    const uint64_t allowed = (uint64_t)j->config.run.memory;
    return allowed && (!available || allowed < available) ? allowed : available;
}

/* NO_MEMORY "WHAT needs about N MiB of ROOM; REMEDY"; a warning with --force. */
static Status lacks(const Job *j, const char *what, int64_t need, const char *room, int64_t there,
                    const char *remedy, Error *e)
{
    const double mib = 1048576;
    char text[400];
    snprintf(text, sizeof text, "%s needs about %.0f MiB of %s, %.0f MiB are available", what,
             (double)need / mib, room, (double)there / mib);
    if (e->status != OK || !j->force)
        return error_set(e, NO_MEMORY, "%s; %s; --force starts anyway", text, remedy);
    log_warning(&j->log, "%s; continues because of --force", text);
    return OK;
}

Status job_check_disk(const Job *j, const char *folder, int64_t need, int64_t largest, const char *what,
                      Error *e)
{
    const DiskRoom room = disk_room(folder);
    if (e->status == OK && need > room.bytes)
        lacks(j, what, need, "disk space", room.bytes,
              "free some, or take another folder (run.dir, level.offload)", e);
    if (e->status == OK && largest > room.largest)
        lacks(j, what, largest, "disk space in one file", room.largest, "raise the limit (ulimit -f)", e);
    return e->status;
}

Status job_check_memory(const Job *j, int64_t need, const char *what, Error *e)
{
    const uint64_t room = job_memory(j);
    if (e->status != OK || !room || (uint64_t)need <= room)
        return e->status;
    return lacks(j, what, need, "memory", (int64_t)room, "use smaller batches or pictures", e);
}
