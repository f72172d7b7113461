/* Instructions are recognised by their SHA-256: the published ones are not ours to ship, but a file that
 * holds one is named, so that a run says whether it is the published way. A file often has one line end
 * more than the text in the source code; that is recognised too, and said. */
#include "data/prompt.h"

#include "base/file.h"
#include "base/sha256.h"
#include "data/task.h"

#include <string.h>

enum { MAX_PROMPT = 1 << 20 };

/* More are added here. Source: the published MPA code, its literals with their indentation. */
static const struct {
    const char *hash, *name;
} published[] = {
    {"76c1224d47097c15c11ec1757d9fdf642f976a4cf766e6abc57bf1c9cfab6c4d",
     "the published one of TextVQA and ST-VQA"},
    {"5cbf5ae5e8b338a636995796afec4fcee1f89ff4c1064972c4fc8c7f5321b4e8", "the published one of ChartQA"},
    {"b32a2f461398bf8a4ab230d1ba0eb53127665e4892d2ee0c8cce0bf0a17252ee", "the published one of OK-VQA"},
};

const char *prompt_known(const char *bytes, size_t count)
{
    static const struct {
        const char *task, *name;
    } own[] = {{"textvqa", "mpa's own of textvqa and stvqa"},
               {"chartqa", "mpa's own of chartqa"},
               {"okvqa", "mpa's own of okvqa"}};
    char digits[SHA256_DIGITS];
    sha256(digits, bytes, count);
    for (size_t i = 0; i < sizeof published / sizeof *published; i++)
        if (!strcmp(published[i].hash, digits))
            return published[i].name;
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
        const char *text = task_find(own[i].task)->prompt;
        if (strlen(text) == count && !memcmp(text, bytes, count))
            return own[i].name;
    }
    return "";
}

Status prompt_read(Text *out, const char *path, Error *e)
{
    const size_t before = out->count;
    file_read(out, path, MAX_PROMPT, e);
    if (e->status == OK && out->count == before)
        error_set(e, BAD_INPUT, "%s: is empty; wanted the instruction to the annotator", path);
    if (e->status == OK && memchr(out->data + before, 0, out->count - before))
        error_set(e, BAD_INPUT, "%s: holds a NUL byte; is it a text file?", path);
    return e->status;
}

/* What is known of the instruction in a file. */
static Status describe(Text *about, const char *path, const char *bytes, size_t count, Error *e)
{
    char digits[SHA256_DIGITS];
    const bool line = count && bytes[count - 1] == '\n';
    const char *whole = prompt_known(bytes, count);
    const char *cut = line ? prompt_known(bytes, count - 1) : "";
    sha256(digits, bytes, count);
    if (*whole)
        text_format(about, e, "%s: %s", path, whole);
    else if (*cut)
        text_format(about, e, "%s: %s, with one more line end", path, cut);
    else
        text_format(about, e, "%s: none that is known (SHA-256 %.16s...)", path, digits);
    return e->status;
}

Status prompt_load(Text *out, Text *about, const Config *c, Error *e)
{
    Task task;
    const size_t before = out->count;
    task_open(&task, c, e);
    if (*c->annotate.prompt)
        prompt_read(out, c->annotate.prompt, e);
    else
        text_add(out, task.prompt, e);
    if (about && *c->annotate.prompt && e->status == OK)
        describe(about, c->annotate.prompt, out->data + before, out->count - before, e);
    else if (about)
        text_format(about, e, "that of task %s", c->data.task);
    task_close(&task);
    return e->status;
}
