/* A parameter of a model. */
#ifndef MPA_TENSOR_PARAM_H
#define MPA_TENSOR_PARAM_H

#include "kernel/weight.h"

enum { MAX_DIMS = 10 };

/* The part of the model that a parameter belongs to. Training has a learning rate for each part
 * and can freeze it. The merger joins vision to text. */
typedef enum { PART_VISION, PART_MERGER, PART_TEXT } Part;

typedef struct Lora Lora;

/* The weight's values are borrowed from the file's memory map, or from `copy`. When the
 * parameter is made trainable, they become the float32 master. */
typedef struct {
    const char *name; /* its Hugging Face name, the one it is saved under; borrowed from the checkpoint */
    Part part;
    bool unused; /* on disk, and so saved, but no part of the computation: never trained */
    bool linear; /* the weight of a product (layer/linear.c), which can have low-rank factors */
    int ndim;
    int64_t dim[MAX_DIMS];
    int64_t count; /* product of dim */
    Weight weight; /* [dim[0], the others], F32, F16 or BF16, aligned to its elements */
    Dtype stored;  /* type in the file */
    float *master; /* NULL unless trainable; the weight's data then; owned by the checkpoint */
    void *copy;    /* NULL, or a private copy, the weight's data; owned by the checkpoint */
    float *grad;   /* [count], or NULL: no gradient is wanted; owned by whoever set it */
    Lora *lora;    /* NULL: none. Low-rank factors of the weight; owned by the adapter (model/adapter.h) */
} Param;

/* Low-rank factors of a weight [O,I]: its product is y = x w^T + scale * dropout(x) A^T B^T. (Hu et al.
 * 2021, LoRA) */
struct Lora {
    Param a;       /* [R, I], further dimensions as the weight's; float32, has a master */
    Param b;       /* [O, R], further dimensions 1; float32, has a master */
    float scale;   /* alpha / R, or alpha / sqrt(R) (Adapter.rslora) */
    float dropout; /* the part of x's elements that training leaves out */
    uint64_t key;  /* of the module, for its random numbers: the hash of its name */
};

#endif
