#include "scratch.h"

#include "base/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

void scratch_make(Scratch *s)
{
    const char *base = getenv("TMPDIR");
    snprintf(s->folder, sizeof s->folder, "%s/mpa-test-XXXXXX", base && *base ? base : "/tmp");
    if (!mkdtemp(s->folder))
        fail_msg("%s: cannot be made", s->folder);
}

void scratch_remove(Scratch *s)
{
    Error e = {0};
    if (folder_remove(s->folder, &e) != OK)
        fail_msg("%s", e.text);
}

const char *scratch_path(Scratch *s, const char *name)
{
    snprintf(s->path, sizeof s->path, "%s/%s", s->folder, name);
    return s->path;
}

const char *scratch_write(Scratch *s, const char *name, const void *bytes, size_t count)
{
    const char *path = scratch_path(s, name);
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(bytes, 1, count, f) != count || fclose(f))
        fail_msg("%s: cannot be written", path);
    return path;
}
