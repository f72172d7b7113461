/* Heat maps: gradient times input of each patch against PyTorch's, on the tiny checkpoints of all families;
 * and where each patch stands, by a picture whose colours tell where they stand. */
#include "fixture/model_family.h"
#include "fixture/must.h"
#include "fixture/scratch.h"

#include "base/file.h"
#include "model/family.h"
#include "model/heat.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ------------------------------------------------------------------------------ against PyTorch */

static int64_t patches_of(const Case *c)
{
    int64_t rows = 0;
    for (int64_t i = 0; i < c->pictures; i++)
        rows += c->picture[i].rows;
    return rows;
}

static void no_parameter_has_a_gradient(const Vlm *vlm)
{
    for (int64_t i = 0; i < vlm->checkpoint.params; i++)
        assert_null(vlm->checkpoint.param[i]->grad);
}

/* The heat of the case, as float32. Owned. */
static float *heat(const Case *c, bool recompute, double *loss)
{
    Error e = {0};
    const int64_t rows = patches_of(c);
    double *wide = memory_new(rows, sizeof *wide, &e);
    float *out = memory_new(rows, sizeof *out, &e);
    must(&e);
    heat_of(&c->vlm, &c->sample, recompute, wide, loss, &e);
    must(&e);
    no_parameter_has_a_gradient(&c->vlm);
    for (int64_t n = 0; n < rows; n++)
        out[n] = (float)wide[n];
    free(wide);
    return out;
}

static void as_pytorch(void **state)
{
    const FamilyGolden *f = *state;
    Case c;
    Golden g;
    case_open(&c, f->family, f->golden, FROM_FILES);
    golden_open(&g, "model/heat");
    const char *name = f->golden + strlen("family/");
    if (c.pictures && case_has_answer(&c)) {
        double loss = 0;
        double again = 0;
        const int64_t rows = patches_of(&c);
        float *kept = heat(&c, false, &loss);
        float *recomputed = heat(&c, true, &again);
        const float shown = (float)loss;
        assert_true(golden_close_to(&g, name, kept, rows, golden_pass_limit,
                                    "src/model/heat.c; src/layer/linear.c, whose x is no constant here"));
        assert_true(golden_close_to(&c.g, "loss", &shown, 1, golden_pass_limit, "src/model/loss.c"));
        assert_memory_equal(kept, recomputed, (size_t)rows * sizeof *kept);
        free(kept);
        free(recomputed);
        golden_close(&g);
    } else {
        assert_false(golden_has(&g, name));
        golden_drop(&g);
    }
    golden_drop(&c.g);
    case_close(&c);
}

/* -------------------------------------------------------------------------------- where patches are */

/* Red grows to the right, green downwards, so that a colour tells where it stands. */
static void paint(const char *path, int64_t width, int64_t height)
{
    Image im = {0};
    Text png = {0};
    Error e = {0};
    image_new(&im, width, height, &e);
    must(&e);
    for (int64_t y = 0; y < height; y++)
        for (int64_t x = 0; x < width; x++) {
            unsigned char *pixel = im.data + (y * width + x) * 3;
            pixel[0] = (unsigned char)(255 * (2 * x + 1) / (2 * width));
            pixel[1] = (unsigned char)(255 * (2 * y + 1) / (2 * height));
            pixel[2] = 200;
        }
    image_png(&png, &im, &e);
    file_replace(path, text_string(&png), png.count, &e);
    must(&e);
    text_free(&png);
    image_free(&im);
}

/* The mean of a channel over a patch. Its values are of channel 0, then 1, then 2. */
static double mean_of(const Picture *p, int64_t patch, int channel)
{
    const int64_t values = p->cols / 3;
    const float *from = p->pixels + patch * p->cols + channel * values;
    double sum = 0;
    for (int64_t i = 0; i < values; i++)
        sum += (double)from[i] / (double)values;
    return sum;
}

/* mean = part * slope + offset: what pixels are normalised with. */
typedef struct {
    double slope, offset;
} Line;

static bool is_inside(PatchPlace at)
{
    const double little = 1e-9;
    return at.left > -little && at.top > -little && at.right < 1 + little && at.bottom < 1 + little;
}

/* The patch's middle, as a part of the picture's side along which the channel grows. */
static double middle(PatchPlace at, int channel)
{
    return channel ? (at.top + at.bottom) / 2 : (at.left + at.right) / 2;
}

/* By least squares, of a picture without padding. */
static Line fitted(const Vlm *vlm, const Picture *p, int channel)
{
    double n = (double)p->rows;
    double sx = 0, sy = 0, sxx = 0, sxy = 0;
    for (int64_t k = 0; k < p->rows; k++) {
        const PatchPlace at = vlm->family->place(vlm, p, k);
        const double x = middle(at, channel);
        const double y = mean_of(p, k, channel);
        assert_true(at.right > at.left && at.bottom > at.top && is_inside(at));
        sx += x;
        sy += y;
        sxx += x * x;
        sxy += x * y;
    }
    const double slope = (n * sxy - sx * sy) / (n * sxx - sx * sx);
    assert_true(slope > 1); /* from 0 to 1 within deviations of 0.2 to 0.5 */
    return (Line){slope, (sy - slope * sx) / n};
}

/* No patch that is wholly on the picture is far from where its colour says that it is. How many there are. */
static int64_t check_axis(const Vlm *vlm, const Picture *p, int channel, Line line)
{
    const double near = 0.03;
    double worst = 0;
    int64_t inside = 0;
    for (int64_t k = 0; k < p->rows; k++) {
        const PatchPlace at = vlm->family->place(vlm, p, k);
        const double there = (mean_of(p, k, channel) - line.offset) / line.slope;
        if (is_inside(at)) {
            inside++;
            worst = fmax(worst, fabs(there - middle(at, channel)));
        }
    }
    if (!(worst < near))
        fail_msg("%s, %lld x %lld, channel %d: of %lld patches one is %.3f of the side away from its place",
                 vlm->folder, (long long)p->width, (long long)p->height, channel, (long long)inside, worst);
    return inside;
}

static void patches_stand_where_they_are_said_to(void **state)
{
    static const int64_t size[][2] = {{150, 150}, {160, 120}, {110, 200}};
    const FamilyGolden *f = *state;
    const char *const folder[] = {f->family->sharded, f->family->single};
    int64_t inside = 0; /* of pictures that are no squares */
    Scratch folder_of_pictures;
    scratch_make(&folder_of_pictures);
    const char *path = scratch_path(&folder_of_pictures, "where.png");
    for (int i = 0; i < 2; i++) {
        Vlm vlm;
        Error e = {0};
        Line line[2] = {{0}};
        vlm_open(&vlm, folder[i], &e);
        must(&e);
        for (size_t k = 0; k < sizeof size / sizeof *size; k++) {
            Picture p;
            paint(path, size[k][0], size[k][1]);
            vlm_picture(&vlm, &p, path, NULL, &e);
            must(&e);
            for (int channel = 0; channel < 2; channel++) {
                if (k == 0)
                    line[channel] = fitted(&vlm, &p, channel);
                const int64_t there = check_axis(&vlm, &p, channel, line[channel]);
                inside += k ? there : 0;
            }
            picture_free(&p);
        }
        vlm_close(&vlm);
    }
    assert_true(inside > 0);
    scratch_remove(&folder_of_pictures);
}

int main(void)
{
    const FamilyTest passes[] = {{"as PyTorch's", as_pytorch}};
    const FamilyTest places[] = {{"where patches stand", patches_stand_where_they_are_said_to}};
    int failed = run_family_tests(EACH_PASS, passes, sizeof passes / sizeof *passes);
    return failed + run_family_tests(EACH_FAMILY, places, sizeof places / sizeof *places);
}
