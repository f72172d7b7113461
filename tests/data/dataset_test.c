/* Data set files as their makers distribute them, plain lists, tasks of one's own, and instructions that
 * are recognised. src/data/dataset.c, src/data/task_file.c, src/data/prompt.c. */
#include "fixture/scratch.h"

#include "data/items.h"
#include "data/metrics.h"
#include "data/prompt.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

typedef struct {
    Scratch s;
    Config c;
    Items items;
    Error e;
} World;

static int make(void **state)
{
    static World w;
    w = (World){0};
    scratch_make(&w.s);
    *state = &w;
    return 0;
}

static int clean(void **state)
{
    World *w = *state;
    items_free(&w->items);
    config_free(&w->c);
    scratch_remove(&w->s);
    return 0;
}

static void put(World *w, const char *name, const char *text)
{
    scratch_write(&w->s, name, text, strlen(text));
}

static void configure(World *w, const char *lines)
{
    items_free(&w->items);
    config_free(&w->c);
    w->e = (Error){0};
    put(w, "c.ini", lines);
    if (config_load(&w->c, scratch_path(&w->s, "c.ini"), NULL, 0, &w->e) != OK)
        fail_msg("%s", w->e.text);
}

/* The questions of a file q.json (or .jsonl) for the task. */
static Status questions(World *w, const char *task, const char *name, const char *text)
{
    char lines[200];
    put(w, name, text);
    snprintf(lines, sizeof lines, "[data]\ntask = %s\n[evaluate]\nquestions = %s\n", task, name);
    configure(w, lines);
    return items_load_questions(&w->items, &w->c, &w->e);
}

/* The unlabeled pictures of the file; none is there, and all are skipped. */
static Status pictures(World *w, const char *task, const char *name, const char *text)
{
    char lines[200];
    put(w, name, text);
    snprintf(lines, sizeof lines, "[data]\ntask = %s\nimages = %s\nmissing = skip\n", task, name);
    configure(w, lines);
    return items_load_images(&w->items, &w->c, &w->e);
}

/* Item i, after a good status; answers are joined by "/". */
static void is(World *w, Status status, int64_t i, const char *id, const char *image, const char *question,
               const char *answers)
{
    Text found = {0};
    Text all = {0};
    if (status != OK)
        fail_msg("%s", w->e.text);
    assert_true(i < w->items.count);
    const Item *item = w->items.item + i;
    id_text(&found, item->id, &w->e);
    assert_string_equal(text_string(&found), id);
    assert_string_equal(item->image, image);
    assert_int_equal(item->question == NULL, question == NULL);
    if (question)
        assert_string_equal(item->question, question);
    for (size_t k = 0; k < json_array_size(item->answers); k++)
        text_format(&all, &w->e, "%s%s", k ? "/" : "", json_string_value(json_array_get(item->answers, k)));
    assert_string_equal(text_string(&all), answers);
    text_free(&found);
    text_free(&all);
}

static void refused(World *w, Status status, const char *wanted)
{
    if (status != BAD_INPUT || !strstr(w->e.text, wanted))
        fail_msg("status %d, \"%s\"; wanted \"%s\"", (int)status, w->e.text, wanted);
}

/* OK-VQA: questions and annotations apart. The pictures' names follow data_subtype, not the use. */
static void test_okvqa(void **state)
{
    World *w = *state;
    static const char file[] = "OpenEnded_mscoco_val2014_questions.json";
    static const char text[] =
        "{\"info\": {}, \"data_subtype\": \"val2014\", \"questions\": ["
        "{\"image_id\": 297147, \"question\": \"What sport?\", \"question_id\": 2971475},"
        "{\"image_id\": 339761, \"question\": \"What animal?\", \"question_id\": 3397615}]}";
    refused(w, questions(w, "okvqa", file, text), "holds questions alone; wanted their answers in");
    assert_non_null(strstr(w->e.text, "/mscoco_val2014_annotations.json"));
    is(w, pictures(w, "okvqa", file, text), 1, "3397615", "COCO_val2014_000000339761.jpg", "What animal?",
       "");
    put(w, "mscoco_val2014_annotations.json",
        "{\"annotations\": [{\"image_id\": 339761, \"question_id\": 3397615, \"answers\": ["
        "{\"answer_id\": 1, \"raw_answer\": \"cats\", \"answer\": \"cat\"},"
        "{\"answer_id\": 2, \"raw_answer\": \"dog\", \"answer\": \"dog\"}]},"
        "{\"image_id\": 297147, \"question_id\": 2971475, \"answers\": [{\"answer\": \"race\"}]}]}");
    const Status good = questions(w, "okvqa", file, text);
    is(w, good, 0, "2971475", "COCO_val2014_000000297147.jpg", "What sport?", "race");
    is(w, good, 1, "3397615", "COCO_val2014_000000339761.jpg", "What animal?", "cat/dog");
    refused(w, questions(w, "okvqa", "mscoco_val2014_annotations.json", "{\"annotations\": []}"),
            "holds answers alone; name the file of their questions");
    refused(w, questions(w, "okvqa", file, text), "entry 0: there is no annotation of question 2971475");
    put(w, "mscoco_val2014_annotations.json", "{\"annotations\": {}}");
    refused(w, questions(w, "okvqa", file, text), "wanted an object with a list \"annotations\"");
    put(w, "mscoco_val2014_annotations.json", "{\"annotations\": [{\"question_id\": null}]}");
    refused(w, questions(w, "okvqa", file, text), "entry 0: question_id: wanted an integer or a string");
    remove(scratch_path(&w->s, "mscoco_val2014_annotations.json"));
    refused(w, questions(w, "okvqa", "vqa.json", text), "wanted their answers in");
    assert_non_null(strstr(w->e.text, "/vqa.json.annotations"));
    const char *train = "{\"data_subtype\": \"train2014\", \"questions\": ["
                        "{\"image_id\": 7, \"question\": \"q\", \"question_id\": 1}]}";
    put(w, "mscoco_train2014_annotations.json",
        "{\"annotations\": [{\"question_id\": 1, \"answers\": [{\"answer\": \"x\"}]}]}");
    is(w, questions(w, "okvqa", "OpenEnded_mscoco_train2014_questions.json", train), 0, "1",
       "COCO_train2014_000000000007.jpg", "q", "x");
}

/* ChartQA as distributed has no ids: its entries are counted. */
static void test_chartqa(void **state)
{
    World *w = *state;
    static const char text[] =
        "[{\"imgname\": \"41699051005347.png\", \"query\": \"How many?\", \"label\": \"14\"},"
        "{\"imgname\": \"two.png\", \"query\": \"Which?\", \"label\": [\"a\", \"b\"]}]";
    const Status good = questions(w, "chartqa", "test_human.json", text);
    is(w, good, 0, "0", "41699051005347.png", "How many?", "14");
    is(w, good, 1, "1", "two.png", "Which?", "a/b");
    refused(w, questions(w, "textvqa", "t.json", "{\"data\": [{\"image_id\": \"a\", \"question\": \"q\"}]}"),
            "entry 0: question_id: wanted an integer or a string, found nothing");
}

/* TextVQA: each of the rows about a picture is a question, but the picture is annotated once. A test set
 * without answers is as good as any pictures. */
static void test_textvqa(void **state)
{
    World *w = *state;
    static const char text[] =
        "{\"dataset_type\": \"train\", \"data\": ["
        "{\"question\": \"one?\", \"image_id\": \"0054c91397f2fe05\", \"question_id\": 0, \"answers\": "
        "[\"x\", \"x\"]},"
        "{\"question\": \"two?\", \"image_id\": \"0054c91397f2fe05\", \"question_id\": 1, \"answers\": "
        "[\"y\"]},"
        "{\"question\": \"three?\", \"image_id\": \"b\", \"question_id\": 2, \"answers\": [\"z\"]}]}";
    is(w, questions(w, "textvqa", "t.json", text), 1, "1", "0054c91397f2fe05.jpg", "two?", "y");
    assert_int_equal(w->items.count, 3);
    const Status good = pictures(w, "textvqa", "t.json", text);
    is(w, good, 0, "0", "0054c91397f2fe05.jpg", "one?", "x/x");
    is(w, good, 1, "2", "b.jpg", "three?", "z");
    assert_int_equal(w->items.count, 2);
    static const char unlabelled[] =
        "{\"data\": [{\"question\": \"one?\", \"image_id\": \"a\", \"question_id\": 5}]}";
    is(w, pictures(w, "textvqa", "t.json", unlabelled), 0, "5", "a.jpg", "one?", "");
    refused(w, questions(w, "textvqa", "t.json", unlabelled), "entry 0: answers: wanted a string or a list");
}

/* {image, question, answers} with any task, as a list or a line each. */
static void test_plain(void **state)
{
    World *w = *state;
    static const char lines[] =
        "\xEF\xBB\xBF{\"image\": \"a.png\"}\n\n"
        "{\"image\": \"b/c.png\", \"question\": \"q\", \"answer\": \"x\", \"id\": \"k7\"}\r\n"
        "{\"image\": \"d.png\", \"question\": \"r\", \"answers\": [\"y\", \"z\"], \"question_id\": 9}";
    Status good = pictures(w, "textvqa", "p.jsonl", lines);
    is(w, good, 0, "0", "a.png", NULL, "");
    is(w, good, 1, "k7", "b/c.png", "q", "x");
    is(w, good, 2, "9", "d.png", "r", "y/z");
    refused(w, questions(w, "textvqa", "p.jsonl", lines),
            "entry 0: question: wanted a string, found nothing");
    is(w, questions(w, "okvqa", "p.json", "[{\"image\": \"a.png\", \"question\": \"q\", \"answer\": \"x\"}]"),
       0, "0", "a.png", "q", "x");
    refused(w, pictures(w, "okvqa", "p.jsonl", "{\"image\": \"a.png\"}\n{\"image\": 3\n"),
            "p.jsonl:2: not valid JSON");
    refused(w, pictures(w, "okvqa", "p.jsonl", "{\"image\": \"a.png\"}\n{\"image\": 3}\n"),
            "entry 1: image: wanted a string, found an integer");
    refused(w, pictures(w, "okvqa", "p.jsonl", "[]"), "entry 0: entry: wanted an object, found an array");
}

static void test_own_task(void **state)
{
    World *w = *state;
    put(w, "prompt.txt", "Ask.\n");
    put(w, "own.ini",
        "[task]\nmetric = anls\nprompt = prompt.txt\nlist = rows\nimage = number\nquestion = ask\n"
        "answers = \"say\"\nid = key\npicture = train/%03d.png\ntest_picture = test/%03d.jpeg\n");
    static const char text[] =
        "{\"rows\": [{\"number\": 7, \"ask\": \"q\", \"say\": [\"x\"], \"key\": \"k\"},"
        "{\"number\": 1234, \"ask\": \"r\", \"say\": \"y\"}]}";
    is(w, pictures(w, "own.ini", "p.json", text), 0, "k", "train/007.png", "q", "x");
    const Status good = questions(w, "own.ini", "p.json", text);
    is(w, good, 0, "k", "test/007.jpeg", "q", "x");
    is(w, good, 1, "1", "test/1234.jpeg", "r", "y");
    Text prompt = {0};
    assert_int_equal(task_metric(&w->c, &w->e), METRIC_ANLS);
    assert_int_equal(prompt_load(&prompt, NULL, &w->c, &w->e), OK);
    assert_string_equal(text_string(&prompt), "Ask.\n");
    text_free(&prompt);
    put(w, "own.ini", "[task]\npicture = %s.jpg\n");
    is(w, questions(w, "own.ini", "p.json", "[{\"image\": \"a\", \"question\": \"q\", \"answers\": \"x\"}]"),
       0, "0", "a.jpg", "q", "x");
    put(w, "own.ini", "[task]\npicture = n%d.jpg\n");
    is(w, questions(w, "own.ini", "p.json", "[{\"image\": 5, \"question\": \"q\", \"answers\": \"x\"}]"), 0,
       "0", "n5.jpg", "q", "x");
    assert_int_equal(task_metric(&w->c, &w->e), METRIC_MPA);
    assert_int_equal(prompt_load(&prompt, NULL, &w->c, &w->e), OK);
    assert_non_null(strstr(text_string(&prompt), "Question: "));
    text_free(&prompt);
}

/* Each message names file, line, key and what is allowed. */
static void test_wrong_tasks(void **state)
{
    World *w = *state;
    static const struct {
        const char *text, *wanted;
    } cases[] = {
        {"[task]\nmetric = bleu\n", "own.ini:2: metric = bleu: allowed: mpa, vqa, vqa-2015, anls or relaxed"},
        {"[task]\n\nmetrik = vqa\n", "own.ini:3: unknown key metrik in [task] (allowed: metric prompt"},
        {"[data]\nmetric = vqa\n", "own.ini:2: unknown section [data] (allowed: task)"},
        {"[task]\npicture = a.jpg\n", "own.ini:2: picture = a.jpg: allowed: a path with one %s or %d"},
        {"[task]\npicture = %s%s\n", "allowed: a path with one"},
        {"[task]\npicture = %5s\n", "allowed: a path with one"},
        {"[task]\npicture = %x\n", "allowed: a path with one"},
        {"[task]\npicture = %\n", "allowed: a path with one"},
        {"[task]\nlist =\n", "own.ini:2: list has no value"},
    };
    configure(w, "[data]\ntask = own.ini\n");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Task t;
        Error e = {0};
        put(w, "own.ini", cases[i].text);
        const Status status = task_open(&t, &w->c, &e);
        task_close(&t);
        if (status != BAD_USAGE || !strstr(e.text, cases[i].wanted))
            fail_msg("case %zu: status %d, \"%s\"; wanted \"%s\"", i, (int)status, e.text, cases[i].wanted);
    }
    remove(scratch_path(&w->s, "own.ini"));
    refused(w, pictures(w, "okvqa", "p.jsonl", ""), "no pictures");
    configure(w, "[data]\ntask = own.ini\nimages = p.jsonl\n");
    assert_int_equal(items_load_images(&w->items, &w->c, &w->e), BAD_USAGE);
    assert_non_null(strstr(w->e.text, "own.ini: No such file"));
}

/* The published instructions are known by hash alone, so that the test of them is one of the hashes. */
static void test_prompts(void **state)
{
    World *w = *state;
    Text prompt = {0};
    Text about = {0};
    const char *own = task_find("chartqa")->prompt;
    assert_string_equal(prompt_known(own, strlen(own)), "mpa's own of chartqa");
    assert_string_equal(prompt_known("", 0), "");
    put(w, "p.txt", own);
    configure(w, "[annotate]\nprompt = p.txt\n");
    assert_int_equal(prompt_load(&prompt, &about, &w->c, &w->e), OK);
    assert_non_null(strstr(text_string(&about), "p.txt: mpa's own of chartqa"));
    text_add(&prompt, "\n", &w->e);
    put(w, "p.txt", text_string(&prompt));
    text_clear(&prompt);
    text_clear(&about);
    assert_int_equal(prompt_load(&prompt, &about, &w->c, &w->e), OK);
    assert_non_null(strstr(text_string(&about), "mpa's own of chartqa, with one more line end"));
    put(w, "p.txt", "abc");
    text_clear(&about);
    assert_int_equal(prompt_load(&prompt, &about, &w->c, &w->e), OK);
    assert_non_null(strstr(text_string(&about), "none that is known (SHA-256 ba7816bf8f01cfea..."));
    scratch_write(&w->s, "p.txt", "a\0b", 3);
    refused(w, prompt_load(&prompt, NULL, &w->c, &w->e), "p.txt: holds a NUL byte");
    w->e = (Error){0};
    put(w, "p.txt", "");
    refused(w, prompt_load(&prompt, NULL, &w->c, &w->e), "p.txt: is empty");
    text_free(&prompt);
    text_free(&about);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, make, clean)

int main(void)
{
    const struct CMUnitTest tests[] = {CASE(test_okvqa),  CASE(test_chartqa),  CASE(test_textvqa),
                                       CASE(test_plain),  CASE(test_own_task), CASE(test_wrong_tasks),
                                       CASE(test_prompts)};
    return cmocka_run_group_tests_name("data/dataset", tests, NULL, NULL);
}
