/* A model elsewhere, asked by files: the requests, every form of reply, replies that are missing or belong
 * to something else; and that imported replies give the files of a model's own. src/job/exchange.c,
 * src/mpa/annotate.c, src/mpa/identify.c. */
#include "fixture/must.h"
#include "fixture/scratch.h"

#include "base/file.h"
#include "base/folder.h"
#include "job/exchange.h"
#include "mpa/stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const volatile int no_stop = 0;

typedef struct {
    Scratch s;
    Job job;
    char out[320], back[320];
    Questions q;
    Error e;
} World;

static int make(void **state)
{
    static World w;
    w = (World){.job.stop = &no_stop};
    scratch_make(&w.s);
    log_init(&w.job.log, true, false);
    strcpy(w.out, scratch_path(&w.s, "requests.jsonl"));
    strcpy(w.back, scratch_path(&w.s, "replies.jsonl"));
    *state = &w;
    return 0;
}

static int clean(void **state)
{
    World *w = *state;
    questions_free(&w->q);
    config_free(&w->job.config);
    scratch_remove(&w->s);
    return 0;
}

static void put(World *w, const char *name, const char *text)
{
    scratch_write(&w->s, name, text, strlen(text));
}

/* A question about a file of the scratch folder. */
static void ask(World *w, int id, const char *file, const char *text)
{
    json_t *number = json_integer(id);
    questions_add(&w->q, w->q.count, number, memory_copy(scratch_path(&w->s, file), &w->e), text, NULL, NULL,
                  &w->e);
    json_decref(number);
    must(&w->e);
}

/* The lines of the requests. Owned: json_close. */
static Json requests(World *w, const char *import_path)
{
    Json lines;
    w->job.exchange.export_path = w->out;
    w->job.exchange.import_path = import_path;
    exchange_export(&w->job, &w->q, 99, &w->e);
    json_open_lines(&lines, w->out, 1 << 20, &w->e);
    must(&w->e);
    return lines;
}

static const char *name_of(const Json *lines, size_t i)
{
    return json_string_value(json_object_get(json_array_get(lines->root, i), "custom_id"));
}

/* The answers that the replies give; texts are joined by "|", - where there is none. */
static Status answers(World *w, const char *replies, Text *out)
{
    char *texts[8] = {NULL};
    w->e = (Error){0};
    text_clear(out);
    put(w, "replies.jsonl", replies);
    w->job.exchange.import_path = w->back;
    Answerer a = answerer_replies(&w->job, "test");
    const Status status = answerer_ask(&a, &w->q, texts, &w->e);
    Error e = {0};
    for (int64_t i = 0; i < w->q.count; i++) {
        text_format(out, &e, "%s%s", i ? "|" : "", texts[i] ? texts[i] : "-");
        free(texts[i]);
    }
    must(&e);
    return status;
}

/* What is asked twice is written once; the picture is in the request, or its path. */
static void test_requests(void **state)
{
    World *w = *state;
    put(w, "a.png", "\x89PNG");
    put(w, "b.jpg", "jpeg");
    ask(w, 7, "a.png", "What is \xC3\xA9?");
    ask(w, 8, "b.jpg", "What is \xC3\xA9?");
    ask(w, 9, "a.png", "What is \xC3\xA9?");
    w->job.exchange.model = "some-model";
    Json lines = requests(w, NULL);
    assert_int_equal(json_array_size(lines.root), 2);
    Text text = {0};
    json_print(&text, json_array_get(lines.root, 0), JSON_COMPACT, &w->e);
    assert_non_null(strstr(text_string(&text),
                           ",\"method\":\"POST\",\"url\":\"/v1/chat/completions\",\"body\":{\"model\":"
                           "\"some-model\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":"
                           "\"image_url\",\"image_url\":{\"url\":\"data:image/png;base64,iVBORw==\"}},"
                           "{\"type\":\"text\",\"text\":\"What is \xC3\xA9?\"}]}],\"max_tokens\":99}}"));
    assert_int_equal(strlen(name_of(&lines, 0)), 17);
    assert_string_not_equal(name_of(&lines, 0), name_of(&lines, 1));
    json_close(&lines);
    text_clear(&text);
    file_read(&text, w->out, 1 << 20, &w->e);
    assert_non_null(strstr(text_string(&text), "data:image/jpeg;base64,anBlZw==")); /* "jpeg" */
    assert_non_null(strstr(text_string(&text), "What is \\u00E9?"));
    w->job.exchange.paths = true;
    lines = requests(w, NULL);
    text_clear(&text);
    file_read(&text, w->out, 1 << 20, &w->e);
    assert_non_null(strstr(text_string(&text), "{\"url\":\"file:///"));
    assert_non_null(strstr(text_string(&text), "/b.jpg\"}"));
    must(&w->e);
    json_close(&lines);
    text_free(&text);
}

/* What batch interfaces return, and what is written by hand. */
static void test_forms(void **state)
{
    World *w = *state;
    static const struct {
        const char *line, *wanted;
    } cases[] = {
        {"{\"id\":\"batch_1\",\"custom_id\":\"%s\",\"response\":{\"status_code\":200,\"body\":{\"choices\":[{"
         "\"message\":{"
         "\"role\":\"assistant\",\"content\":\"yes\"}}]}},\"error\":null}",
         "yes"},
        {"{\"custom_id\":\"%s\",\"response\":{\"body\":{\"choices\":[{\"message\":{\"content\":[{\"type\":"
         "\"text\",\"text\":"
         "\"y\"},{\"type\":\"text\",\"text\":\"es\"}]}}]}}}",
         "yes"},
        {"{\"custom_id\":\"%s\",\"result\":{\"type\":\"succeeded\",\"message\":{\"content\":[{\"type\":"
         "\"text\",\"text\":\"yes\"}]"
         "}}}",
         "yes"},
        {"{\"custom_id\":\"%s\",\"choices\":[{\"message\":{\"content\":\"yes\"}}]}", "yes"},
        {"{\"custom_id\":\"%s\",\"text\":\"yes\"}", "yes"},
        {"{\"id\":\"%s\",\"content\":\"yes\"}", "yes"},
        {"{\"id\":7,\"text\":\"yes\",\"x\":\"%s\"}", "yes"}, /* the question's own id */
        {"{\"id\":\"7\",\"text\":\"\",\"x\":\"%s\"}", ""},
        {"{\"custom_id\":\"%s\",\"text\":\"no\"}\n{\"id\":7,\"text\":\"yes\"}",
         "no"}, /* the name goes before */
    };
    put(w, "a.png", "\x89PNG");
    ask(w, 7, "a.png", "q");
    Json lines = requests(w, NULL);
    Text text = {0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char replies[600];
        const char *mark = strstr(cases[i].line, "%s");
        snprintf(replies, sizeof replies, "%.*s%s%s\n", (int)(mark - cases[i].line), cases[i].line,
                 name_of(&lines, 0), mark + 2);
        if (answers(w, replies, &text) != OK)
            fail_msg("case %zu: %s", i, w->e.text);
        assert_string_equal(text_string(&text), cases[i].wanted);
    }
    text_free(&text);
    json_close(&lines);
}

static void test_errors(void **state)
{
    World *w = *state;
    static const char *const lines[] = {
        "{\"id\":7,\"response\":null,\"error\":{\"code\":\"expired\"}}\n",
        "{\"id\":7,\"response\":{\"status_code\":429,\"body\":{\"error\":{\"message\":\"slow\"}}}}\n",
        "{\"id\":7,\"result\":{\"type\":\"errored\",\"error\":{\"type\":\"overloaded\"}}}\n",
        ("{\"id\":7,\"response\":{\"body\":{\"choices\":[{\"message\":{\"content\":null,\"refusal\":\"no\"}}"
         "]}}}\n"),
        "{\"id\":7,\"response\":{\"body\":{\"choices\":[]}}}\n",
        "{\"id\":7,\"content\":[{\"type\":\"image\"}]}\n",
        "",
    };
    put(w, "a.png", "\x89PNG");
    put(w, "b.png", "\x89PNG2");
    ask(w, 7, "a.png", "q");
    ask(w, 8, "b.png", "q");
    Text text = {0};
    char replies[400];
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        snprintf(replies, sizeof replies, "%s{\"id\":8,\"text\":\"two\"}\n", lines[i]);
        assert_int_equal(answers(w, replies, &text), FAILED);
        assert_non_null(strstr(w->e.text, "1 of 2 requests have no reply, the first is that of 7"));
        w->job.force = true;
        assert_int_equal(answers(w, replies, &text), OK);
        assert_string_equal(text_string(&text), "-|two");
        w->job.force = false;
        /* an error does not undo a reply, whichever comes first */
        snprintf(replies, sizeof replies, "%s{\"id\":8,\"text\":\"two\"}\n{\"id\":7,\"text\":\"one\"}\n%s",
                 lines[i], lines[i]);
        assert_int_equal(answers(w, replies, &text), OK);
        assert_string_equal(text_string(&text), "one|two");
    }
    assert_int_equal(answers(w, "{\"text\":\"x\"}\n", &text), BAD_INPUT);
    assert_non_null(
        strstr(w->e.text, "entry 0: custom_id or id: wanted a string or an integer, found nothing"));
    assert_int_equal(answers(w, "{\"id\":7,\"text\":\"x\"}\nsorry\n", &text), BAD_INPUT);
    assert_non_null(strstr(w->e.text, "replies.jsonl:2: not valid JSON"));
    text_free(&text);
}

/* A reply is to what was asked: after an edit of picture or text there is none. The rest can be asked. */
static void test_what_was_asked(void **state)
{
    World *w = *state;
    put(w, "a.png", "\x89PNG");
    put(w, "b.png", "\x89PNG2");
    ask(w, 1, "a.png", "q");
    ask(w, 2, "b.png", "q");
    Json lines = requests(w, NULL);
    char replies[200];
    Text text = {0};
    snprintf(replies, sizeof replies,
             "{\"custom_id\":\"%s\",\"text\":\"two\"}\n{\"custom_id\":\"%s\",\"text\":\"one\"}\n",
             name_of(&lines, 1), name_of(&lines, 0));
    assert_int_equal(answers(w, replies, &text), OK);
    assert_string_equal(text_string(&text), "one|two");
    questions_free(&w->q);
    ask(w, 9, "b.png", "q"); /* another id and place */
    assert_int_equal(answers(w, replies, &text), OK);
    assert_string_equal(text_string(&text), "two");
    ask(w, 1, "a.png", "q?");
    assert_int_equal(answers(w, replies, &text), FAILED);
    w->e = (Error){0};
    Json rest = requests(w, w->back);
    assert_int_equal(json_array_size(rest.root), 1);
    json_close(&rest);
    questions_free(&w->q);
    put(w, "b.png", "\x89PNG3");
    ask(w, 9, "b.png", "q");
    assert_int_equal(answers(w, replies, &text), FAILED);
    text_free(&text);
    json_close(&lines);
}

/* ------------------------------------------------------------------------------------- whole stages */

enum { FILES = 5 };
static const char *const files[FILES] = {"annotations.json", "student.json", "teacher.json", "audit.jsonl",
                                         "parity.json"};

static void run_stage(World *w, const Stage *s, const char *folder)
{
    w->job.folder = folder;
    folder_make(folder, &w->e);
    stage_run(s, &w->job, &w->e);
    must(&w->e);
}

/* Replies with the texts of a list of {key, ...} entries, in the order of the requests. */
static void reply(World *w, const char *list, const char *key)
{
    Json lines;
    Json texts;
    Text out = {0};
    json_open_lines(&lines, w->out, 1 << 24, &w->e);
    if (strstr(list, ".jsonl"))
        json_open_lines(&texts, list, 1 << 24, &w->e);
    else
        json_open(&texts, list, 1 << 24, &w->e);
    must(&w->e);
    assert_int_equal(json_array_size(lines.root), json_array_size(texts.root));
    for (size_t i = json_array_size(lines.root); i > 0; i--) { /* in another order */
        json_t *o = json_pack("{s:s, s:O}", "custom_id", name_of(&lines, i - 1), "text",
                              json_object_get(json_array_get(texts.root, i - 1), key));
        json_print(&out, o, JSON_COMPACT, &w->e);
        text_add(&out, "\n", &w->e);
        json_decref(o);
    }
    put(w, "replies.jsonl", text_string(&out));
    text_free(&out);
    json_close(&lines);
    json_close(&texts);
    must(&w->e);
}

static void remove_folder(const char *folder)
{
    Error e = {0};
    folder_remove(folder, &e);
    must(&e);
}

/* With what a model said as replies, annotate and identify write the files that they write with it. */
static void test_stages(void **state)
{
    World *w = *state;
    char own[320], other[320], list[400], copy[400], cwd[200], lines[900];
    strcpy(own, scratch_path(&w->s, "own"));
    strcpy(other, scratch_path(&w->s, "other"));
    assert_non_null(getcwd(cwd, sizeof cwd));
    snprintf(lines, sizeof lines,
             "[run]\ndir = own\n[teacher]\nmodel = %s/weights/demo-teacher\n[student]\nmodel = "
             "%s/weights/demo-student\n"
             "[data]\ntask = okvqa\nimages = %s/golden/run/pictures\nlimit = 4\n",
             cwd, cwd, cwd);
    put(w, "c.ini", lines);
    config_load(&w->job.config, scratch_path(&w->s, "c.ini"), NULL, 0, &w->e);
    must(&w->e);
    run_stage(w, &stage_annotate, own);
    snprintf(list, sizeof list, "%s/audit.jsonl", own);
    w->job.exchange = (Exchange){.export_path = w->out, .paths = true};
    run_stage(w, &stage_annotate, other);
    reply(w, list, "raw");
    w->job.exchange = (Exchange){.import_path = w->back};
    run_stage(w, &stage_annotate, other);
    w->job.exchange = (Exchange){0};
    run_stage(w, &stage_identify, own);
    for (int who = 0; who < 2; who++) { /* the teacher's answers, then the student's */
        w->job.exchange = (Exchange){.export_path = w->out, .paths = true, .student = who};
        run_stage(w, &stage_identify, other);
        snprintf(list, sizeof list, "%s/%s.json", own, who ? "student" : "teacher");
        reply(w, list, "predictions");
        w->job.exchange = (Exchange){.import_path = w->back, .student = who};
        run_stage(w, &stage_identify, other);
        for (int i = 0; i < FILES; i++) {
            Text a = {0};
            Text b = {0};
            snprintf(list, sizeof list, "%s/%s", own, files[i]);
            snprintf(copy, sizeof copy, "%s/%s", other, files[i]);
            file_read(&a, list, 1 << 24, &w->e);
            file_read(&b, copy, 1 << 24, &w->e);
            must(&w->e);
            assert_string_equal(text_string(&a), text_string(&b));
            text_free(&a);
            text_free(&b);
            if (i == 1 || i == 2 || i == 4)
                file_remove(copy, &w->e);
        }
    }
    remove_folder(own);
    remove_folder(other);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, make, clean)

int main(void)
{
    const struct CMUnitTest tests[] = {CASE(test_requests), CASE(test_forms), CASE(test_errors),
                                       CASE(test_what_was_asked), CASE(test_stages)};
    return cmocka_run_group_tests_name("job/exchange", tests, NULL, NULL);
}
