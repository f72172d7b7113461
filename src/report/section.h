/* The sections of the page, one file each. A section that has nothing to show writes nothing. */
#ifndef MPA_REPORT_SECTION_H
#define MPA_REPORT_SECTION_H

#include "data/pictures.h"
#include "image/image.h"
#include "report/html.h"
#include "report/record.h"

typedef Status Section(Text *out, const Record *r, Error *e);

Section outcome_section;  /* did it work: one sentence, a table, the same as bars */
Section funnel_section;   /* from pictures to kept pairs, and why the others went */
Section learned_section;  /* test questions before and after, by kind */
Section training_section; /* loss, learning rate and gradient norm over steps */
Section looked_section;   /* heat maps of some kept pairs */
Section gallery_section;  /* some of each kind with their pictures */
Section list_section;     /* all of them, in words */
Section cost_section;     /* seconds, tokens, memory of each stage */
Section made_section;     /* models, versions, settings */

/* Two or more runs beside each other. */
Status versus_section(Text *out, const Record *records, int count, Error *e);

extern const char *const page_style[]; /* CSS, in pieces, ended by NULL */

enum { THUMBNAIL = 240 }; /* pixels of the longer side */
/* The picture, its longer side at most `side`; upright: turned as its EXIF data say. Owned: image_free; empty
 * where the picture is not there, or after a failure. */
Status picture_small(Image *out, const PictureSource *source, const char *image, int64_t side, bool upright,
                     Error *e);
/* An <img> of it. */
Status picture_element(Text *out, const Image *picture, const char *alt, Error *e);
/* Both; without the picture a mark in its place. What hinders is not an error, but for memory. */
Status thumbnail(Text *out, const PictureSource *source, const char *image, bool upright, Error *e);

/* A chart of one field of metrics.jsonl over the steps. */
typedef struct {
    const char *field, *title, *unit;
} Chart;
Status chart(Text *out, const json_t *steps, const Chart *c, Error *e);

/* How a test question went: bits. */
enum { WAS_RIGHT = 1, IS_RIGHT = 2, CHANGES = 4 };
extern const char *const change_name[CHANGES]; /* never, lost, learned, kept */
/* Before and after; -1: one of the two has no answer. */
int change_of(const Record *r, const char *id, Error *e);

/* A list of {"key": ..., "count": ...}, the most frequent first. */
json_t *ranking(const json_t *counts, Error *e);

/* A table of many rows, a part of which is open to the eye at a time. */
typedef struct {
    Text *out;
    const char *what, *head; /* "pictures", cells of the first row */
    int64_t count, at;       /* rows in all, and those that are there */
} Pages;
/* Before each row, and once behind the last. */
Status pages_row(Pages *p, Error *e);
Status pages_end(Pages *p, Error *e);

#endif
