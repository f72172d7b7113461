/* The table, and the settings that count. What is not in a key but in a file is an input
 * (inputs.c). */
#include "mpa/depends.h"

#include "mpa/holdout.h"
#include "mpa/inputs.h"

#include <assert.h>
#include <string.h>

const char *const result_name[RESULTS] = {
    [RESULT_ANNOTATIONS] = "annotations.json",
    [RESULT_STUDENT] = "student.json",
    [RESULT_TEACHER] = "teacher.json",
    [RESULT_PARITY] = "parity.json",
    [RESULT_ALIGNED] = "aligned",
    [RESULT_TEST_STUDENT] = "evaluation/student.json",
    [RESULT_TEST_ALIGNED] = "evaluation/aligned.json",
    [RESULT_TEST_TEACHER] = "evaluation/teacher.json",
    [RESULT_SCORES] = "scores.json",
};

#define ANNOTATIONS (1u << RESULT_ANNOTATIONS)
#define ANSWERS (1u << RESULT_STUDENT | 1u << RESULT_TEACHER)
#define PARITY (1u << RESULT_PARITY)
#define ALIGNED (1u << RESULT_ALIGNED)
#define TEST (1u << RESULT_TEST_STUDENT | 1u << RESULT_TEST_ALIGNED | 1u << RESULT_TEST_TEACHER)

const Dependence depends[] = {
    {"run.seed", PARITY | ALIGNED, "teacher.sampling student.sampling aligned.sampling"},
    {"run.*", 0, ""},
    {"teacher.model", 0, "teacher.model teacher.sampling"},
    {"teacher.annotations", 0, "annotations.json"},
    {"teacher.answers", 0, "teacher.json"},
    {"student.model", 0, "student.model student.sampling"},
    {"student.adapter", 0, "student.adapter"},
    {"student.answers", 0, "student.json"},
    {"data.task", 0, "prompt list questions"},
    {"data.image_root", 0, "pictures questions.pictures"},
    {"data.image_map", 0, "pictures questions.pictures"},
    {"data.*", 0, "pictures list"},
    {"image.*", ANNOTATIONS | ANSWERS | ALIGNED | TEST, ""},
    {"annotate.prompt", 0, "prompt"},
    {"annotate.max_new_tokens", ANNOTATIONS, ""},
    {"annotate.*", 0, ""},
    {"identify.skip_teacher", 1u << RESULT_TEACHER, ""},
    {"identify.select", PARITY, ""},
    {"identify.*", ANSWERS | TEST, ""},
    {"level.save_every", 0, ""},
    {"level.offload", 0, ""},
    {"level.lora_init", 0, "level.lora_init"},
    {"level.*", ALIGNED, ""},
    {"evaluate.questions", 0, "questions questions.pictures"},
    {"evaluate.holdout", ALIGNED | TEST, ""},
    {"evaluate.image_root", 0, "questions.pictures"},
    {"evaluate.metric", 1u << RESULT_SCORES, ""},
    {"evaluate.predictions", 0, "predictions"},
    {"evaluate.*", 0, ""},
    {NULL, 0, NULL},
};

static bool is_row_of(const char *row, const char *key)
{
    const size_t length = strlen(row);
    return row[length - 1] == '*' ? !strncmp(row, key, length - 1) : !strcmp(row, key);
}

const Dependence *depends_of(const char *key)
{
    const Dependence *d = depends;
    while (d->key && !is_row_of(d->key, key))
        d++;
    assert(d->key);
    return d;
}

bool depends_feeds(const char *key, const char *input)
{
    const size_t length = strlen(input);
    const char *p = depends_of(key)->feeds;
    while (*p) {
        const size_t n = strcspn(p, " ");
        if (n == length && !memcmp(p, input, n))
            return true;
        p += n + (p[n] == ' ');
    }
    return false;
}

/* A key of the table may still decide nothing, by what other keys say. */
static bool is_used(const Config *c, const char *key, Result r)
{
    if (!strcmp(key, "run.seed"))
        return r == RESULT_PARITY ? c->identify.select == SELECT_RANDOM
                                  : c->level.shuffle || c->level.method == METHOD_LORA;
    if (!strncmp(key, "level.lora_", 11))
        return c->level.method == METHOD_LORA;
    if (!strcmp(key, "image.min_pixels") && r == RESULT_ALIGNED)
        return !c->level.min_pixels;
    if (!strcmp(key, "image.max_pixels") && r == RESULT_ALIGNED)
        return !c->level.max_pixels;
    return true;
}

/* The settings that count; and, as nothing is found without them, those that feed the inputs. */
static json_t *settings_now(const Job *j, Result r, const json_t *inputs, Error *e)
{
    const Config *c = &j->config;
    json_t *settings = json_object();
    const char *key;
    for (int i = 0; (key = config_key(c, i, NULL)) != NULL; i++) {
        const char *value;
        const char *input;
        json_t *what;
        bool wanted = (depends_of(key)->counts & 1u << r) && is_used(c, key, r);
        json_object_foreach((json_t *)(uintptr_t)inputs, input, what) wanted |= depends_feeds(key, input);
        config_key(c, i, &value);
        if (!strcmp(key, "evaluate.holdout") && !(holdout_part(j) > 0))
            value = "0"; /* as nothing is held out */
        if (wanted)
            json_put(settings, key, json_string(value), e);
    }
    return settings;
}

json_t *depends_now(const Job *j, Result r, Error *e)
{
    json_t *now = json_object();
    json_t *inputs = inputs_now(j, r, e);
    json_put(now, "settings", settings_now(j, r, inputs, e), e);
    json_put(now, "inputs", inputs, e);
    return now;
}
