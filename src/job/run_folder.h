/* What the stages share: the configuration, the run folder, opening models, writing stage files. */
#ifndef MPA_JOB_RUN_FOLDER_H
#define MPA_JOB_RUN_FOLDER_H

#include "model/picture.h"
#include "config/config.h"
#include "data/items.h"

/* A run folder in use by one stage. Borrowed parts but for what stage_open allocates: stage_close. */
typedef struct {
    Log log;
    Config config;
    bool force;         /* go on although memory seems too small */
    const char *folder; /* run.dir */
    const volatile int *stop;
} Stage;

/* One stage of the run. */
typedef Status StageFunction(Stage *s, Error *e);
StageFunction stage_annotate, stage_identify, stage_level, stage_evaluate;

/* A path in the run folder; owned by the caller. */
char *stage_path(const Stage *s, const char *name, Error *e);
bool stage_has(const Stage *s, const char *name);
/* Writes a JSON value byte for byte as Python's json.dump(indent=...) does, and a line end; the
 * value is borrowed. Does nothing when e holds a failure already. */
Status stage_write_json(const Stage *s, const char *name, const json_t *value, int indent, Error *e);
/* Opens a model for the stage, with its header line and warnings. */
Status stage_open_model(const Stage *s, Vlm *vlm, const char *folder, Error *e);
PictureOptions stage_limits(const Stage *s);
/* Bytes that may be used: run.memory, or what the machine has; 0: unknown. */
uint64_t stage_memory(const Stage *s);
/* NO_MEMORY, with numbers, when `need` is more than there is (a warning with --force). */
Status stage_check_memory(const Stage *s, int64_t need, const char *what, Error *e);
/* A stage file of the run, or one given from outside: a list of objects. Owned: json_close. */
Status stage_read_list(Json *j, const char *path, Error *e);

#endif
