/* Where a picture path of a run leads: which file it names, and whether that file may be read. */
#ifndef MPA_DATA_PICTURES_H
#define MPA_DATA_PICTURES_H

#include "config/config.h"

/* How the pictures of one source are found. Borrowed from the configuration. */
typedef struct {
    const char *root;   /* all pictures lie below it; "": the folder of `source` */
    const char *source; /* the folder of pictures, or the file that names them */
    const char *map;    /* lines OLD=NEW: path prefixes to replace */
    bool skip_missing;
} PictureSource;

PictureSource picture_source_data(const Config *c);      /* of [data] */
PictureSource picture_source_questions(const Config *c); /* of [evaluate] */

/* The file that the path stands for: mapped, joined to the root, checked to lie below it. Owned by
 * the caller. NULL with e clean and *missing set: it is not there, and such pictures are skipped.
 * BAD_INPUT: it is not there, no regular file, or outside the root. */
char *picture_file(const PictureSource *s, const char *image, bool *missing, Error *e);

#endif
