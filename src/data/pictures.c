/* The path of a picture: OLD=NEW of image_map, then below image_root. Links are followed before the
 * check, so a link that leads outside the root is refused. Before a model is loaded every picture is
 * looked at, its header and whether something is cut off (0.5 ms for a photograph). Where pictures may be
 * skipped they are decoded too: that takes 10 ms, a hundredth of what the smallest model needs, and so a
 * stage does not stop in its middle. */
#include "data/pictures.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/path.h"
#include "image/image.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

PictureSource picture_source_data(const Config *c)
{
    return (PictureSource){c->data.image_root, c->data.images, c->data.image_map,
                           c->data.missing == MISSING_SKIP, false};
}

PictureSource picture_source_questions(const Config *c)
{
    const char *own = c->evaluate.image_root;
    return (PictureSource){*own ? own : c->data.image_root, c->evaluate.questions, c->data.image_map,
                           c->data.missing == MISSING_SKIP, false};
}

char *picture_root(const PictureSource *s, Error *e)
{
    if (*s->root || !*s->source)
        return memory_copy(*s->root ? s->root : ".", e);
    return file_is_folder(s->source) ? memory_copy(s->source, e) : path_folder(s->source, e);
}

/* The path with the first OLD=NEW that fits applied. Owned; NULL after a failure. */
static char *mapped(const char *map, const char *image, Error *e)
{
    while (*map) {
        const size_t length = strcspn(map, "\n");
        const char *equals = memchr(map, '=', length);
        assert(equals); /* config/set.c saw to it */
        const size_t old = (size_t)(equals - map);
        if (old && !strncmp(image, map, old)) {
            Text t = {0};
            text_format(&t, e, "%.*s%s", (int)(length - old - 1), equals + 1, image + old);
            return t.data;
        }
        map += length;
        map += *map == '\n';
    }
    return memory_copy(image, e);
}

static Status check_picture(const char *path, bool whole, Error *e)
{
    ImageHeader header;
    Image image = {0};
    image_header(&header, path, e);
    if (whole && e->status == OK)
        image_read(&image, path, e);
    image_free(&image);
    return e->status;
}

static void note_fault(PictureFaults *f, const Error *why, Error *e)
{
    enum { NAMED = 5, ROOM = 3000 };
    f->count++;
    text_clear(&f->why);
    text_add(&f->why, why->text, e);
    if (f->count <= NAMED && f->first.count < ROOM)
        text_format(&f->first, e, "%s%s", f->first.count ? "; " : "", why->text);
}

char *picture_file(const PictureSource *s, const char *image, PictureFaults *faults, Error *e)
{
    char *root = picture_root(s, e);
    char *name = root ? mapped(s->map, image, e) : NULL;
    char *path = name ? path_join(root, name, e) : NULL;
    Error why = {0};
    bool missing = false;
    if (path && path_check_below(root, path, &missing, &why) == OK) {
        if (!s->unopened)
            check_picture(path, s->skip, &why);
        missing = why.status == BAD_INPUT;
    }
    if (why.status != OK) {
        if (missing)
            note_fault(faults, &why, e);
        else
            error_set(e, why.status, "%s", why.text);
        free(path);
        path = NULL;
    }
    free(root);
    free(name);
    return path;
}

void picture_faults_show(const PictureFaults *f, const Log *l, const char *stage)
{
    enum { SHOWN = 20 };
    if (f->count <= SHOWN)
        log_warning(l, "%s: %s; it is skipped", stage, text_string(&f->why));
    else if (f->count == SHOWN + 1)
        log_warning(l, "%s: more pictures are skipped", stage);
}

Status picture_faults_end(PictureFaults *f, const PictureSource *s, Error *e)
{
    const char *first = text_string(&f->first);
    if (e->status == OK && f->count == 1 && !s->skip)
        error_set(e, BAD_INPUT, "%s (data.missing = skip leaves it out)", first);
    else if (e->status == OK && f->count && !s->skip)
        error_set(e, BAD_INPUT, "%lld pictures cannot be read (data.missing = skip leaves them out): %s%s",
                  (long long)f->count, first, f->count > 5 ? "; ..." : "");
    text_free(&f->why);
    text_free(&f->first);
    *f = (PictureFaults){0};
    return e->status;
}
