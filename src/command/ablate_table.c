/* The table of an ablation. The interval of a mean over seeds is Student's:
 *
 *     mean +- t s / sqrt(n),  t: 97.5 % of the distribution with n - 1 degrees of freedom
 *
 * With one seed it is that of the questions, as scores.json has it. */
#include "command/ablate.h"

#include "base/printable.h"
#include "data/metrics.h"
#include "report/page.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What the runs of one variant gave by one metric. */
typedef struct {
    double mean, low, high;
    bool known; /* all runs have it */
} Cell;

static double number_at(const json_t *scores, const char *model, const char *metric, bool *known)
{
    const json_t *v = json_object_get(json_object_get(scores, model), metric);
    *known &= v != NULL;
    return json_number_value(v);
}

/* Mean and interval over the runs' scores. */
static Cell cell_of(json_t *const *scores, int64_t seeds, const char *metric)
{
    static const double t[ABLATE_SEEDS] = {0,     12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365,
                                           2.306, 2.262,  2.228, 2.201, 2.179, 2.160, 2.145, 2.131,
                                           2.120, 2.110,  2.101, 2.093, 2.086, 2.080, 2.074, 2.069,
                                           2.064, 2.060,  2.056, 2.052, 2.048, 2.045, 2.042};
    Cell c = {.known = true};
    double squares = 0;
    for (int64_t s = 0; s < seeds; s++)
        c.mean += number_at(scores[s], "aligned", metric, &c.known) / (double)seeds;
    for (int64_t s = 0; s < seeds; s++)
        squares += pow(number_at(scores[s], "aligned", metric, &c.known) - c.mean, 2);
    const double half = seeds > 1 ? t[seeds - 1] * sqrt(squares / (double)(seeds - 1) / (double)seeds) : 0;
    const json_t *one =
        json_object_get(json_object_get(json_object_get(scores[0], "intervals"), "aligned"), metric);
    c.low = seeds > 1 ? c.mean - half : json_number_value(json_array_get(one, 0));
    c.high = seeds > 1 ? c.mean + half : json_number_value(json_array_get(one, 1));
    return c;
}

static void print_model(const json_t *scores, const char *model)
{
    output("  %-44s %7s", model, "");
    for (int m = 0; m < METRICS; m++) {
        bool known = true;
        const double v = number_at(scores, model, metrics[m].name, &known);
        if (known)
            output("  %s %5.1f", metrics[m].name, v);
    }
    output("\n");
}

/* The share of the gap that the variant closed, and its interval: over the seeds that of the mean, as it depends
 * on nothing else; over the questions as scores.json has it, where the gap itself is uncertain too. */
static Status add_closed(json_t *cell, const Cell *c, const json_t *scores, int64_t seeds, const char *metric,
                         double student, double teacher, Error *e)
{
    const json_t *gap = json_object_get(json_object_get(json_object_get(scores, "intervals"), "gap"), metric);
    const double closed = (c->mean - student) / (teacher - student);
    json_t *interval = json_object_get(gap, "closed");
    if (seeds > 1 && teacher > student)
        interval = json_pack("[f, f]", (c->low - student) / (teacher - student),
                             (c->high - student) / (teacher - student));
    else
        interval = seeds == 1 && json_is_array(interval) ? json_incref(interval) : json_null();
    output(", %.0f %% closed", 100 * closed);
    if (json_is_array(interval))
        output(" (%.0f to %.0f)", 100 * json_number_value(json_array_get(interval, 0)),
               100 * json_number_value(json_array_get(interval, 1)));
    json_put(cell, "closed", json_real(closed), e);
    return json_put(cell, "closed_interval", interval, e);
}

/* One variant's row, printed and as JSON. */
static json_t *row(const Variant *v, json_t *const *scores, const double *pairs, int64_t seeds,
                   const json_t *base, Error *e)
{
    json_t *o = json_object();
    json_t *all = json_object();
    double mean_pairs = 0;
    for (int64_t s = 0; s < seeds; s++)
        mean_pairs += pairs[s] / (double)seeds;
    output("  %-44s %7.0f", text_string(&v->name), mean_pairs);
    for (int m = 0; m < METRICS; m++) {
        bool gap = true;
        const char *name = metrics[m].name;
        const Cell c = cell_of(scores, seeds, name);
        const double student = number_at(base, "student", name, &gap);
        const double teacher = number_at(base, "teacher", name, &gap);
        if (!c.known)
            continue;
        json_t *cell = json_pack("{s:f, s:[f, f]}", "mean", c.mean, "interval", c.low, c.high);
        output("  %s %5.1f (%.1f to %.1f)", name, c.mean, c.low, c.high);
        if (gap && (teacher > student || teacher < student))
            add_closed(cell, &c, scores[0], seeds, name, student, teacher, e);
        json_put(all, name, cell, e);
    }
    output("\n");
    json_put(o, "variant", json_string(text_string(&v->name)), e);
    json_put(o, "pairs", json_real(mean_pairs), e);
    json_put(o, "seeds", json_integer(seeds), e);
    json_put(o, "scores", all, e);
    return o;
}

/* The runs' folders in ablate/, without what is above. */
static json_t *names_of(char *const *folder, int64_t seeds, Error *e)
{
    json_t *names = json_array();
    for (int64_t s = 0; s < seeds; s++) {
        const char *slash = strrchr(folder[s], '/');
        json_append(names, json_string(slash ? slash + 1 : folder[s]), e);
    }
    return names;
}

/* Reads what one variant's runs left, and adds its row. */
static Status add_row(json_t *rows, const Variant *v, char *const *folder, int64_t seeds, const json_t *base,
                      Error *e)
{
    Json file[ABLATE_SEEDS] = {{0}};
    json_t *scores[ABLATE_SEEDS] = {NULL};
    double pairs[ABLATE_SEEDS] = {0};
    for (int64_t s = 0; s < seeds; s++) {
        Json kept;
        job_open_json(&kept, folder[s], "parity.json", e);
        pairs[s] = (double)json_array_size(kept.root);
        json_close(&kept);
        job_open_json(file + s, folder[s], "scores.json", e);
        scores[s] = file[s].root;
    }
    if (e->status == OK) {
        json_t *o = row(v, scores, pairs, seeds, base, e);
        json_put(o, "runs", names_of(folder, seeds, e), e);
        json_append(rows, o, e);
    }
    for (int64_t s = 0; s < seeds; s++)
        json_close(file + s);
    return e->status;
}

Status ablate_table(const Job *base, const Variant *variant, char *const *folder, int64_t variants,
                    int64_t seeds, Error *e)
{
    json_t *rows = json_array();
    Json scores;
    job_open_json(&scores, base->folder, "scores.json", e);
    if (e->status == OK) {
        output("accuracy in percent; aligned students: %s\n",
               seeds > 1 ? "mean over the seeds, and its 95 % interval"
                         : "with the 95 % interval over the questions");
        output("  %-44s %7s\n", "", "pairs");
        print_model(scores.root, "student");
    }
    for (int64_t v = 0; v < variants && e->status == OK; v++)
        add_row(rows, variant + v, folder + v * seeds, seeds, scores.root, e);
    if (e->status == OK)
        print_model(scores.root, "teacher");
    if (e->status == OK)
        job_write_json(base, "ablate/table.json", rows, 2, e);
    if (e->status == OK) {
        Text page = {0};
        ablation_write(&page, scores.root, rows, seeds, e);
        job_write_text(base, "ablate/report.html", &page, e);
        text_free(&page);
    }
    json_close(&scores);
    json_decref(rows);
    return e->status;
}
