/* Where a picture path of a run leads: which file it names, and whether that file can be used. */
#ifndef MPA_DATA_PICTURES_H
#define MPA_DATA_PICTURES_H

#include "config/config.h"

/* How the pictures of one source are found. Borrowed from the configuration. */
typedef struct {
    const char *root;   /* all pictures lie below it; "": the folder of `source` */
    const char *source; /* the folder of pictures, or the file that names them */
    const char *map;    /* lines OLD=NEW: path prefixes to replace */
    bool skip;          /* pictures that are missing or cannot be read are left out */
    bool unopened;      /* only where they lead is asked: they are not looked at */
} PictureSource;

PictureSource picture_source_data(const Config *c);      /* of [data] */
PictureSource picture_source_questions(const Config *c); /* of [evaluate] */
/* The folder below which all pictures of the source lie. Owned by the caller; NULL after a failure. */
char *picture_root(const PictureSource *s, Error *e);

/* The pictures of a source that are missing or cannot be read. A zeroed one has none. */
typedef struct {
    int64_t count;
    Text why;   /* of the last: "FILE: reason" */
    Text first; /* of the first few, for a message */
} PictureFaults;

/* The file that the path stands for: mapped, joined to the root, checked to lie below it and to be a
 * whole picture, and where pictures are skipped to be one that can be decoded. Owned by the caller.
 * NULL with e clean: it is missing or cannot be read, which *faults has noted. BAD_INPUT: no regular
 * file, or outside the root. */
char *picture_file(const PictureSource *s, const char *image, PictureFaults *faults, Error *e);
/* Says in a warning why the last picture is skipped, of the first 20. */
void picture_faults_show(const PictureFaults *faults, const Log *l, const char *stage);
/* After the last picture: BAD_INPUT, with the first few reasons, where there were faults and the source
 * does not skip them. Frees what *faults owns. */
Status picture_faults_end(PictureFaults *faults, const PictureSource *s, Error *e);

#endif
