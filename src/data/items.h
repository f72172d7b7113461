/* Pictures, with what is known about each: from folders, lists and data set files. */
#ifndef MPA_DATA_ITEMS_H
#define MPA_DATA_ITEMS_H

#include "base/json.h"
#include "data/pictures.h"
#include "data/task.h"

/* One picture, or one question about one. */
typedef struct {
    json_t *id;     /* number or string, as it was given; owned reference */
    char *image;    /* path as it was given; owned */
    char *file;     /* where it is read from; NULL: not looked for, or it cannot be read; owned */
    char *why;      /* why it cannot be read, "FILE: reason"; NULL: it was not looked for, or it can; owned */
    char *question; /* NULL: none; owned */
    json_t *answers; /* list of strings, or NULL; owned reference */
} Item;

/* Owned: items_free. A zeroed one is empty. */
typedef struct {
    Item *item;
    int64_t count, capacity;
    int64_t shared;  /* rows left out because another names the same picture */
    int64_t skipped; /* pictures that were looked for and are missing or cannot be read */
    char **foreign;  /* pictures of a folder in formats that are not read; owned */
    int64_t foreign_count, foreign_capacity;
} Items;
void items_free(Items *items);
/* Appends an item; the references id and answers are taken over, also after a failure. BAD_INPUT: the
 * picture's name is not UTF-8. */
Status items_add(Items *items, json_t *id, const char *image, const char *question, json_t *answers,
                 Error *e);

/* The unlabeled pictures of [data]: images, limit, shard, and each one's file. Of rows that name the same
 * picture the first counts: its instruction is the same. */
Status items_load_images(Items *items, const Config *c, Error *e);
/* The same list without a look at the pictures: those that are there have a file. */
Status items_name_images(Items *items, const Config *c, Error *e);
/* The labelled questions of [evaluate]; no picture is looked for. */
Status items_load_questions(Items *items, const Config *c, Error *e);
/* Fills in each item's file, or why there is none (picture_file), and counts the latter. BAD_INPUT, with
 * the first few reasons, where such pictures are not to be skipped. */
Status items_find_pictures(Items *items, const PictureSource *source, Error *e);
/* Warns of skipped pictures: the first ones with their reasons, and how many there are; and of those in
 * formats that are not read, with a command that converts them. */
void items_list_skipped(const Items *items, const Log *l, const char *stage);

/* A number or a string? */
bool id_is(const json_t *value);
/* BAD_INPUT where the question_id of entry `i` of a file is neither a number nor a string. */
Status id_check(const json_t *id, const char *path, size_t i, Error *e);
/* Appends an id as text: the number's digits, or the string. */
Status id_text(Text *out, const json_t *id, Error *e);
/* In an object whose keys are ids as text: puts a value under an id (json_put: takes the reference, of NULL too),
 * and finds the one that is there, or NULL. Borrowed. */
Status id_put(json_t *object, const json_t *id, json_t *value, Error *e);
json_t *id_get(const json_t *object, const json_t *id);

/* The entries of a data set file (dataset.c). Of a test set each must have question and answers. */
Status dataset_load(Items *items, const Task *task, Split split, const char *path, Error *e);

#endif
