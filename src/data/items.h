/* Pictures and questions from folders, lists, data set files and the run's own stage files. */
#ifndef MPA_DATA_ITEMS_H
#define MPA_DATA_ITEMS_H

#include "base/json.h"
#include "config/config.h"

/* One picture, with what is known about it. */
typedef struct {
    json_t *id;      /* owned reference: number or string, as it was given */
    char *image;     /* path as it was given; owned */
    char *file;      /* where it is read from; NULL: not looked for, or not there; owned */
    char *question;  /* NULL: none; owned */
    json_t *answers; /* owned reference: list of strings, or NULL */
    bool present;    /* the picture was looked for and is there */
} Item;

/* Owned: items_free. A zeroed one is empty. */
typedef struct {
    Item *item;
    int64_t count, capacity, missing;
} Items;
void items_free(Items *items);

/* The unlabeled pictures of [data]: images, image_root, image_map, missing, limit, shard. */
Status items_load_images(Items *items, const Config *c, Error *e);
/* The labelled questions of [evaluate]; pictures are not looked for. */
Status items_load_questions(Items *items, const Config *c, Error *e);
/* Fills in file, present and missing. A picture that is not there or does not lie below the root
 * is BAD_INPUT, unless it is missing and data.missing = skip. */
Status items_find_pictures(Items *items, const Config *c, bool evaluation, Error *e);
/* Warns of each missing picture by name, and how many there are. */
void items_list_missing(const Items *items, const Log *l, const char *stage);

/* The file that a picture path of the run stands for, checked to lie below the root ([data] or,
 * with `evaluation`, [evaluate]); owned by the caller. NULL with e clean and *missing set: not
 * there, and data.missing = skip. */
char *picture_file(const Config *c, bool evaluation, const char *image, bool *missing, Error *e);

/* The most frequent of the answers, the first of equals; "" for none. Borrowed. */
const char *most_frequent(const json_t *answers);
/* An id as text: the number's digits or the string. Appended to out. */
bool id_text(Text *out, const json_t *id, Error *e);

#endif
