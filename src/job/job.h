/* A command at work in a run folder: its configuration, its messages, its files, and how much
 * memory it may use. */
#ifndef MPA_JOB_JOB_H
#define MPA_JOB_JOB_H

#include "base/json.h"
#include "config/config.h"
#include "model/picture.h"

/* A model elsewhere, asked by files (exchange.h). */
typedef struct {
    const char *export_path, *import_path; /* NULL: none */
    const char *model;                     /* its name in requests; NULL: "MODEL" */
    bool paths;                            /* requests name their pictures, and do not hold them */
    bool student;                          /* it stands for the student, not the teacher */
} Exchange;

typedef struct Cost Cost; /* cost.h */

/* Borrowed parts, but for the configuration, which its owner frees. */
typedef struct {
    Log log;
    Config config;
    const char *version; /* of the program; NULL: unknown */
    bool force;          /* go on although memory seems too small */
    const char *redo;    /* name of the stage to do anew, or "all"; NULL: none */
    json_t *hashes;      /* of files read so far (fingerprint.h); NULL: they are not kept */
    const char *folder;  /* run.dir */
    Exchange exchange;
    const volatile int *stop;
    Cost *cost; /* NULL: what the work costs is not recorded */
} Job;

/* A path in the run folder; owned by the caller. */
char *job_path(const Job *j, const char *name, Error *e);
/* Whether it is there. Takes no memory, and so cannot fail. */
bool job_has(const Job *j, const char *name);
/* The file that stands for `name`: `given`, a path of the configuration, or where that is empty the
 * one in the run folder. Owned by the caller. */
char *job_given_or_path(const Job *j, const char *given, const char *name, Error *e);
/* Appends a JSON value byte for byte as Python's json.dump(indent=...) writes it, and a line end. */
Status job_json_text(Text *out, const json_t *value, int indent, Error *e);
/* The file NAME of the run folder with these bytes. */
Status job_write_text(const Job *j, const char *name, const Text *text, Error *e);
/* Both. The value is borrowed. */
Status job_write_json(const Job *j, const char *name, const json_t *value, int indent, Error *e);
/* A JSON file of a run folder; its root is NULL where there is none. Owned: json_close, also after a failure. */
Status job_open_json(Json *file, const char *folder, const char *name, Error *e);
/* The lines of a JSONL file of the run folder that are JSON; an empty list where there is no file.
 * Owned reference. */
json_t *job_read_lines(const Job *j, const char *name, Error *e);
/* Takes away what a kill has left of a line at the end of a JSONL file of the run folder, so that it can be added
 * to. */
Status job_cut_partial_line(const Job *j, const char *name, Error *e);
/* A stage file, of the run or given: a list of objects. Owned: json_close, also after a failure. */
Status job_read_list(Json *list, const char *path, Error *e);

/* Opens a model, with an adapter where that is neither NULL nor "", and shows its warnings.
 * BAD_USAGE: its family cannot keep the limits of [image]. */
Status job_open_model(const Job *j, Vlm *vlm, const char *folder, const char *adapter, Error *e);
PictureOptions job_picture_options(const Job *j);
/* Bytes that may be used: run.memory, or what the machine has; 0: unknown. */
uint64_t job_memory(const Job *j);
/* NO_MEMORY, with numbers, when the disk of `folder` has less room than `need`, or a file may not
 * have `largest` bytes (a warning with --force). */
Status job_check_disk(const Job *j, const char *folder, int64_t need, int64_t largest, const char *what,
                      Error *e);
/* NO_MEMORY, with numbers, when `need` is more than there is (a warning with --force). */
Status job_check_memory(const Job *j, int64_t need, const char *what, Error *e);

#endif
