/* The readers of strangers' files, each as a function of bytes: for fuzzing (`make fuzz`) and for the
 * replay of golden/fuzz. A reader may accept or refuse what it is given. What it must not do ends the
 * program: a crash, a leak or another finding of the sanitizers, a status that is neither OK nor the one of
 * a refusal, a result that breaks the reader's own promise. */
#ifndef MPA_TESTS_FUZZ_READERS_H
#define MPA_TESTS_FUZZ_READERS_H

#include "base/error.h"

typedef struct {
    const char *name; /* also of its folder in golden/fuzz */
    void (*run)(const uint8_t *bytes, size_t count);
} FuzzReader;

/* Ended by one without a name. */
extern const FuzzReader fuzz_readers[];
/* NULL: none of that name. */
const FuzzReader *fuzz_reader(const char *name);

/* A promise that must be kept: abort() where it is not. */
void demand(bool kept);
/* The status is OK or BAD_INPUT. */
void demand_verdict(const Error *e);
/* A folder of the process's own, for files; the path of NAME in it, and such a file with these bytes. Good until
 * the next call. */
const char *fuzz_path(const char *name);
const char *fuzz_file(const char *name, const uint8_t *bytes, size_t count);

/* The readers, by what they read. */
void fuzz_safetensors(const uint8_t *bytes, size_t count);
void fuzz_index(const uint8_t *bytes, size_t count);
void fuzz_config(const uint8_t *bytes, size_t count);
void fuzz_preprocessor(const uint8_t *bytes, size_t count);
void fuzz_tokenizer(const uint8_t *bytes, size_t count);
void fuzz_sentencepiece(const uint8_t *bytes, size_t count);
void fuzz_tiktoken(const uint8_t *bytes, size_t count);
void fuzz_text(const uint8_t *bytes, size_t count);
void fuzz_picture(const uint8_t *bytes, size_t count);
void fuzz_dataset(const uint8_t *bytes, size_t count);
void fuzz_ini(const uint8_t *bytes, size_t count);
void fuzz_reply(const uint8_t *bytes, size_t count);
void fuzz_journal(const uint8_t *bytes, size_t count);
void fuzz_state(const uint8_t *bytes, size_t count);

#endif
