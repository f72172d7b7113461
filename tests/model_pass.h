/* One pass of a tiny checkpoint over a case of golden/model or golden/smolvlm, as training and tracing make it: what the tests of the model share. */
#ifndef MPA_TESTS_MODEL_PASS_H
#define MPA_TESTS_MODEL_PASS_H

#include "golden.h"
#include "model_folder.h"

#include "model/vlm.h"
#include "tensor/probe.h"

enum { CASE_PICTURES = 4 };

/* A case: its golden files, the checkpoint they name, the pictures and the sample. Fails the running test on any error. */
typedef struct {
    Golden g;
    Vlm vlm;
    Picture picture[CASE_PICTURES];
    int64_t pictures;
    Sample sample;
    char folder[MODEL_FOLDER]; /* of a checkpoint changed as the case wants it; empty: none */
} Case;

/* Where ids, positions, labels and pixels come from: our own reading of pictures and text, or the golden. */
typedef enum { FROM_FILES, FROM_GOLDEN } CaseInputs;

void case_open(Case *c, const char *golden, CaseInputs inputs);
void case_close(Case *c); /* all but the golden, which golden_close closes */
bool case_has_answer(const Case *c);
bool case_is_smolvlm(const Case *c);

typedef struct {
    Arena arena;
    Error error;
    Probe probe;
    Mat *hidden;  /* [rows, D] */
    double loss;  /* 0 without an answer */
    float **grad; /* [parameters] in the checkpoint's order, or NULL */
} Pass;

/* How to run it. tape alone records and walks nothing back; gradients imply a tape. */
typedef struct {
    bool probe, tape, checkpoint, gradients;
} PassKind;

void pass_run(Pass *p, Case *c, PassKind kind);
void pass_free(Pass *p);
/* The value seen under the name; NULL: none. */
const TensorOut *pass_value(const Pass *p, const char *name);

#endif
