/* Pictures, with what is known about each: from folders, lists and data set files. */
#ifndef MPA_DATA_ITEMS_H
#define MPA_DATA_ITEMS_H

#include "base/json.h"
#include "data/pictures.h"
#include "data/task.h"

/* One picture, or one question about one. */
typedef struct {
    json_t *id;      /* number or string, as it was given; owned reference */
    char *image;     /* path as it was given; owned */
    char *file;      /* where it is read from; NULL: not looked for, or not there; owned */
    char *question;  /* NULL: none; owned */
    json_t *answers; /* list of strings, or NULL; owned reference */
} Item;

/* Owned: items_free. A zeroed one is empty. */
typedef struct {
    Item *item;
    int64_t count, capacity;
    int64_t missing; /* pictures that were looked for and are not there */
} Items;
void items_free(Items *items);
/* Appends an item; the references id and answers are taken over, also after a failure. BAD_INPUT: the
 * picture's name is not UTF-8. */
Status items_add(Items *items, json_t *id, const char *image, const char *question, json_t *answers,
                 Error *e);

/* The unlabeled pictures of [data]: images, limit, shard, and each one's file. */
Status items_load_images(Items *items, const Config *c, Error *e);
/* The labelled questions of [evaluate]; no picture is looked for. */
Status items_load_questions(Items *items, const Config *c, Error *e);
/* Fills in each item's file and counts those that are missing (picture_file). */
Status items_find_pictures(Items *items, const PictureSource *source, Error *e);
/* Warns of each missing picture by name, and how many there are. */
void items_list_missing(const Items *items, const Log *l, const char *stage);

/* Appends an id as text: the number's digits, or the string. */
Status id_text(Text *out, const json_t *id, Error *e);

/* The entries of a data set file, laid out as the task says (dataset.c). */
Status dataset_load(Items *items, const Task *task, Split split, const char *path, Error *e);

#endif
