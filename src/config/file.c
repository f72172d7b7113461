/* Reading the INI file through inih. Before inih sees the text, it is scanned for what inih would
 * misread in silence (long lines, indented lines, NUL bytes, semicolons in quotes), and the lines
 * that hold a key are collected, because inih does not say where a pair comes from. */
#include "config/ini.h"
#include "config/keys.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/path.h"

#include <ini.h>
#include <stdlib.h>
#include <string.h>

/* inih cuts longer lines silently, so they are refused before it sees them */
enum { MAX_LINE = 190, MAX_FILE = 1 << 20 };

/* Line numbers of the lines that inih will report, in its order. */
typedef struct {
    const char *path;
    IniTaker *take;
    void *user;
    const int *line;
    int next, lines;
    Error *error;
} Reader;

static int on_pair(void *user, const char *section, const char *key, const char *value)
{
    Reader *r = user;
    if (r->error->status != OK || r->next >= r->lines)
        return 1;
    const IniPair pair = {r->path, r->line[r->next], section, key, value};
    r->next++;
    r->take(r->user, &pair, r->error);
    return 1;
}

/* What inih takes for white space within a line, whatever the locale. */
static const char white[] = " \t\r\v\f";

/* The bytes of the line up to a comment within it, as inih sees one: a semicolon after white space. */
static size_t without_comment(const char *p, size_t n)
{
    for (size_t i = 1; i < n; i++)
        if (p[i] == ';' && strchr(white, p[i - 1]))
            return i;
    return n;
}

/* One line that is neither empty nor a comment: what is wrong with it, or NULL. */
static const char *fault_of(const char *p, size_t n)
{
    size_t own = without_comment(p, n);
    if (strchr(white, *p))
        return "the line is indented; keys start at the line's beginning";
    if (*p == '[') {
        const char *end = memchr(p, ']', own);
        size_t after = end ? (size_t)(end + 1 - p) : 0;
        if (!end)
            return "the section name lacks its ]";
        return after + strspn(end + 1, white) < own ? "nothing may follow the ] on the line" : NULL;
    }
    const char *equals = memchr(p, '=', own);
    if (!equals)
        return "wanted [section], key = value, or a comment (# or ;)";
    const char *value = equals + 1 + strspn(equals + 1, white);
    if (own < n && *value == '"' && !memchr(value + 1, '"', (size_t)(p + own - value - 1)))
        return "a semicolon after a space starts a comment, in quotes too; leave it out, or put long texts "
               "into files";
    return NULL;
}

/* Refuses what inih would misread; collects the lines that hold a key. */
static Status scan(const Text *text, const char *path, int *line, int *lines, Error *e)
{
    const char *p = text_string(text);
    *lines = 0;
    if (text->count && memchr(text->data, 0, text->count))
        return error_set(e, BAD_USAGE, "%s: holds a NUL byte; is it a text file?", path);
    if (!strncmp(p, "\xEF\xBB\xBF", 3))
        p += 3; /* a byte order mark, which inih skips as well */
    for (int number = 1; *p; number++) {
        size_t n = strcspn(p, "\n");
        size_t blank = strspn(p, white);
        if (n > MAX_LINE)
            return error_set(e, BAD_USAGE,
                             "%s:%d: the line has %zu bytes; at most %d are read (long texts go into files)",
                             path, number, n, (int)MAX_LINE);
        bool empty = blank >= n || p[blank] == '#' || p[blank] == ';';
        const char *fault = empty ? NULL : fault_of(p, n);
        if (fault)
            return error_set(e, BAD_USAGE, "%s:%d: %s", path, number, fault);
        if (!empty && *p != '[') {
            line[*lines] = number;
            ++*lines;
        }
        p += n + (p[n] == '\n');
    }
    return OK;
}

Status ini_read(const char *path, IniTaker *take, void *user, Error *e)
{
    Text text = {0};
    if (file_read(&text, path, MAX_FILE, e) == BAD_INPUT)
        e->status = BAD_USAGE; /* a wrong configuration file is wrong usage */
    int *line = memory_new((int64_t)text.count + 1, sizeof *line, e);
    if (e->status == OK) {
        Reader r = {.path = path, .take = take, .user = user, .line = line, .error = e};
        scan(&text, path, line, &r.lines, e);
        int bad = e->status == OK ? ini_parse_string(text_string(&text), on_pair, &r) : 0;
        if (bad)
            error_set(e, BAD_USAGE, "%s:%d: cannot be read as an INI file", path, bad);
    }
    free(line);
    text_free(&text);
    return e->status;
}

char *ini_unquoted(const char *value, Error *e)
{
    const size_t n = strlen(value);
    const bool quoted = n >= 2 && value[0] == '"' && value[n - 1] == '"';
    return memory_copy_bytes(value + quoted, n - 2 * quoted, e);
}

bool ini_needs_quotes(const char *value, size_t n)
{
    return n &&
           (strchr(" \t\";", value[0]) || strchr(" \t\"", value[n - 1]) || without_comment(value, n) < n);
}

/* Where the lines of a configuration go. */
typedef struct {
    Config *config;
    const char *folder; /* that relative paths start from */
} Target;

static Status set_pair(void *user, const IniPair *p, Error *e)
{
    const Target *t = user;
    return config_set(t->config, &(Place){p->file, "file", p->line, t->folder}, p->section, p->key, p->value,
                      e);
}

Status config_read_file(Config *c, const char *path, Error *e)
{
    char *folder = path_folder(path, e);
    if (folder)
        ini_read(path, set_pair, &(Target){c, strcmp(folder, ".") ? folder : ""}, e);
    free(folder);
    return e->status;
}
