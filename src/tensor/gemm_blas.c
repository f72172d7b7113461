/* gemm_block by OpenBLAS. One thread per call: the callers share work out themselves. */
#include "tensor/gemm.h"

#include "base/cpu.h"
#include "base/memory.h"
#include "base/parallel.h"
#include "base/start.h"
#include "base/word.h"

#include <cblas.h>
#include <string.h>

/* What OpenBLAS takes of the address space for each thread, its buffer and a stack. Where it gets none,
 * it asks again for ever. */
static const size_t OPENBLAS_BUFFER = (size_t)138 << 20;

/* Its threads start when it is loaded, so their room is looked at before. (Elsewhere than on Linux there is no
 * place for that.) */
#if defined(__linux__) && defined(__GNUC__) && !defined(MPA_SANITIZED)
/* How many threads it starts, from its own variables. */
static int64_t openblas_threads(char *const *environment)
{
    static const char *const names[] = {"OPENBLAS_NUM_THREADS=", "GOTO_NUM_THREADS=", "OMP_NUM_THREADS="};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        for (char *const *v = environment; *v; v++) {
            int64_t count;
            if (!strncmp(*v, names[i], strlen(names[i])) && parse_integer(*v + strlen(names[i]), &count) &&
                count > 0)
                return count;
        }
    return cpu_count();
}

static void before_openblas(int argc, char **argv, char **environment)
{
    static const char *const pieces[] = {
        "too little address space for OpenBLAS, which takes about 138 MiB for each thread that it starts; "
        "raise the "
        "limit (ulimit -v), or set OPENBLAS_NUM_THREADS=1, which changes nothing else\n",
        NULL};
    (void)argc;
    (void)argv;
    const int64_t threads = openblas_threads(environment);
    if (threads > 1 && threads < 4096 && !memory_has_room((size_t)(threads - 1) * OPENBLAS_BUFFER))
        process_end(NO_MEMORY, pieces);
}

__attribute__((section(".preinit_array"), used)) static void (*const preinit)(int, char **,
                                                                              char **) = before_openblas;
#endif

void gemm_block(bool transpose_a, bool transpose_b, int64_t M, int64_t N, int64_t K, float alpha,
                const float *a, int64_t lda, const float *b, int64_t ldb, float beta, float *c, int64_t ldc)
{
    cblas_sgemm(CblasRowMajor, transpose_a ? CblasTrans : CblasNoTrans,
                transpose_b ? CblasTrans : CblasNoTrans, (blasint)M, (blasint)N, (blasint)K, alpha, a,
                (blasint)lda, b, (blasint)ldb, beta, c, (blasint)ldc);
}

Status gemm_block_start(bool used, Error *e)
{
    const int threads = parallel_threads();
    if (e->status == OK && used && !memory_has_room((size_t)threads * OPENBLAS_BUFFER))
        return error_set(
            e, NO_MEMORY,
            "too little address space for OpenBLAS, which takes %zu MiB for each of %d threads; use fewer "
            "threads (run.threads, OMP_NUM_THREADS) or raise the limit (ulimit -v)",
            OPENBLAS_BUFFER >> 20, threads);
    openblas_set_num_threads(1);
    return e->status;
}

const char *gemm_block_description(void)
{
    return openblas_get_config();
}
