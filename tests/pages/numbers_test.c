/* The worked examples of src/MODEL.md: the layers run on the numbers that the page shows, and every
 * number that it gives as their result must be what they compute, to its last printed digit.
 *
 * An example is in a code block: "    NAME: key = value, ...", and goes on in lines with a larger
 * indentation. A value is a number or a matrix, [1 2; 3 4]. Inputs and results are both such pairs; one
 * that nobody asked for fails. */
#include "generate/generate.h"
#include "image/image.h"
#include "layer/layer.h"
#include "layer/lora.h"
#include "model/family.h"
#include "model/family/qwen2vl/picture.h"
#include "model/family/smolvlm/picture.h"
#include "model/block/siglip.h"
#include "model/vlm.h"
#include "train/adamw.h"
#include "train/schedule.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char page[] = "src/MODEL.md";

enum { MAX_VALUES = 24, MAX_NUMBERS = 32 };

typedef struct {
    char key[24];
    double number[MAX_NUMBERS];
    double last[MAX_NUMBERS]; /* one unit of the last digit */
    int64_t count, rows;
    bool used;
} Value;

typedef struct {
    const char *text; /* of the line, for messages */
    int line;
    Value value[MAX_VALUES];
    int values;
    Arena arena;
    Error error;
    Run run;
} Example;

/* ---------------------------------------------------------------------------------------- the page */

/* Reads a number; 10 to the power of minus its digits after the point. */
static const char *parse_number(const char *p, Value *v)
{
    char *end;
    assert_true(v->count < MAX_NUMBERS);
    v->number[v->count] = strtod(p, &end);
    assert_ptr_not_equal(p, end);
    const char *point = memchr(p, '.', (size_t)(end - p));
    v->last[v->count++] = point ? pow(10, -(double)(end - point - 1)) : 1;
    return end;
}

static const char *parse_value(const char *p, Value *v)
{
    v->rows = 1;
    if (*p != '[')
        return parse_number(p, v);
    for (p++; *p != ']';) {
        v->rows += *p == ';';
        p = *p == ' ' || *p == ';' ? p + 1 : parse_number(p, v);
    }
    return p + 1;
}

static void parse(Example *x, const char *p)
{
    while (*p) {
        while (*p && !isalpha((unsigned char)*p))
            p++;
        if (!*p)
            return;
        size_t length = strcspn(p, " ");
        assert_true(x->values < MAX_VALUES && length < sizeof x->value->key);
        Value *v = x->value + x->values++;
        memcpy(v->key, p, length);
        if (strncmp(p + length, " = ", 3))
            fail_msg("%s:%d: wanted %s = VALUE; in: %s", page, x->line, v->key, x->text);
        p = parse_value(p + length + 3, v);
    }
}

/* ---------------------------------------------------------------------------- what an example is given */

static Value *find(Example *x, const char *key)
{
    for (int i = 0; i < x->values; i++)
        if (!strcmp(x->value[i].key, key)) {
            x->value[i].used = true;
            return x->value + i;
        }
    fail_msg("%s:%d: no %s is given in: %s", page, x->line, key, x->text);
    return NULL;
}

static double number(Example *x, const char *key)
{
    return find(x, key)->number[0];
}

static int64_t integer(Example *x, const char *key)
{
    return (int64_t)number(x, key);
}

static float *floats(Example *x, const char *key)
{
    const Value *v = find(x, key);
    float *out = arena_alloc(&x->arena, v->count, sizeof *out, &x->error);
    assert_non_null(out);
    for (int64_t i = 0; i < v->count; i++)
        out[i] = (float)v->number[i];
    return out;
}

static int32_t *ids(Example *x, const char *key)
{
    const Value *v = find(x, key);
    int32_t *out = arena_alloc(&x->arena, v->count, sizeof *out, &x->error);
    assert_non_null(out);
    for (int64_t i = 0; i < v->count; i++)
        out[i] = (int32_t)v->number[i];
    return out;
}

static int64_t *indices(Example *x, const char *key)
{
    const Value *v = find(x, key);
    int64_t *out = arena_alloc(&x->arena, v->count, sizeof *out, &x->error);
    assert_non_null(out);
    for (int64_t i = 0; i < v->count; i++)
        out[i] = (int64_t)v->number[i];
    return out;
}

static Mat *mat(Example *x, const char *key)
{
    const Value *v = find(x, key);
    Mat *m = mat_new(&x->run, v->rows, v->count / v->rows);
    assert_non_null(m);
    memcpy(m->data, floats(x, key), (size_t)v->count * sizeof *m->data);
    return m;
}

static Param *param(Example *x, const char *key)
{
    const Value *v = find(x, key);
    Param *p = arena_zero(&x->arena, 1, sizeof *p, &x->error);
    assert_non_null(p);
    p->ndim = v->rows > 1 ? 2 : 1;
    p->dim[0] = v->rows > 1 ? v->rows : v->count;
    p->dim[1] = v->count / v->rows;
    p->count = v->count;
    p->weight = (Weight){.data = floats(x, key), .type = F32, .stride = v->rows > 1 ? p->dim[1] : 1};
    p->grad = arena_zero(&x->arena, v->count, sizeof *p->grad, &x->error);
    assert_non_null(p->grad);
    return p;
}

/* --------------------------------------------------------------------------------- what comes out of it */

static void check(Example *x, const char *key, const float *got, int64_t count)
{
    const Value *v = find(x, key);
    if (v->count != count)
        fail_msg("%s:%d: %s has %lld numbers, computed are %lld", page, x->line, key, (long long)v->count,
                 (long long)count);
    for (int64_t i = 0; i < count; i++) {
        double far = fabs((double)got[i] - v->number[i]), limit = 0.5 * v->last[i] + 3e-7;
        bool same = isinf(v->number[i]) ? (double)got[i] <= v->number[i] : far <= limit;
        if (!same)
            fail_msg("%s:%d: %s number %lld is %.9g, the page says %g; in: %s", page, x->line, key,
                     (long long)i, (double)got[i], v->number[i], x->text);
    }
}

static void check_ints(Example *x, const char *key, const int64_t *got, int64_t count)
{
    float *wide = arena_alloc(&x->arena, count, sizeof *wide, &x->error);
    assert_non_null(wide);
    for (int64_t i = 0; i < count; i++)
        wide[i] = (float)got[i];
    check(x, key, wide, count);
}

/* y as the page has it; then back, from dy as the page has it. */
static void check_layer(Example *x, Mat *y, const char *name, const char *gradient)
{
    if (!y)
        fail_msg("%s:%d: %s", page, x->line, x->error.text);
    check(x, name, mat_values(&x->run, y), y->rows * y->cols);
    float *dy = mat_grad(&x->run, y);
    assert_non_null(dy);
    memcpy(dy, floats(x, gradient), (size_t)(y->rows * y->cols) * sizeof *dy);
    run_backward(&x->run);
    assert_int_equal(x->error.status, OK);
}

static void check_grad(Example *x, const char *key, Mat *m)
{
    check(x, key, mat_grad(&x->run, m), m->rows * m->cols);
}

/* ------------------------------------------------------------------------------------------- the layers */

static void example_linear(Example *x)
{
    Mat *m = mat(x, "x");
    Linear l = {param(x, "w"), param(x, "b")};
    check_layer(x, linear(&x->run, &l, m), "y", "dy");
    check_grad(x, "dx", m);
    check(x, "dw", l.weight->grad, l.weight->count);
    check(x, "db", l.bias->grad, l.bias->count);
}

static void example_lora(Example *x)
{
    Linear l = {param(x, "w"), param(x, "b")};
    Lora *lora = arena_zero(&x->arena, 1, sizeof *lora, &x->error);
    lora->a = *param(x, "A");
    lora->b = *param(x, "B");
    lora->scale = (float)number(x, "scale");
    l.weight->lora = lora;
    Mat *m = mat(x, "x");
    float *y = arena_zero(&x->arena, l.weight->dim[0], sizeof *y, &x->error);
    float *u = arena_zero(&x->arena, lora->a.dim[0], sizeof *u, &x->error);
    lora_fwd(&x->run, y, u, lora, m->data, 0, 1);
    check(x, "u", u, lora->a.dim[0]);
    check_layer(x, linear(&x->run, &l, m), "y", "dy");
    check_grad(x, "dx", m);
    check(x, "dA", lora->a.grad, lora->a.count);
    check(x, "dB", lora->b.grad, lora->b.count);
}

static void example_add(Example *x)
{
    Mat *a = mat(x, "a"), *b = mat(x, "b");
    check_layer(x, add(&x->run, a, b), "y", "dy");
    check_grad(x, "da", a);
    check_grad(x, "db", b);
}

static void example_embedding(Example *x)
{
    Param *table = param(x, "table");
    check_layer(x, embedding(&x->run, table, ids(x, "ids"), find(x, "ids")->count), "y", "dy");
    check(x, "dtable", table->grad, table->count);
}

static void example_rmsnorm(Example *x)
{
    Mat *m = mat(x, "x");
    RmsNorm l = {param(x, "w"), (float)number(x, "eps")};
    check_layer(x, rmsnorm(&x->run, &l, m), "y", "dy");
    check_grad(x, "dx", m);
    check(x, "dw", l.weight->grad, l.weight->count);
}

static void example_layernorm(Example *x)
{
    Mat *m = mat(x, "x");
    LayerNorm l = {param(x, "w"), param(x, "b"), (float)number(x, "eps")};
    check_layer(x, layernorm(&x->run, &l, m), "y", "dy");
    check_grad(x, "dx", m);
    check(x, "dw", l.weight->grad, l.weight->count);
    check(x, "db", l.bias->grad, l.bias->count);
}

static void example_rope(Example *x)
{
    Mat *m = mat(x, "x");
    RotaryRule rule = {.head = m->cols, .turned = m->cols, .theta = number(x, "theta"), .scale = 1};
    int32_t position = (int32_t)integer(x, "position");
    check_layer(x, rope(&x->run, rope_table(&x->run, &rule, &position, 1), m), "y", "dy");
    check_grad(x, "dx", m);
}

static void example_attention(Example *x)
{
    Mat *q = mat(x, "q"), *k = mat(x, "k"), *v = mat(x, "v");
    int64_t heads = integer(x, "heads"), E = q->cols / heads, start[] = {0, q->rows};
    Attention a = {heads, k->cols / E, E, (float)(1 / sqrt((double)E)), true};
    Seqs seqs = {1, start};
    check_layer(x, attention(&x->run, &a, q, k, v, &seqs, NULL, 0), "o", "do");
    check_grad(x, "dq", q);
    check_grad(x, "dk", k);
    check_grad(x, "dv", v);
}

static void activation(Example *x, Mat *(*f)(Run *, Mat *))
{
    Mat *m = mat(x, "x");
    check_layer(x, f(&x->run, m), "y", "dy");
    check_grad(x, "dx", m);
}

static void example_gelu(Example *x)
{
    activation(x, gelu);
}

static void example_gelu_tanh(Example *x)
{
    activation(x, gelu_tanh);
}

static void example_quick_gelu(Example *x)
{
    activation(x, quick_gelu);
}

static void example_swiglu(Example *x)
{
    Mat *gate = mat(x, "gate"), *up = mat(x, "up");
    check_layer(x, swiglu(&x->run, gate, up), "y", "dy");
    check_grad(x, "dgate", gate);
    check_grad(x, "dup", up);
}

static void example_split_columns(Example *x)
{
    Mat *m = mat(x, "x");
    check_layer(x, split_columns(&x->run, m, integer(x, "groups"), integer(x, "first"), integer(x, "width")),
                "y", "dy");
    check_grad(x, "dx", m);
}

static void example_scale_columns(Example *x)
{
    Mat *m = mat(x, "x");
    Param *s = param(x, "s");
    check_layer(x, scale_columns(&x->run, s, m), "y", "dy");
    check_grad(x, "dx", m);
    check(x, "ds", s->grad, s->count);
}

static void example_merge_rows(Example *x)
{
    Mat *m = mat(x, "x");
    check_layer(x, merge_rows(&x->run, m, integer(x, "group")), "y", "dy");
    check_grad(x, "dx", m);
}

static void example_join_rows(Example *x)
{
    Mat *parts[] = {mat(x, "a"), mat(x, "b")};
    check_layer(x, join_rows(&x->run, parts, 2), "y", "dy");
    check_grad(x, "da", parts[0]);
    check_grad(x, "db", parts[1]);
}

static void example_gather_rows(Example *x)
{
    Mat *m = mat(x, "x");
    check_layer(x, gather_rows(&x->run, m, indices(x, "at"), find(x, "at")->count), "y", "dy");
    check_grad(x, "dx", m);
}

static void example_scatter_rows(Example *x)
{
    Mat *m = mat(x, "x"), *rows = mat(x, "rows");
    check_layer(x, scatter_rows(&x->run, m, rows, indices(x, "at")), "y", "dy");
    check_grad(x, "dx", m);
    check_grad(x, "drows", rows);
}

static void example_head_cross_entropy(Example *x)
{
    Mat *h = mat(x, "h");
    Linear head = {param(x, "w"), NULL};
    double loss = 0;
    assert_true(head_cross_entropy(&x->run, &head, h, ids(x, "label"), number(x, "scale"), NULL, &loss));
    check(x, "loss", &(float){(float)loss}, 1);
    check_grad(x, "dh", h);
    check(x, "dw", head.weight->grad, head.weight->count);
}

/* ----------------------------------------------------------------- pictures, positions, tokens, training */

static void resize(Example *x, Filter filter)
{
    const Value *v = find(x, "in");
    unsigned char in[3 * MAX_NUMBERS];
    for (int64_t i = 0; i < 3 * v->count; i++)
        in[i] = (unsigned char)v->number[i / 3];
    Image out, row = {v->count, 1, in};
    int64_t width = integer(x, "width"), got[MAX_NUMBERS];
    assert_int_equal(image_resize(&out, &row, width, 1, filter, &x->error), OK);
    for (int64_t i = 0; i < width; i++)
        got[i] = out.data[3 * i];
    image_free(&out);
    check_ints(x, "out", got, width);
}

static void example_bicubic(Example *x)
{
    resize(x, BICUBIC);
}

static void example_lanczos(Example *x)
{
    resize(x, LANCZOS);
}

static void example_normalise(Example *x)
{
    float mean = (float)number(x, "mean"), std = (float)number(x, "std");
    Normalise n = {.rescale = number(x, "rescale"), .mean = {mean, mean, mean}, .std = {std, std, std}};
    check(x, "y", &(float){normalise(&n, (unsigned char)integer(x, "value"), 1)}, 1);
}

static void example_smart_resize(Example *x)
{
    int64_t size[] = {integer(x, "height"), integer(x, "width")};
    const PixelLimits limits = {integer(x, "min_pixels"), integer(x, "max_pixels")};
    qwen2vl_smart_resize(size, size + 1, integer(x, "unit"), &limits, false, &x->error);
    assert_int_equal(x->error.status, OK);
    check_ints(x, "out", size, 2);
}

static void example_first_size(Example *x)
{
    int64_t size[] = {integer(x, "height"), integer(x, "width")};
    smolvlm_first_size(size, size + 1, integer(x, "longest_edge"));
    check_ints(x, "out", size, 2);
}

static void example_tiled_size(Example *x)
{
    int64_t size[] = {integer(x, "height"), integer(x, "width")};
    smolvlm_tiled_size(size, size + 1, integer(x, "tile"));
    check_ints(x, "out", size, 2);
}

static void example_buckets(Example *x)
{
    int32_t bucket[MAX_NUMBERS];
    int64_t count = integer(x, "count"), got[MAX_NUMBERS];
    assert_true(count <= MAX_NUMBERS);
    siglip_buckets(bucket, count, integer(x, "side"));
    for (int64_t i = 0; i < count; i++)
        got[i] = bucket[i];
    check_ints(x, "b", got, count);
}

/* Text, a picture of the grid in 2x2 blocks, text. */
static void example_positions(Example *x)
{
    Vlm vlm = {0};
    assert_int_equal(vlm_open(&vlm, "weights/tiny-qwen2vl-a", &x->error), OK);
    int64_t before = integer(x, "before"), after = integer(x, "after");
    const int64_t *grid = indices(x, "grid");
    Picture picture = {.grid = {grid[0], grid[1], grid[2]}, .tokens = grid[0] * grid[1] * grid[2] / 4};
    int64_t count = before + picture.tokens + after, got[3][MAX_NUMBERS];
    assert_true(count <= MAX_NUMBERS);
    int32_t id[MAX_NUMBERS] = {0}, position[3 * MAX_NUMBERS];
    for (int64_t i = 0; i < picture.tokens; i++)
        id[before + i] = vlm.image;
    Sample s = {.ids = id, .position = position, .count = count, .pictures = &picture, .n_pictures = 1};
    assert_int_equal(vlm.family->positions(&vlm, &s, &x->error), OK);
    for (int64_t i = 0; i < 3 * count; i++)
        got[i / count][i % count] = position[i];
    check_ints(x, "t", got[0], count);
    check_ints(x, "h", got[1], count);
    check_ints(x, "w", got[2], count);
    check_ints(x, "next", &(int64_t){s.next_position}, 1);
    vlm_close(&vlm);
}

static void example_filter_logits(Example *x)
{
    const Value *v = find(x, "seen");
    bool seen[MAX_NUMBERS];
    for (int64_t i = 0; i < v->count; i++)
        seen[i] = v->number[i] > 0;
    float *z = floats(x, "z");
    GenerationConfig g = {.do_sample = true,
                          .temperature = number(x, "temperature"),
                          .top_k = integer(x, "top_k"),
                          .top_p = number(x, "top_p"),
                          .repetition_penalty = number(x, "c")};
    void *scratch = arena_alloc(&x->arena, filter_scratch_bytes(v->count), 1, &x->error);
    assert_non_null(scratch);
    filter_logits(z, v->count, &g, seen, scratch);
    check(x, "out", z, v->count);
}

static void example_adamw(Example *x)
{
    int64_t n = find(x, "p")->count;
    float *p = floats(x, "p"), m[MAX_NUMBERS] = {0}, v[MAX_NUMBERS] = {0};
    LevelConfig o = {.beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8};
    adamw_update(p, m, v, floats(x, "g"), n, 1, number(x, "rate"), number(x, "decay"), &o, integer(x, "t"));
    check(x, "p'", p, n);
    check(x, "m", m, n);
    check(x, "v", v, n);
}

static void example_schedule(Example *x)
{
    int64_t total = integer(x, "total");
    const LevelConfig o = {.schedule = SCHEDULE_COSINE,
                           .warmup_ratio = (double)integer(x, "warmup") / (double)total};
    float factor[MAX_NUMBERS];
    assert_true(total <= MAX_NUMBERS);
    for (int64_t s = 0; s < total; s++)
        factor[s] = (float)schedule_factor(&o, s, total);
    check(x, "factor", factor, total);
}

/* -------------------------------------------------------------------------------------------- the tests */

static struct {
    const char *name;
    void (*run)(Example *x);
    int seen;
} kinds[] = {
    {"linear", example_linear, 0},
    {"lora", example_lora, 0},
    {"add", example_add, 0},
    {"embedding", example_embedding, 0},
    {"rmsnorm", example_rmsnorm, 0},
    {"layernorm", example_layernorm, 0},
    {"rope", example_rope, 0},
    {"attention", example_attention, 0},
    {"gelu", example_gelu, 0},
    {"gelu_tanh", example_gelu_tanh, 0},
    {"quick_gelu", example_quick_gelu, 0},
    {"swiglu", example_swiglu, 0},
    {"scale_columns", example_scale_columns, 0},
    {"split_columns", example_split_columns, 0},
    {"merge_rows", example_merge_rows, 0},
    {"join_rows", example_join_rows, 0},
    {"gather_rows", example_gather_rows, 0},
    {"scatter_rows", example_scatter_rows, 0},
    {"head_cross_entropy", example_head_cross_entropy, 0},
    {"resize_bicubic", example_bicubic, 0},
    {"resize_lanczos", example_lanczos, 0},
    {"normalise", example_normalise, 0},
    {"smart_resize", example_smart_resize, 0},
    {"first_size", example_first_size, 0},
    {"tiled_size", example_tiled_size, 0},
    {"buckets", example_buckets, 0},
    {"positions", example_positions, 0},
    {"filter_logits", example_filter_logits, 0},
    {"adamw", example_adamw, 0},
    {"schedule", example_schedule, 0},
};
enum { KINDS = sizeof kinds / sizeof *kinds };

static void run_example(int kind, const char *text, int line)
{
    Example x = {.text = text, .line = line};
    parse(&x, strchr(text, ':') + 1);
    arena_init(&x.arena);
    x.run = (Run){.arena = &x.arena, .error = &x.error};
    x.run.tape = tape_new(&x.run);
    kinds[kind].run(&x);
    kinds[kind].seen++;
    for (int i = 0; i < x.values; i++)
        if (!x.value[i].used)
            fail_msg("%s:%d: nothing is known of %s in: %s", page, line, x.value[i].key, text);
    arena_free(&x.arena);
}

/* The kind of a line, or -1. */
static int kind_of(const char *line)
{
    size_t length = strncmp(line, "    ", 4) ? 0 : strcspn(line + 4, ":");
    for (int i = 0; i < KINDS; i++)
        if (length && strlen(kinds[i].name) == length && !strncmp(line + 4, kinds[i].name, length))
            return i;
    return -1;
}

static void every_number(void **state)
{
    (void)state;
    char line[400], text[2000] = "";
    int kind = -1, first = 0;
    FILE *f = fopen(page, "r");
    assert_non_null(f);
    for (int n = 1; fgets(line, sizeof line, f); n++) {
        line[strcspn(line, "\n")] = 0;
        if (kind >= 0 && !strncmp(line, "     ", 5)) {
            assert_true(strlen(text) + strlen(line) < sizeof text);
            strcat(text, line + 4);
            continue;
        }
        if (kind >= 0)
            run_example(kind, text, first);
        kind = kind_of(line);
        first = n;
        snprintf(text, sizeof text, "%s", kind < 0 ? "" : line + 4);
    }
    fclose(f);
    for (int i = 0; i < KINDS; i++)
        if (!kinds[i].seen)
            fail_msg("%s: has no example of %s", page, kinds[i].name);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_number)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
