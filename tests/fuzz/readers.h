/* The readers of strangers' files, each as a function of bytes: for fuzzing (`make fuzz`) and for the
 * replay of golden/fuzz. A reader may accept or refuse what it is given. What it must not do ends the
 * program: a crash, a leak or another finding of the sanitizers, a status that is neither OK nor
 * BAD_INPUT, a result that breaks the reader's own promise. */
#ifndef MPA_TESTS_FUZZ_READERS_H
#define MPA_TESTS_FUZZ_READERS_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
    const char *name; /* also of its folder in golden/fuzz */
    void (*run)(const uint8_t *bytes, size_t count);
} FuzzReader;

/* Ended by one without a name. */
extern const FuzzReader fuzz_readers[];
/* NULL: none of that name. */
const FuzzReader *fuzz_reader(const char *name);

#endif
