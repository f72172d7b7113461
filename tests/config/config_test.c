/* The configuration: what is read, what is refused and how the place is named. src/config. */
#include "fixture/scratch.h"

#include "config/keys.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static Status load(Scratch *s, Config *c, const char *text, size_t count, char *override, Error *e)
{
    const char *path = scratch_write(s, "c.ini", text, count);
    return config_load(c, path, &override, override != NULL, e);
}

static void load_good(Scratch *s, Config *c, const char *text, const char *override)
{
    Error e = {0};
    char copy[200] = {0};
    strncpy(copy, override ? override : "", sizeof copy - 1);
    if (load(s, c, text, strlen(text), override ? copy : NULL, &e) != OK)
        fail_msg("%s", e.text);
}

static void test_values(void **state)
{
    (void)state;
    Scratch s;
    Config c;
    char wanted[300];
    scratch_make(&s);
    load_good(&s, &c,
              "\xEF\xBB\xBF; a comment\n# another = one\n[run]\ndir = \"out dir\"\nmemory=24G\nseed = 7 ; "
              "seven\n\n[data]\r\n"
              "images = /abs\r\nimage_map = /old=new\nimage_map = b=\nshard = 1/3\n[level]\nlearning_rate = "
              "5e-4\nshuffle = false\nfreeze = vision, "
              "merger\n"
              "[identify]\nsuffix = \"\"\n",
              "run.threads=3");
    snprintf(wanted, sizeof wanted, "%s/out dir", s.folder);
    assert_string_equal(c.run.dir, wanted);
    assert_string_equal(c.data.images, "/abs");
    assert_string_equal(c.data.image_map, "/old=new\nb=");
    assert_string_equal(c.identify.suffix, "");
    assert_int_equal(c.run.memory, (int64_t)24 << 30);
    assert_int_equal(c.run.seed, 7);
    assert_int_equal(c.run.threads, 3);
    assert_int_equal(c.annotate.max_new_tokens, 128);
    assert_true(c.level.learning_rate > 4.99e-4 && c.level.learning_rate < 5.01e-4);
    assert_false(c.level.shuffle);
    assert_true(c.level.freeze == 3);
    assert_true(c.evaluate.models == 7 && c.evaluate.metric == 0 && c.data.shard.index == 1 &&
                c.data.shard.count == 3 && c.level.dtype == DTYPE_AS_STUDENT);
    config_free(&c);
    scratch_remove(&s);
}

/* Paths in the file start from its folder, on the command line from the working folder. */
static void test_override_paths(void **state)
{
    (void)state;
    Scratch s;
    Config c;
    scratch_make(&s);
    load_good(&s, &c, "[run]\ndir = x\n", "run.dir=y/z");
    assert_string_equal(c.run.dir, "y/z");
    config_free(&c);
    load_good(&s, &c, "[teacher]\nanswers = x.json\n", "teacher.answers=");
    assert_string_equal(c.teacher.answers, "");
    config_free(&c);
    scratch_remove(&s);
}

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *override, *wanted;
    } cases[] = {
        {"[run]\nsed = 1\n", NULL, "c.ini:2: unknown key sed in [run]; did you mean seed?"},
        {"[run]\n\n\n[levle]\nx = 1\n", NULL, "c.ini:5: unknown section [levle]; did you mean level?"},
        {"[run]\nseed = 1.5\n", NULL, "c.ini:2: run.seed = 1.5: allowed: an integer from 0"},
        {"[run]\nseed = -1\n", NULL, "c.ini:2: run.seed"},
        {"[run]\nthreads = many\n", NULL, "c.ini:2: run.threads = many"},
        {"[run]\nmemory = 3X\n", NULL, "with K, M or G"},
        {"[run]\nprecision = bfloat16\n", NULL, "allowed: float32"},
        {"[level]\nlearning_rate = 0,5\n", NULL, "allowed: a number from 0 to 1"},
        {"[level]\nlearning_rate = 2\n", NULL, "c.ini:2: level.learning_rate = 2"},
        {"[level]\nshuffle = maybe\n", NULL, "allowed: yes or no"},
        {"[level]\nschedule = cosin\n", NULL, "allowed: cosine linear constant"},
        {"[level]\nfreeze = eyes\n", NULL, "allowed: vision merger text"},
        {"[data]\nshard = 3/3\n", NULL, "allowed: i/n"},
        {"[data]\nimage_map = here\n", NULL, "allowed: OLD=NEW"},
        {"[run]\n\n[level]\nmethod = some\n", NULL, "c.ini:4: level.method = some: allowed: full lora"},
        {"[level]\nlora_dropout = 1\n", NULL,
         "c.ini:2: level.lora_dropout = 1: allowed: a number from 0 to 0.999"},
        {"[level]\nbatch = 6\nmicro_batch = 4\n", NULL, "does not divide"},
        {"[image]\nmin_pixels = 9\nmax_pixels = 8\n", NULL, "is more than"},
        {"seed = 1\n", NULL, "c.ini:1: unknown section []"},
        {"[run]\nseed 1\n", NULL, "c.ini:2: wanted [section], key = value, or a comment"},
        {"[run]\nseed ; = 1\n", NULL, "c.ini:2: wanted"},
        {"[run\nseed = 1\n", NULL, "c.ini:1: the section name lacks its ]"},
        {"[run] seed = 1\n", NULL, "c.ini:1: nothing may follow"},
        {"[run]\n  seed = 1\n", NULL, "c.ini:2: the line is indented"},
        {"[run]\n\rseed = 1\n", NULL, "c.ini:2: the line is indented"},
        {"[identify]\nsuffix = \"a ; b\"\n", NULL, "c.ini:2: a semicolon"},
        /* the whole list of allowed words, and the whole value */
        {"[level]\nx = 1\n", NULL, " save_every offload dtype)"},
        {"[data]\nmissing = "
         "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffgggggggggghhhhhhhhhhiiiiiiiiiijjjjjjjjj"
         "jk\n",
         NULL, "jk: allowed: error skip"},
        {"[data]\ntask = textvqe\n", NULL,
         "c.ini:2: data.task = textvqe: allowed: textvqa stvqa chartqa okvqa FILE.ini"},
        {"", "run.sed=1", "command line: unknown key sed"},
        {"", "seed=1", "wanted section.key=value"},
        {"", "run.seed", "wanted section.key=value"},
        {"", "run.seed=x", "command line: run.seed = x"},
    };
    Scratch s;
    scratch_make(&s);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Config c;
        Error e = {0};
        char copy[100] = {0};
        strcpy(copy, cases[i].override ? cases[i].override : "");
        Status status =
            load(&s, &c, cases[i].text, strlen(cases[i].text), cases[i].override ? copy : NULL, &e);
        if (status != BAD_USAGE || !strstr(e.text, cases[i].wanted))
            fail_msg("case %zu: status %d, \"%s\", wanted \"%s\"; read src/config/file.c and set.c", i,
                     (int)status, e.text, cases[i].wanted);
    }
    scratch_remove(&s);
}

static void test_not_text(void **state)
{
    (void)state;
    Scratch s;
    Config c;
    Error e = {0};
    char longer[400] = "[run]\n\ndir = ";
    scratch_make(&s);
    assert_int_equal(load(&s, &c, "[run]\nseed = \0001\n", 15, NULL, &e), BAD_USAGE);
    assert_non_null(strstr(e.text, "NUL"));
    e = (Error){0};
    memset(longer + strlen(longer), 'x', 250);
    assert_int_equal(load(&s, &c, longer, strlen(longer), NULL, &e), BAD_USAGE);
    assert_non_null(strstr(e.text, "c.ini:3: the line has 256 bytes"));
    e = (Error){0};
    assert_int_equal(config_load(&c, "no/such/file.ini", NULL, 0, &e), BAD_USAGE);
    assert_non_null(strstr(e.text, "no/such/file.ini"));
    scratch_remove(&s);
}

/* Presets of the two published trainers; a key that is set stays; [image] is never touched. */
static void test_recipes(void **state)
{
    (void)state;
    Scratch s;
    Config c;
    scratch_make(&s);
    load_good(&s, &c, "[level]\nrecipe = 2024-12\nbatch = 8\n", NULL);
    assert_int_equal(c.level.batch, 8);
    assert_int_equal(c.level.micro_batch, 2);
    assert_true(c.level.weight_decay < 1e-9 && c.level.chat_newline && c.level.loss == LOSS_MICRO_BATCH);
    assert_true(fabs(c.level.beta2 - 0.98) < 1e-12);
    assert_int_equal(c.level.min_pixels, 512 * 784);
    assert_int_equal(c.level.max_pixels, 1280 * 784);
    assert_int_equal(c.image.max_pixels, 0);
    config_free(&c);
    load_good(&s, &c, "[level]\nrecipe = 2025-10\n", NULL);
    assert_int_equal(c.level.batch, 128);
    assert_true(!c.level.chat_newline && c.level.loss == LOSS_TOKEN);
    assert_true(fabs(c.level.beta2 - 0.999) < 1e-12);
    assert_true(fabs(c.level.weight_decay - 0.1) < 1e-12);
    config_free(&c);
    load_good(&s, &c, "", NULL); /* auto: the same, but with pictures as they are asked about */
    assert_int_equal(c.level.recipe, RECIPE_AUTO);
    assert_true(c.level.epochs == 1 && c.level.batch == 128 && c.level.micro_batch == 4);
    assert_true(!c.level.chat_newline && c.level.loss == LOSS_TOKEN && c.level.max_pixels == 0);
    assert_true(fabs(c.level.beta2 - 0.999) < 1e-12 && fabs(c.level.weight_decay - 0.1) < 1e-12);
    config_free(&c);
    load_good(&s, &c, "[level]\nrecipe = 2024-12-as-run\nmerger_learning_rate = 3e-5\n", NULL);
    assert_true(c.level.schedule == SCHEDULE_CONSTANT && c.level.decay == DECAY_ALL);
    assert_true(fabs(c.level.vision_learning_rate - 1e-5) < 1e-12);
    assert_true(fabs(c.level.merger_learning_rate - 3e-5) < 1e-12 && c.level.weight_decay < 1e-9);
    config_free(&c);
    scratch_remove(&s);
}

/* The script for adapters has another rate; an adapter that is given keeps its own sizes. */
static void test_lora_recipes(void **state)
{
    (void)state;
    Scratch s;
    Config c;
    scratch_make(&s);
    load_good(&s, &c, "[level]\nmethod = lora\n", NULL);
    assert_true(fabs(c.level.learning_rate - 1e-4) < 1e-12 && fabs(c.level.lora_dropout - 0.05) < 1e-12);
    assert_true(c.level.lora_rank == 0 && c.level.lora_alpha < 1e-9);
    config_free(&c);
    load_good(&s, &c, "[level]\nmethod = lora\nrecipe = 2024-12\nlora_dropout = 0\n", NULL);
    assert_true(c.level.lora_rank == 64 && fabs(c.level.lora_alpha - 128) < 1e-9 &&
                c.level.lora_dropout < 1e-9);
    assert_true(fabs(c.level.vision_learning_rate - 2e-6) < 1e-12);
    config_free(&c);
    load_good(&s, &c, "[level]\nmethod = lora\nrecipe = 2024-12-as-run\nlora_init = x\n", NULL);
    assert_true(c.level.lora_rank == 0 && c.level.lora_alpha < 1e-9);
    assert_true(fabs(c.level.vision_learning_rate - 1e-4) < 1e-12);
    config_free(&c);
    scratch_remove(&s);
}

/* The value of a key as a text. */
static const char *key_text(const Config *c, const char *key)
{
    const char *name;
    const char *value = "";
    for (int i = 0; (name = config_key(c, i, &value)) != NULL && strcmp(name, key); i++)
        ;
    return value;
}

/* What auto decides is fitted, again and again, unless it is set; a dump leaves it open. */
static void test_fitted(void **state)
{
    (void)state;
    Scratch s;
    Config c;
    Error e = {0};
    Text text = {0};
    scratch_make(&s);
    load_good(&s, &c, "[level]\nbatch = 12\nmicro_batch = 3\n", NULL);
    assert_true(config_is_given(&c, &c.level.batch) && !config_is_given(&c, &c.level.epochs));
    assert_true(config_is_fitted(&c, &c.level.epochs) && config_is_fitted(&c, &c.level.warmup_ratio));
    assert_false(config_is_fitted(&c, &c.level.batch) || config_is_fitted(&c, &c.level.beta1));
    config_fit(&c, &c.level.batch, 3, &e);
    config_fit(&c, &c.level.epochs, 3, &e);
    config_fit(&c, &c.level.epochs, 5, &e);
    assert_true(c.level.batch == 12 && c.level.epochs == 5);
    assert_string_equal(key_text(&c, "level.epochs"), "auto"); /* the recipe decides, not the number */
    assert_string_equal(key_text(&c, "level.batch"), "12");
    assert_false(config_is_given(&c, &c.level.epochs));
    assert_int_equal(config_dump(&c, &text, &e), OK);
    assert_non_null(strstr(text.data, "\nepochs = \n"));
    assert_non_null(strstr(text.data, "fitted to the number of pairs by level.recipe = auto\nepochs"));
    text_free(&text);
    config_free(&c);
    load_good(&s, &c, "[level]\nmicro_batch = 3\nepochs =\n", NULL); /* batch is not 128 yet */
    assert_true(config_is_fitted(&c, &c.level.epochs));
    config_free(&c);
    load_good(&s, &c, "[level]\nrecipe = 2025-10\n", NULL);
    assert_false(config_is_fitted(&c, &c.level.epochs));
    config_free(&c);
    scratch_remove(&s);
}

static void dump(const Config *c, Text *out)
{
    Error e = {0};
    assert_int_equal(config_dump(c, out, &e), OK);
}

/* What --dump-config prints names every key and can be read again with the same values. */
static void test_dump(void **state)
{
    (void)state;
    Scratch s;
    Config c, again;
    Text first = {0}, second = {0};
    char line[100];
    scratch_make(&s);
    load_good(
        &s, &c,
        "[run]\ndir = \"/tmp/x \"\n[data]\nimage_map = a=b\nimage_map = \";c=d\"\nimage_map = \"\"e\"=f\"\n"
        "image_map = \" g=h\"\n[level]\nrecipe = 2024-12\n",
        NULL);
    assert_string_equal(c.run.dir, "/tmp/x ");
    assert_string_equal(c.data.image_map, "a=b\n;c=d\n\"e\"=f\n g=h");
    dump(&c, &first);
    load_good(&s, &again, text_string(&first), NULL);
    dump(&again, &second);
    for (int i = 0; config_keys[i].name; i++) {
        const char *name = strchr(config_keys[i].name, '.') + 1, *value = c.setting[i].value,
                   *value_again = again.setting[i].value;
        snprintf(line, sizeof line, "\n%s = ", name);
        if (!strstr(text_string(&first), line) || !strstr(text_string(&first), config_keys[i].meaning))
            fail_msg("the dump lacks %s", config_keys[i].name);
        if (strcmp(value ? value : config_keys[i].fallback,
                   value_again ? value_again : config_keys[i].fallback))
            fail_msg("%s is read again as %s", config_keys[i].name, value_again);
    }
    text_free(&first);
    text_free(&second);
    config_free(&c);
    config_free(&again);
    scratch_remove(&s);
}

static void test_require(void **state)
{
    (void)state;
    Scratch s;
    Config c;
    Error e = {0};
    scratch_make(&s);
    load_good(&s, &c, "[run]\ndir = x\n", NULL);
    assert_int_equal(config_require(&c, &c.run.dir, &e), OK);
    assert_int_equal(config_require(&c, &c.student.model, &e), BAD_USAGE);
    assert_non_null(strstr(e.text, "student.model is needed"));
    config_free(&c);
    scratch_remove(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_values),  cmocka_unit_test(test_override_paths),
                                       cmocka_unit_test(test_refused), cmocka_unit_test(test_not_text),
                                       cmocka_unit_test(test_recipes), cmocka_unit_test(test_lora_recipes),
                                       cmocka_unit_test(test_fitted),  cmocka_unit_test(test_dump),
                                       cmocka_unit_test(test_require)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
