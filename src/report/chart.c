/* A line over the steps of the training. Many steps are put together: the line is their mean, the area behind
 * it reaches from their lowest to their highest value. */
#include "report/section.h"

#include "base/memory.h"
#include "base/number.h"

#include <math.h>
#include <stdlib.h>

enum { WIDTH = 400, HEIGHT = 230, LEFT = 52, RIGHT = 8, TOP = 10, BOTTOM = 40, POINTS = 200, TICKS = 4 };

/* Steps first to last, put together. */
typedef struct {
    double step, mean, low, high;
} Point;

typedef struct {
    Point *point; /* owned */
    int64_t count;
    double steps, top; /* the right and the upper end of the axes */
} Line;

/* The distance between marks so that about TICKS of them reach `top`: 1, 2 or 5 times a power of ten. */
static double tick(double top)
{
    const double rough = top / TICKS;
    const double unit = pow(10, floor(log10(rough)));
    const double times = rough / unit;
    return unit * (times < 1.5 ? 1 : times < 3.5 ? 2 : times < 7.5 ? 5 : 10);
}

static Point put_together(const json_t *steps, const char *field, int64_t first, int64_t last)
{
    Point p = {(double)(first + last) / 2, 0, INFINITY, -INFINITY};
    for (int64_t i = first; i < last; i++) {
        const double v = json_number_value(json_object_get(json_array_get(steps, (size_t)i), field));
        p.mean += v / (double)(last - first);
        p.low = fmin(p.low, v);
        p.high = fmax(p.high, v);
    }
    return p;
}

static Line line_of(const json_t *steps, const char *field, Error *e)
{
    const int64_t n = (int64_t)json_array_size(steps);
    Line l = {.count = min_i64(n, POINTS), .steps = (double)n};
    l.point = memory_new(l.count, sizeof *l.point, e);
    if (!l.point)
        return (Line){0};
    for (int64_t i = 0; i < l.count; i++) {
        l.point[i] = put_together(steps, field, i * n / l.count, (i + 1) * n / l.count);
        l.top = fmax(l.top, l.point[i].high);
    }
    l.top = l.top > 0 ? l.top : 1;
    return l;
}

static double x_of(const Line *l, double step)
{
    return LEFT + (WIDTH - LEFT - RIGHT) * step / l->steps;
}

static double y_of(const Line *l, double value)
{
    return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * value / l->top;
}

static Status axes(Text *out, const Line *l, Error *e)
{
    const double up = tick(l->top);
    const double right = fmax(1, tick(l->steps));
    for (int i = 0; i * up <= l->top * 1.001; i++)
        text_format(out, e,
                    "<path class=\"grid\" d=\"M%d %.1fH%d\"/><text class=\"y\" x=\"%d\" y=\"%.1f\">%g</text>",
                    LEFT, y_of(l, i * up), WIDTH - RIGHT, LEFT - 6, y_of(l, i * up) + 4, i * up);
    for (int i = 0; i * right <= l->steps * 1.001; i++)
        text_format(out, e, "<text class=\"x\" x=\"%.1f\" y=\"%d\">%g</text>", x_of(l, i * right),
                    HEIGHT - BOTTOM + 16, i * right);
    text_format(out, e, "<path class=\"axis\" d=\"M%d %d H%d\"/>", LEFT, HEIGHT - BOTTOM, WIDTH - RIGHT);
    return text_format(out, e, "<text class=\"x\" x=\"%d\" y=\"%d\">optimiser step</text>",
                       (LEFT + WIDTH - RIGHT) / 2, HEIGHT - 6);
}

static Status draw(Text *out, const Line *l, Error *e)
{
    text_add(out, "<path class=\"range\" d=\"", e);
    for (int64_t i = 0; i < l->count; i++)
        text_format(out, e, "%s%.1f %.1f", i ? "L" : "M", x_of(l, l->point[i].step),
                    y_of(l, l->point[i].high));
    for (int64_t i = l->count - 1; i >= 0; i--)
        text_format(out, e, "L%.1f %.1f", x_of(l, l->point[i].step), y_of(l, l->point[i].low));
    text_add(out, "Z\"/><path class=\"line\" d=\"", e);
    for (int64_t i = 0; i < l->count; i++)
        text_format(out, e, "%s%.1f %.1f", i ? "L" : "M", x_of(l, l->point[i].step),
                    y_of(l, l->point[i].mean));
    return text_add(out, l->count == 1 ? "h0\"/>" : "\"/>", e); /* one step is a dot */
}

Status chart(Text *out, const json_t *steps, const Chart *c, Error *e)
{
    Line l = line_of(steps, c->field, e);
    if (e->status == OK) {
        text_format(
            out, e,
            "<figure><figcaption>%s <small>%s</small></figcaption><svg viewBox=\"0 0 %d %d\" role=\"img\" "
            "aria-label=\"%s over steps\">",
            c->title, c->unit, WIDTH, HEIGHT, c->title);
        axes(out, &l, e);
        draw(out, &l, e);
        text_add(out, "</svg></figure>\n", e);
    }
    free(l.point);
    return e->status;
}
