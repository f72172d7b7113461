/* Which chat templates are known, where they are looked for, and what is said of others. */
#include "fixture/model_folder.h"
#include "fixture/scratch.h"

#include "base/folder.h"
#include "model/vlm.h"
#include "text/chat_template.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const char text[] = "{% for message in messages %}";

/* The warning about a folder with these two files (text NULL: there is none). */
static const char *warning_of(const char *name, const char *content, const char *other, const char *more,
                              Status expected)
{
    static char warning[400];
    const uint64_t known[] = {5, chat_template_hash(text), 0};
    Scratch s;
    Error e = {0};
    scratch_make(&s);
    if (content)
        scratch_write(&s, name, content, strlen(content));
    if (more)
        scratch_write(&s, other, more, strlen(more));
    strcpy(warning, "left");
    assert_int_equal(chat_template_check(s.folder, "a_type", known, warning, sizeof warning, &e), expected);
    scratch_remove(&s);
    return warning;
}

static const char *alone(const char *name, const char *content)
{
    return warning_of(name, content, NULL, NULL, OK);
}

static void known_ones(void **state)
{
    (void)state;
    assert_string_equal(alone(NULL, NULL), "");
    assert_string_equal(alone("chat_template.jinja", "{% for message in messages %}"), "");
    assert_string_equal(alone("chat_template.jinja", " \n{% for message in messages %}\r\n\t"), "");
    assert_string_equal(
        alone("chat_template.json", "{\"chat_template\": \"{% for message in messages %}\\n\"}"), "");
    assert_string_equal(alone("tokenizer_config.json",
                              "{\"chat_template\": [{\"name\": \"tool\", \"template\": \"x\"},"
                              " {\"name\": \"default\", \"template\": \"{% for message in messages "
                              "%}\"}]}"),
                        "");
    assert_string_equal(alone("tokenizer_config.json", "{\"padding_side\": \"left\"}"), "");
}

static void others(void **state)
{
    (void)state;
    static const char *const files[][2] = {
        {"chat_template.jinja", "{% for m in messages %}"},
        {"chat_template.jinja", "{% for message in  messages %}"}, /* white space within counts */
        {"chat_template.json", "{\"chat_template\": \"\"}"},
        {"tokenizer_config.json",
         "{\"chat_template\": [{\"name\": \"default\", \"template\": \"x\"},"
         " {\"name\": \"other\", \"template\": \"{% for message in messages %}\"}]}"},
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        const char *w = alone(files[i][0], files[i][1]);
        if (!strstr(w, files[i][0]) || !strstr(w, "not one that is known for a_type"))
            fail_msg("%s: %s", files[i][1], w);
    }
}

/* A template's own file goes before tokenizer_config.json, and what is no JSON is an error. */
static void order(void **state)
{
    (void)state;
    const char *w =
        warning_of("tokenizer_config.json", "{\"chat_template\": \"x\"}", "chat_template.jinja", text, OK);
    assert_string_equal(w, "");
    w = warning_of("tokenizer_config.json", "{\"chat_template\": \"x\"}", "chat_template.json", "{}", OK);
    assert_non_null(strstr(w, "tokenizer_config.json"));
    warning_of("chat_template.json", "{", NULL, NULL, BAD_INPUT);
}

/* The templates in weights/ are known, each to its family; with another one a model opens, but warns. */
static void of_families(void **state)
{
    (void)state;
    static const char *const folders[] = {"weights/demo-teacher", "weights/tiny-smolvlm-a"};
    Error e = {0};
    Vlm vlm;
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        assert_int_equal(vlm_open(&vlm, folders[i], &e), OK);
        assert_string_equal(vlm.warning, "");
        vlm_close(&vlm);
    }
    static const char other[] = "{\"chat_template\": \"another\"}";
    char folder[MODEL_FOLDER];
    model_folder_make(folder, "weights/tiny-smolvlm-a");
    model_folder_write(folder, "chat_template.json", other, strlen(other));
    assert_int_equal(vlm_open(&vlm, folder, &e), OK);
    assert_non_null(strstr(vlm.warning, "known for idefics3"));
    vlm_close(&vlm);
    assert_int_equal(folder_remove(folder, &e), OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(known_ones), cmocka_unit_test(others),
                                       cmocka_unit_test(order), cmocka_unit_test(of_families)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
