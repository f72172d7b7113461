/* `mpa compare`: which tensor of two safetensors files departs first, and by how much. */
#include "command/compare.h"

#include "base/bytes.h"
#include "base/number.h"
#include "base/printable.h"
#include "base/word.h"
#include "command/command.h"
#include "tensor/safetensors.h"

#include <math.h>
#include <string.h>

enum { KIND_SIZE = SHAPE_SIZE + 20 };

typedef enum { SAME, DEPARTS, OTHER_SHAPE, OTHER_TYPE, MISSING } Verdict;

/* What came out for one tensor. */
typedef struct {
    Verdict verdict;
    double worst; /* largest |a - b|; infinite where numbers that are not finite do not agree */
    double rms;   /* of the finite numbers of a */
} Finding;

static uint64_t load_bits(const Tensor *t, int64_t i)
{
    unsigned char bytes[8] = {0};
    size_t size = dtype_size(t->dtype);
    memcpy(bytes, t->data + (size_t)i * size, size);
    return load_u64(bytes);
}

static double load_f32(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return (double)x;
}

static double load_f64(uint64_t bits)
{
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* Two's complement of `width` bits. */
static double load_signed(uint64_t bits, int width)
{
    uint64_t sign = UINT64_C(1) << (width - 1);
    return bits & sign ? -(double)((~bits & (sign - 1)) + 1) : (double)bits;
}

static bool has_values(Dtype t)
{
    return t <= BOOL;
}

static double load_value(const Tensor *t, int64_t i)
{
    uint64_t bits = load_bits(t, i);
    switch (t->dtype) {
    case F64: return load_f64(bits);
    case F32: return load_f32((uint32_t)bits);
    case F16: return (double)f16_load((uint16_t)bits);
    case BF16: return (double)bf16_load((uint16_t)bits);
    case I64:
    case I32:
    case I16:
    case I8: return load_signed(bits, dtype_bits(t->dtype));
    default: return (double)bits;
    }
}

/* |a - b|; 0 for equal infinities, infinite for NaN and for an infinity against anything else. */
static double difference(double a, double b)
{
    if (isfinite(a) && isfinite(b))
        return fabs(a - b);
    return isinf(a) && isinf(b) && (a > 0) == (b > 0) ? 0 : (double)INFINITY;
}

/* The square root of the mean square, scaled so that no square overflows. */
static double finite_rms(const Tensor *t)
{
    double largest = 0;
    double sum = 0;
    int64_t count = 0;
    for (int64_t i = 0; i < t->count; i++) {
        double v = fabs(load_value(t, i));
        if (isfinite(v) && v > largest)
            largest = v;
    }
    for (int64_t i = 0; i < t->count && largest > 0; i++) {
        double v = load_value(t, i) / largest;
        if (isfinite(v)) {
            sum += v * v;
            count++;
        }
    }
    return count ? largest * sqrt(sum / (double)count) : 0;
}

static bool same_shape(const Tensor *a, const Tensor *b)
{
    bool same = a->ndim == b->ndim;
    for (int i = 0; same && i < a->ndim; i++)
        same = a->dim[i] == b->dim[i];
    return same;
}

static Finding compare_tensors(const Tensor *a, const Tensor *b, double tolerance)
{
    if (!b)
        return (Finding){MISSING, 0, 0};
    if (!same_shape(a, b))
        return (Finding){OTHER_SHAPE, 0, 0};
    if (a->dtype != b->dtype)
        return (Finding){OTHER_TYPE, 0, 0};
    bool equal = !memcmp(a->data, b->data, a->bytes);
    if (!has_values(a->dtype))
        return (Finding){equal ? SAME : DEPARTS, equal ? 0 : (double)INFINITY, 0};
    Finding f = {SAME, 0, finite_rms(a)};
    for (int64_t i = 0; i < a->count; i++) {
        double d = difference(load_value(a, i), load_value(b, i));
        /* 64-bit integers may differ where their doubles do not. */
        if ((a->dtype == I64 || a->dtype == U64) && !(d > 0) && load_bits(a, i) != load_bits(b, i))
            d = 1;
        if (d > f.worst)
            f.worst = d;
    }
    if (!(f.worst <= tolerance * f.rms))
        f.verdict = DEPARTS;
    return f;
}

/* "F32[2,3]" */
static void print_kind(char text[KIND_SIZE], const Tensor *t)
{
    char shape[SHAPE_SIZE];
    shape_print(shape, t->ndim, t->dim, ",");
    snprintf(text, KIND_SIZE, "%s%s", dtype_name(t->dtype), shape);
}

/* Padded to `width` bytes. */
static void print_name(FILE *out, const char *name, int width)
{
    printable_printf(out, "%-*s", width, name);
}

static double relative(const Finding *f)
{
    if (f->rms > 0)
        return f->worst / f->rms;
    return f->worst > 0 ? (double)INFINITY : 0;
}

static void print_row(FILE *out, const Tensor *a, const Tensor *b, const Finding *f, int width,
                      int shape_width)
{
    char shape[KIND_SIZE];
    char other[KIND_SIZE];
    print_kind(shape, a);
    print_name(out, a->name, width);
    printable_printf(out, "  %-*s", shape_width, shape);
    if (f->verdict == MISSING) {
        printable_printf(out, "  missing in B\n");
    } else if (f->verdict == OTHER_SHAPE || f->verdict == OTHER_TYPE) {
        print_kind(other, b);
        printable_printf(out, "  %s in B\n", other);
    } else {
        printable_printf(out, "  %10.3e  %10.3e  %10.3e%s\n", f->worst, f->rms, relative(f),
                         f->verdict == SAME ? "" : "  departs");
    }
}

static void print_end(FILE *out, const Tensor *first, const Finding *f, int64_t departing, int64_t total)
{
    static const char *const what[] = {[OTHER_SHAPE] = "has another shape",
                                       [OTHER_TYPE] = "has another type",
                                       [MISSING] = "is in one file only"};
    if (!departing) {
        printable_printf(out, "no tensor departs (%lld compared)\n", (long long)total);
        return;
    }
    printable_printf(out, "%lld of %lld tensors depart; the first is ", (long long)departing,
                     (long long)total);
    print_name(out, first->name, 0);
    if (f->verdict == DEPARTS)
        printable_printf(out, ", by %.3e, %.3e of its rms\n", f->worst, relative(f));
    else
        printable_printf(out, ", which %s\n", what[f->verdict]);
}

/* The widths of the columns of names and of shapes. */
typedef struct {
    int name, shape;
} Widths;

static Widths column_widths(const SafeTensors *s)
{
    int64_t name = (int64_t)strlen("tensor");
    int64_t shape = (int64_t)strlen("type and shape");
    for (int64_t i = 0; i < s->count; i++) {
        char text[KIND_SIZE];
        print_kind(text, s->tensor + i);
        name = max_i64(name, (int64_t)strlen(s->tensor[i].name));
        shape = max_i64(shape, (int64_t)strlen(text));
    }
    return (Widths){(int)min_i64(name, 60), (int)min_i64(shape, 40)};
}

/* What departs in all of two files. */
typedef struct {
    int64_t departing, total;
    const Tensor *first; /* NULL: none departs */
    Finding found;       /* about the first */
} Summary;

static void add_finding(Summary *s, const Tensor *t, const Finding *f)
{
    s->total++;
    s->departing += f->verdict != SAME;
    if (f->verdict != SAME && !s->first) {
        s->first = t;
        s->found = *f;
    }
}

static void compare_from_a(Summary *s, const SafeTensors *a, const SafeTensors *b, double tolerance,
                           const Widths *w, FILE *out)
{
    for (int64_t i = 0; i < a->count; i++) {
        const Tensor *x = a->tensor + i;
        const Tensor *y = safetensors_find(b, x->name);
        const Finding f = compare_tensors(x, y, tolerance);
        print_row(out, x, y, &f, w->name, w->shape);
        add_finding(s, x, &f);
    }
}

static void list_only_in_b(Summary *s, const SafeTensors *a, const SafeTensors *b, const Widths *w, FILE *out)
{
    for (int64_t i = 0; i < b->count; i++) {
        const Tensor *y = b->tensor + i;
        char text[KIND_SIZE];
        if (safetensors_find(a, y->name))
            continue;
        print_kind(text, y);
        print_name(out, y->name, w->name);
        printable_printf(out, "  %-*s  missing in A\n", w->shape, text);
        add_finding(s, y, &(Finding){MISSING, 0, 0});
    }
}

static Status compare_open(const SafeTensors *a, const SafeTensors *b, double tolerance, FILE *out)
{
    const Widths w = column_widths(a);
    Summary s = {0};
    printable_printf(out, "%-*s  %-*s  %10s  %10s  %10s\n", w.name, "tensor", w.shape, "type and shape",
                     "max |A-B|", "rms A", "max / rms");
    compare_from_a(&s, a, b, tolerance, &w, out);
    list_only_in_b(&s, a, b, &w, out);
    print_end(out, s.first, &s.found, s.departing, s.total);
    return s.departing ? DIFFERENT : OK;
}

Status compare_files(const char *a, const char *b, double tolerance, FILE *out, Error *e)
{
    SafeTensors x = {0};
    SafeTensors y = {0};
    Status status = OK;
    if (e->status == OK && !(tolerance >= 0 && isfinite(tolerance)))
        error_arguments(e, "tolerance: wanted a finite number from 0 up, found %g", tolerance);
    safetensors_open(&x, a, e);
    safetensors_open(&y, b, e);
    if (e->status == OK) {
        status = compare_open(&x, &y, tolerance, out);
        if (fflush(out) || ferror(out))
            error_set(e, FAILED, "the comparison cannot be written");
    }
    safetensors_close(&x);
    safetensors_close(&y);
    return e->status == OK ? status : e->status;
}

static Status run(Invocation *in, Error *e)
{
    const char *text = NULL;
    double tolerance = 0;
    const Option options[] = {{.name = "tolerance", .takes_value = true, .value = &text}, {0}};
    options_parse(options, in->arguments, &in->count, e);
    if (e->status == OK && text && (!parse_real(text, &tolerance) || tolerance < 0))
        error_arguments(e, "--tolerance %s: wanted a number from 0 up", text);
    if (e->status == OK && in->count != 2)
        error_arguments(e, "wanted two files to compare");
    if (e->status != OK)
        return e->status;
    return compare_files(in->arguments[0], in->arguments[1], tolerance, stdout, e);
}

const Command command_compare = {"compare", run, "A.safetensors B.safetensors [--tolerance X]",
                                 "which tensor departs first, and by how much",
                                 "  --tolerance X        maximum difference allowed, as a fraction of the "
                                 "tensor's root mean square (default 0)\n"};
