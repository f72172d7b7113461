/* Each stage on its own, fed the golden output of the stage before it: where golden_model_test
 * breaks, this tells whether the stage itself is wrong. The stages of the vision tower are those of
 * the family's row; the decoder's are here. */
#include "fixture/isolated.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* The golden embeddings, with the golden rows of what joins vision to text at the picture tokens. The
 * embeddings have a row for each position or, where pictures are spliced in, for each one of text. */
static Mat *text_input(Isolated *x, const char *embedded)
{
    const Sample *s = &x->c.sample;
    Mat *text = isolated_input(x, embedded);
    if (!x->c.pictures)
        return text;
    const Mat *rows = isolated_input(x, x->c.family->joined);
    Mat *all = mat_new(&x->run, s->count, text->cols);
    const size_t bytes = (size_t)text->cols * sizeof *text->data;
    const bool spliced = text->rows < s->count;
    int64_t found = 0;
    assert_non_null(all);
    for (int64_t n = 0; n < s->count; n++) {
        const bool is_picture = s->ids[n] == x->c.vlm.image;
        const Mat *from = is_picture ? rows : text;
        const int64_t row = is_picture ? found : spliced ? n - found : n;
        assert_true(row < from->rows);
        memcpy(all->data + n * all->cols, from->data + row * all->cols, bytes);
        found += is_picture;
    }
    assert_int_equal(found, rows->rows);
    return all;
}

/* The golden has so many rows of logits; the pass judges the others. */
static Mat *last_rows(Mat *m, int64_t rows)
{
    assert_true(m->rows >= rows);
    m->data += (m->rows - rows) * m->cols;
    m->rows = rows;
    return m;
}

/* The decoder's layers, its last norm, and the head. */
static void check_text(Isolated *x)
{
    const TestFamily *f = x->c.family;
    const Decoder *d = f->decoder(&x->c.vlm);
    const Sample *s = &x->c.sample;
    const int64_t start[2] = {0, s->count};
    const Rope *rope = f->rope(&x->run, &x->c.vlm, s);
    const Rows rows = {rope, {1, start}, NULL};
    char name[STAGE_NAME];
    snprintf(name, sizeof name, "%s.%s", d->name, d->shape.embedding);
    isolated_layers(x, &d->layers, &rows, text_input(x, name), name);
    isolated_check(x, f->normed, norm(&x->run, &d->norm, isolated_input(x, name)), "src/layer/rmsnorm.c");
    Mat *logits = vlm_logits(&x->run, &x->c.vlm, isolated_input(x, f->normed));
    assert_non_null(logits);
    isolated_check(x, "logits", last_rows(logits, 2), "src/model/batch.c (vlm_logits), src/tensor/gemm.c");
}

static void each_stage(void **state)
{
    Isolated x;
    isolated_open(&x, *state);
    if (x.c.pictures)
        x.c.family->isolated_vision(&x);
    check_text(&x);
    isolated_close(&x);
}

int main(void)
{
    const FamilyTest tests[] = {{"each stage alone", each_stage}};
    return run_family_tests(EACH_ISOLATED, tests, sizeof tests / sizeof *tests);
}
