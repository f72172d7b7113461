/* What tests on golden files share: opening golden/NAME.safetensors with golden/NAME.json, and a comparer that cannot be fooled by NaN.
 *
 * The unit of error of a tensor is the largest error that PyTorch's own float32 runs make against the float64 truth (golden/NAME.json); ours may be a
 * small multiple of it. Whatever is missing fails the running test at once. */
#ifndef MPA_TESTS_GOLDEN_H
#define MPA_TESTS_GOLDEN_H

#include "base/json.h"
#include "tensor/safetensors.h"

/* How many times PyTorch float32's own error ours may be: one pass; weights after training. */
extern const double golden_pass_limit, golden_training_limit;

typedef struct {
    const char *name;    /* below golden/, without ending; borrowed */
    SafeTensors tensors; /* empty where there is no such file */
    Json notes;
    double worst;     /* the largest ratio to PyTorch's error seen so far */
    char at[100];     /* the tensor it was seen in */
    double *ratio;    /* [compared], owned: one for each comparison */
    bool quiet;       /* print nothing when a comparison fails */
    int64_t compared; /* comparisons made; zero at the end is a failure */
} Golden;

void golden_open(Golden *g, const char *name);
/* Prints the worst and median ratio. Fails when nothing was compared. */
void golden_close(Golden *g);

bool golden_has(const Golden *g, const char *tensor);
const Tensor *golden_tensor(const Golden *g, const char *tensor);
double tensor_value(const Tensor *t, int64_t i);
/* Copies; owned by the caller: free(). */
float *golden_floats(const Golden *g, const char *tensor);
int32_t *golden_ints(const Golden *g, const char *tensor);

/* Numbers and strings of the notes. */
double golden_number(const Golden *g, const char *key);
const char *golden_string(const Golden *g, const char *key); /* NULL for null */
/* PyTorch float32's own error on the tensor, but at least 2e-7 of its rms and 1e-8. */
double golden_unit(const Golden *g, const char *tensor);

/* Where numbers differ most. */
typedef struct {
    double worst; /* |got - want|; infinite where one of them is not finite or the sizes differ */
    int64_t at;
} Difference;

Difference difference_of(const float *got, int64_t count, const Tensor *want);
/* The same shape, dimensions of size 1 left out? */
bool same_shape(const Tensor *want, int ndim, const int64_t *dim);

/* Each of these returns whether all is well; if not, it prints the tensor, the worst element, the limit, the ratio and the file to read (unless g is quiet).
 * got [count] against the golden tensor, at most `factor` units apart. */
bool golden_close_to(Golden *g, const char *tensor, const float *got, int64_t count, double factor, const char *read);
/* The same with the shape compared. */
bool golden_matches(Golden *g, const char *tensor, const TensorOut *got, double factor, const char *read);
/* At most factor * unit apart, whatever the notes say. */
bool golden_within(Golden *g, const char *tensor, const float *got, int64_t count, double unit, double factor, const char *read);
bool golden_ints_equal(Golden *g, const char *tensor, const int32_t *got, int64_t count, const char *read);

#endif
