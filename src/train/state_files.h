/* The files of one state's values: FOLDER/{master,mean,square}.safetensors, each with one tensor for every
 * trained parameter, under its name. They are written and read from the first value to the last, all three at
 * the same time, so that no state needs to be in memory as a whole. */
#ifndef MPA_TRAIN_STATE_FILES_H
#define MPA_TRAIN_STATE_FILES_H

#include "base/file.h"
#include "train/adamw.h"

typedef enum { STATE_MASTER, STATE_MEAN, STATE_SQUARE, STATE_KINDS } StateKind;
extern const char *const state_kind_name[STATE_KINDS];
enum { STATE_HASH = 17 }; /* 16 hexadecimal digits and a NUL */

/* The path of a file; owned by the caller: free(). */
char *state_file(const char *folder, StateKind kind, Error *e);

/* Owned: state_files_end, which is called after a failure too. */
typedef struct {
    FileWriter file[STATE_KINDS];
    unsigned char *piece; /* owned */
    char hash[STATE_KINDS][STATE_HASH];
} StateWriter;
Status state_files_begin(StateWriter *w, const Optimiser *a, const char *folder, Error *e);
/* The next values of a kind. */
Status state_files_put(StateWriter *w, StateKind kind, const float *x, int64_t count, Error *e);
/* Syncs what was written; w->hash: of each file. */
Status state_files_end(StateWriter *w, Error *e);

/* Owned: state_files_close. A zeroed one may be closed. */
typedef struct {
    FileReader file[STATE_KINDS];
} StateReader;
/* BAD_INPUT: a file is not that of the parameters of *a. */
Status state_files_open(StateReader *r, const Optimiser *a, const char *folder, Error *e);
Status state_files_get(StateReader *r, StateKind kind, float *x, int64_t count, Error *e);
void state_files_close(StateReader *r);

#endif
