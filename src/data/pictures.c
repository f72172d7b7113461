/* The path of a picture: OLD=NEW of image_map, then below image_root. Links are followed before the
 * check, so a link that leads outside the root is refused. */
#include "data/pictures.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/path.h"

#include <stdlib.h>
#include <string.h>

PictureSource picture_source_data(const Config *c)
{
    return (PictureSource){c->data.image_root, c->data.images, c->data.image_map,
                           c->data.missing == MISSING_SKIP};
}

PictureSource picture_source_questions(const Config *c)
{
    const char *own = c->evaluate.image_root;
    return (PictureSource){*own ? own : c->data.image_root, c->evaluate.questions, c->data.image_map,
                           c->data.missing == MISSING_SKIP};
}

/* Owned; NULL without memory. */
static char *root_of(const PictureSource *s, Error *e)
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
        const size_t old = equals ? (size_t)(equals - map) : 0;
        if (!equals) {
            error_set(e, BAD_USAGE, "data.image_map = %.*s: wanted OLD=NEW", (int)length, map);
            return NULL;
        }
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

char *picture_file(const PictureSource *s, const char *image, bool *missing, Error *e)
{
    char *root = root_of(s, e);
    char *name = root ? mapped(s->map, image, e) : NULL;
    char *path = name ? path_join(root, name, e) : NULL;
    Error why = {0};
    *missing = false;
    if (path && path_check_below(root, path, missing, &why) != OK) {
        *missing = *missing && s->skip_missing;
        if (!*missing)
            error_set(e, why.status, "%s", why.text);
        free(path);
        path = NULL;
    }
    free(root);
    free(name);
    return path;
}
