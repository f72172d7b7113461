/* Pictures and questions: the four data sets' readers, lists, folders, which pictures are taken
 * and which paths refused. src/data/items.c, src/data/dataset.c,
 * src/data/pictures.c. */
#include "fixture/scratch.h"

#include "base/folder.h"
#include "data/items.h"
#include "data/metrics.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* A configuration in the scratch folder, whose pictures lie in its folder "in". */
typedef struct {
    Scratch s;
    Config c;
    Items items;
    Error e;
} World;

static int make(void **state)
{
    static World w;
    Error e = {0};
    w = (World){0};
    scratch_make(&w.s);
    assert_int_equal(folder_make(scratch_path(&w.s, "in"), &e), OK);
    *state = &w;
    return 0;
}

static int clean(void **state)
{
    World *w = *state;
    Error e = {0};
    items_free(&w->items);
    config_free(&w->c);
    assert_int_equal(folder_remove(scratch_path(&w->s, "in"), &e), OK);
    scratch_remove(&w->s);
    return 0;
}

/* A grey picture of one pixel. */
static void touch(World *w, const char *name)
{
    static const char png[] =
        "\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\0\0\0\0:~\x9bU\0\0\0\nIDATx\xda"
        "ch\0\0\0\x82\0\x81\xda"
        "E\x08;\0\0\0\0IEND\xae"
        "B`\x82";
    scratch_write(&w->s, name, png, sizeof png - 1);
}

/* The pictures (or questions) of a configuration that holds these lines. */
static Status items(World *w, const char *lines, bool questions)
{
    items_free(&w->items);
    config_free(&w->c);
    w->e = (Error){0};
    const char *path = scratch_write(&w->s, "c.ini", lines, strlen(lines));
    if (config_load(&w->c, path, NULL, 0, &w->e) != OK)
        fail_msg("%s", w->e.text);
    return questions ? items_load_questions(&w->items, &w->c, &w->e)
                     : items_load_images(&w->items, &w->c, &w->e);
}

static void good(World *w, const char *lines, bool questions, int64_t count)
{
    if (items(w, lines, questions) != OK)
        fail_msg("%s", w->e.text);
    assert_int_equal(w->items.count, count);
}

static void bad(World *w, const char *lines, bool questions, const char *wanted)
{
    Status status = items(w, lines, questions);
    if (status != BAD_INPUT || !strstr(w->e.text, wanted))
        fail_msg("status %d, \"%s\"; wanted \"%s\"", (int)status, w->e.text, wanted);
}

static void put(World *w, const char *name, const char *text)
{
    scratch_write(&w->s, name, text, strlen(text));
}

static void is(const Item *i, int64_t id, const char *image, const char *question, const char *answer)
{
    assert_int_equal(json_integer_value(i->id), id);
    assert_string_equal(i->image, image);
    assert_string_equal(i->question, question);
    assert_string_equal(most_frequent(i->answers), answer);
}

static void test_readers(void **state)
{
    World *w = *state;
    static const char *const names[] = {"in/a.jpg", "in/b.png", "in/COCO_train2014_000000000007.jpg", NULL};
    for (int i = 0; names[i]; i++)
        touch(w, names[i]);
    put(w, "t.json",
        "{\"data\": [{\"image_id\": \"a\", \"question\": \"q?\", \"question_id\": 3, \"answers\": [\"x\", "
        "\"y\", \"y\"]}]}");
    good(w, "[data]\ntask = textvqa\nimages = t.json\nimage_root = in\n", false, 1);
    is(w->items.item, 3, "a.jpg", "q?", "y");
    assert_true(w->items.item->file && strstr(w->items.item->file, "in/a.jpg"));
    put(w, "s.json",
        "{\"data\": [{\"file_path\": \"b.png\", \"question\": \"q\", \"question_id\": 4, \"answers\": "
        "[\"x\", \"y\"]}]}");
    good(w, "[data]\ntask = stvqa\nimages = s.json\nimage_root = in\n", false, 1);
    is(w->items.item, 4, "b.png", "q", "x");
    put(w, "c.json", "[{\"imgname\": \"b.png\", \"query\": \"q\", \"label\": \"z\", \"question_id\": 5}]");
    good(w, "[data]\ntask = chartqa\nimages = c.json\nimage_root = in\n", false, 1);
    is(w->items.item, 5, "b.png", "q", "z");
    put(w, "o.json",
        "[{\"image_id\": 7, \"qas\": [{\"question_id\": 1, \"question\": \"p\", \"answers\": [\"x\"]},"
        "{\"question_id\": 2, \"question\": \"q\", \"answers\": [{\"answer\": \"y\"}]}]}]");
    good(w, "[data]\ntask = okvqa\nimages = o.json\nimage_root = in\n", false, 1); /* one for a picture */
    is(w->items.item, 1, "COCO_train2014_000000000007.jpg", "p", "x");
    assert_int_equal(w->items.shared, 1);
    good(w, "[data]\ntask = okvqa\n[evaluate]\nquestions = o.json\n", true, 2);
    is(w->items.item + 1, 2, "COCO_val2014_000000000007.jpg", "q", "y");
}

static Status find(World *w)
{
    const PictureSource pictures = picture_source_questions(&w->c);
    return items_find_pictures(&w->items, &pictures, &w->e);
}

/* Labels can be scored without pictures. */
static void test_questions(void **state)
{
    World *w = *state;
    put(w, "o.json",
        "[{\"image_id\": 7, \"question_id\": \"1a\", \"question\": \"p\", \"answers\": [\"x\"]}]");
    const char *lines = "[data]\ntask = okvqa\n[evaluate]\nquestions = o.json\nimage_root = in\n";
    good(w, lines, true, 1);
    assert_string_equal(json_string_value(w->items.item->id), "1a");
    assert_string_equal(w->items.item->image, "COCO_val2014_000000000007.jpg");
    assert_null(w->items.item->file);
    assert_int_equal(find(w), BAD_INPUT);
    touch(w, "in/COCO_val2014_000000000007.jpg");
    w->e = (Error){0};
    assert_int_equal(find(w), OK);
    assert_non_null(w->items.item->file);
}

static void test_wrong_files(void **state)
{
    World *w = *state;
    static const struct {
        const char *text, *wanted;
    } cases[] = {
        {"{\"data\": []}", "wanted a list"},
        {"[3]", "entry 0: entry: wanted an object"},
        {"[{\"question\": \"q\"}]", "entry 0: question_id: wanted an integer or a string, found nothing"},
        {"[{\"question_id\": 1}]", "entry 0: question: wanted a string"},
        {"[{\"question_id\": 1, \"question\": \"q\", \"image_id\": \"7\"}]",
         "entry 0: image_id: wanted an integer"},
        {"[{\"question_id\": 1, \"question\": \"q\", \"image_id\": -7}]", "image_id"},
        {"[{\"question_id\": 1, \"question\": \"q\", \"image_id\": 7, \"answers\": []}]",
         "entry 0: answers: wanted"},
        {"[{\"question_id\": 1, \"question\": \"q\", \"image_id\": 7, \"answers\": [1]}]",
         "entry 0: answers: wanted"},
        {"[{", "o.json"},
        {"[]", "no pictures"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        put(w, "o.json", cases[i].text);
        bad(w, "[data]\ntask = okvqa\nimages = o.json\n", false, cases[i].wanted);
    }
    bad(w, "[data]\ntask = okvqa\nimages = none.json\n", false, "none.json");
}

static void test_folder_and_selection(void **state)
{
    World *w = *state;
    static const char *const names[] = {"in/b.PNG", "in/a.jpg",     "in/d.jpeg",
                                        "in/c.jpg", "in/notes.txt", NULL};
    for (int i = 0; names[i]; i++)
        touch(w, names[i]);
    good(w, "[data]\nimages = in\n", false, 4);
    assert_string_equal(w->items.item[0].image, "a.jpg");
    assert_string_equal(w->items.item[1].image, "b.PNG");
    assert_null(w->items.item[0].question);
    good(w, "[data]\nimages = in\nshard = 1/2\n", false, 2);
    /* the number in the whole list, in every shard */
    assert_int_equal(json_integer_value(w->items.item[0].id), 1);
    assert_int_equal(json_integer_value(w->items.item[1].id), 3);
    good(w, "[data]\nimages = in\nlimit = 3\n", false, 3);
    good(w, "[data]\nimages = in\nshard = 0/3\nlimit = 1\n", false, 1);
}

/* Only pictures that are taken are looked for. */
static void test_list_and_missing(void **state)
{
    World *w = *state;
    touch(w, "in/a.jpg");
    put(w, "l.txt", "\xEF\xBB\xBFin/a.jpg\r\n\r\nin/gone.jpg\n/old/in/a.jpg");
    bad(w, "[data]\nimages = l.txt\n", false, "gone.jpg");
    good(w, "[data]\nimages = l.txt\nlimit = 1\n", false, 1);
    char lines[500];
    snprintf(lines, sizeof lines,
             "[data]\nimages = l.txt\nmissing = skip\nimage_map = /older=x\nimage_map = /old=%s\n",
             w->s.folder);
    good(w, lines, false, 3);
    assert_int_equal(w->items.skipped, 1);
    assert_true(w->items.item[0].file && !w->items.item[1].file && w->items.item[2].file);
    assert_string_equal(w->items.item[2].image, "/old/in/a.jpg"); /* as it was given */
    put(w, "l.txt", "in/\xFF.jpg\n");
    bad(w, "[data]\nimages = l.txt\nmissing = skip\n", false, "not UTF-8");
}

/* A stranger's list must not reach files outside, nor anything but files. */
static void test_paths_outside(void **state)
{
    World *w = *state;
    char in[320], link[320];
    touch(w, "out.jpg");
    strcpy(in, scratch_path(&w->s, "out.jpg"));
    strcpy(link, scratch_path(&w->s, "in/link.jpg"));
    assert_int_equal(symlink(in, link), 0);
    assert_int_equal(mkfifo(scratch_path(&w->s, "in/fifo.jpg"), 0600), 0);
    assert_int_equal(mkdir(scratch_path(&w->s, "in/sub.jpg"), 0700), 0);
    static const char *const names[] = {"../out.jpg", "link.jpg", "fifo.jpg", "sub.jpg", "/etc/passwd"};
    for (int i = 0; i < 5; i++) {
        char text[100];
        snprintf(text, sizeof text, "%s\n", names[i]);
        put(w, "in/l.txt", text);
        bad(w, "[data]\nimages = in/l.txt\nmissing = skip\n", false,
            i == 2 || i == 3 ? "not a regular file" : "does not lie below");
    }
    assert_int_equal(rmdir(scratch_path(&w->s, "in/sub.jpg")), 0);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, make, clean)

int main(void)
{
    const struct CMUnitTest tests[] = {CASE(test_readers),          CASE(test_questions),
                                       CASE(test_wrong_files),      CASE(test_folder_and_selection),
                                       CASE(test_list_and_missing), CASE(test_paths_outside)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
