/* The fingerprint of a checkpoint folder: the names and sizes of its files, and their bytes, of
 * large files in part. */
#include "job/fingerprint.h"

#include "base/file.h"
#include "base/folder.h"
#include "base/hash.h"
#include "base/path.h"

#include <stdlib.h>
#include <string.h>

/* Files of billions of bytes are not read as a whole: 64 pieces tell two trainings of a model
 * apart. */
static uint64_t add_file(uint64_t h, const char *path, Error *e)
{
    enum { PIECES = 64, PIECE = 4096 };
    FileMap map = {0};
    file_map(&map, path, e);
    if (map.size <= (size_t)PIECES * PIECE)
        h = hash_bytes(h, map.data, map.size);
    else
        for (size_t i = 0; i < PIECES; i++)
            h = hash_bytes(h, map.data + (map.size - PIECE) / (PIECES - 1) * i, PIECE);
    file_unmap(&map);
    return h;
}

uint64_t fingerprint_model(const char *folder, Error *e)
{
    uint64_t h = HASH_START;
    char **names;
    int64_t count;
    folder_list(&names, &count, folder, NULL, e);
    for (int64_t i = 0; i < count && e->status == OK; i++) {
        char *path = path_join(folder, names[i], e);
        const int64_t size = path ? file_size(path) : -1;
        h = hash_bytes(hash_text(h, names[i]), &size, sizeof size);
        if (size >= 0)
            h = add_file(h, path, e);
        free(path);
    }
    names_free(names, count);
    return e->status == OK ? h : 0;
}
