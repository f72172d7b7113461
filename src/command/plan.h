/* What a run will read and need, found out before it starts. plan.c puts it together, plan_try.c tries
 * the first stages on a few pictures, plan_pictures.c looks at the pictures, plan_speed.c measures a model,
 * plan_text.c prints. Nothing is written to the disk. */
#ifndef MPA_COMMAND_PLAN_H
#define MPA_COMMAND_PLAN_H

#include "data/items.h"
#include "mpa/pairs.h"
#include "mpa/stage.h"
#include "train/train.h"

/* ---------------------------------------------------------------------------- plan_pictures.c */

typedef struct {
    int64_t readable, skipped; /* pictures of data.images; skipped: missing, or cannot be read */
    int64_t foreign;           /* files of a folder in formats that are not read */
    int64_t turned;            /* that EXIF data say to turn; -1: not looked for */
    int64_t duplicates;        /* with the bytes of another; -1: not looked for */
} PlanPictures;

/* The pictures of [data]; `read`: each is read, to compare its bytes and look at its EXIF data. */
Status plan_pictures(PlanPictures *p, const Job *j, const Items *items, bool read, Error *e);

/* Tokens that a picture takes in the text: of some pictures from all over the list. */
typedef struct {
    int64_t looked, least, median, most;
} PlanTokens;
Status plan_tokens(PlanTokens *t, const Vlm *vlm, const PictureOptions *o, char *const *files, int64_t count,
                   Error *e);

/* ------------------------------------------------------------------------------- plan_speed.c */

/* How a model answers questions about pictures on this machine. */
typedef struct {
    double seconds;  /* per answer; below 0: not measured */
    int64_t group;   /* questions that it answers at a time */
    int64_t bytes;   /* of memory for such a group, the mapped weights aside */
    int64_t answers; /* that were given to find out */
} PlanSpeed;
enum { PLAN_MOST = 64 };

/* Group and memory for questions like q. */
Status plan_group(PlanSpeed *s, const Job *j, const Vlm *vlm, const Question *q, int64_t max_new_tokens,
                  Error *e);
/* And the seconds: asks as many of q[count] as a few seconds allow, at least one. said[PLAN_MOST]: the
 * answers, owned by the caller, NULL where none was given. */
Status plan_speed(PlanSpeed *s, const Job *j, const Vlm *vlm, const Question *q, int64_t count,
                  int64_t max_new_tokens, char **said, Error *e);

/* ------------------------------------------------------------------------------------- plan.c */

/* A picture on which the first stages are tried. Owned. */
typedef struct {
    char *file, *question, *answer;
    char *said[ANSWERERS];
} PlanTry;

/* A line of the table: a part of the run that is still to be done. */
typedef struct {
    const char *name;
    char work[200];
    double seconds;        /* below 0: not known */
    int64_t memory, least; /* bytes as it will be; below which it is refused */
    int64_t disk, largest; /* bytes in all, of the largest file */
    int64_t offload;       /* those of `disk` on another disk, that of level.offload */
} PlanRow;

typedef struct {
    Job *job;
    bool measure;
    unsigned there; /* a bit for each Result that is there and true, or was put there by hand */
    Items items;
    char **file; /* [files], of the pictures that are there; borrowed from items */
    int64_t files;
    PlanPictures pictures;
    Vlm vlm[ANSWERERS]; /* open if its folder is set and is there */
    PlanTokens tokens[ANSWERERS];
    PlanSpeed annotates, answers[ANSWERERS];
    PlanTry try[PLAN_MOST];
    int64_t tries, asked; /* annotations tried, of which `tries` hold question and answer */
    int64_t confirmed;    /* and of these the ones that were kept */
    int64_t annotations, pairs;
    bool annotations_known, pairs_known;
    PlanRow row[8];
    int rows;
    Text refused; /* lines: what the configuration lacks */
} Plan;

/* Appends the plan to *out; with `measure` also how long the stages take, which needs some seconds. in_run:
 * a run that has looked at its stages begins; nothing is said where nothing is left to do.
 * NO_MEMORY, after *out is complete, where memory or disk is too small for a part of the run (with --force
 * a warning). */
Status plan_make(Text *out, Job *j, bool measure, bool in_run, Error *e);

/* Whether a result is not made anew. */
bool plan_is_there(const Plan *p, Result r);
/* Whether the model was opened. */
bool plan_has(const Plan *p, int who);
/* plan_try.c: what a few pictures tell of the first stages: speeds, memory, how many annotations are
 * kept. */
Status plan_try(Plan *p, Error *e);
/* plan_text.c: appends the plan as a text. */
Status plan_text(const Plan *p, Text *out, Error *e);

#endif
