/* Folders of pictures, and pictures that are missing or cannot be read. src/data/pictures.c,
 * src/data/items.c, src/base/walk.c. */
#include "fixture/scratch.h"

#include "base/file.h"
#include "base/folder.h"
#include "data/items.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* A grey picture of one pixel. */
static const char png[] = "\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\0\0\0\0:~\x9bU\0\0\0\nIDATx"
                          "\xda"
                          "ch\0\0\0\x82\0\x81\xda"
                          "E\x08;\0\0\0\0IEND\xae"
                          "B`\x82";
enum { PNG_BYTES = sizeof png - 1, PNG_DATA = 44 }; /* where a byte of its compressed data is */

/* Folders, those within others first. */
static const char *const folders[] = {"photos/2024/b", "photos/2024", "photos/links",
                                      "photos",        "store",       NULL};

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
    for (int i = 0; folders[i]; i++)
        assert_int_equal(folder_make(scratch_path(&w.s, folders[i]), &e), OK);
    *state = &w;
    return 0;
}

static int clean(void **state)
{
    World *w = *state;
    Error e = {0};
    items_free(&w->items);
    config_free(&w->c);
    for (int i = 0; folders[i]; i++)
        if (folder_remove(scratch_path(&w->s, folders[i]), &e) != OK)
            fail_msg("%s", e.text);
    scratch_remove(&w->s);
    return 0;
}

static void put(World *w, const char *name)
{
    scratch_write(&w->s, name, png, PNG_BYTES);
}

static void put_link(World *w, const char *to, const char *name)
{
    char target[320];
    snprintf(target, sizeof target, "%s/%s", w->s.folder, to);
    assert_int_equal(symlink(target, scratch_path(&w->s, name)), 0);
}

static Status load(World *w, const char *lines)
{
    items_free(&w->items);
    config_free(&w->c);
    w->e = (Error){0};
    const char *path = scratch_write(&w->s, "c.ini", lines, strlen(lines));
    if (config_load(&w->c, path, NULL, 0, &w->e) != OK)
        fail_msg("%s", w->e.text);
    return items_load_images(&w->items, &w->c, &w->e);
}

/* The pictures must be these, in this order, and all of them must be there. */
static void good(World *w, const char *lines, const char *const *wanted)
{
    int64_t count = 0;
    if (load(w, lines) != OK)
        fail_msg("%s", w->e.text);
    for (; wanted[count]; count++) {
        if (count == w->items.count)
            fail_msg("%s is not listed", wanted[count]);
        assert_string_equal(w->items.item[count].image, wanted[count]);
        assert_true(file_size(w->items.item[count].file) > 0);
        assert_int_equal(json_integer_value(w->items.item[count].id), count);
    }
    assert_int_equal(w->items.count, count);
}

static void bad(World *w, const char *lines, const char *wanted)
{
    const Status status = load(w, lines);
    if (status != BAD_INPUT || !strstr(w->e.text, wanted))
        fail_msg("status %d, \"%s\"; wanted \"%s\"", (int)status, w->e.text, wanted);
}

/* All below the folder, by bytes: "a.png" before "a/b.png", capitals first. Hidden files are none. */
static void test_recursive(void **state)
{
    World *w = *state;
    static const char *const names[] = {"photos/2024/IMG_0008.JPG", "photos/2024/b/z.png",
                                        "photos/2024/b.png",        "photos/2024/.hidden.png",
                                        "photos/2024/notes.txt",    NULL};
    for (int i = 0; names[i]; i++)
        put(w, names[i]);
    good(w, "[data]\nimages = photos\n",
         (const char *const[]){"2024/IMG_0008.JPG", "2024/b.png", "2024/b/z.png", NULL});
    good(w, "[data]\nimages = photos/2024\n",
         (const char *const[]){"IMG_0008.JPG", "b.png", "b/z.png", NULL});
    /* seen from the root, as the paths of a list are */
    good(w, "[data]\nimages = photos/2024\nimage_root = photos\n",
         (const char *const[]){"2024/IMG_0008.JPG", "2024/b.png", "2024/b/z.png", NULL});
    bad(w, "[data]\nimages = photos\nimage_root = photos/2024\n", "does not lie below");
}

/* A folder of links is read with the root that the message asks for. */
static void test_links(void **state)
{
    World *w = *state;
    put(w, "store/a.png");
    put_link(w, "store/a.png", "photos/links/x.png");
    bad(w, "[data]\nimages = photos/links\n", "set image_root to a folder that holds it");
    good(w, "[data]\nimages = photos/links\nimage_root = .\n",
         (const char *const[]){"photos/links/x.png", NULL});
}

/* Links to folders: below the root they are followed, each folder is listed once, and rings end. */
static void test_links_to_folders(void **state)
{
    World *w = *state;
    put(w, "store/a.png");
    put(w, "photos/2024/b/z.png");
    put_link(w, "store", "photos/links/other");
    put_link(w, "photos", "photos/links/ring");
    put_link(w, "photos/2024/b", "photos/2024/again");
    put_link(w, "photos", "store/ring");
    bad(w, "[data]\nimages = photos\n", "links/other: does not lie below");
    good(w, "[data]\nimages = photos\nimage_root = .\n",
         (const char *const[]){"photos/2024/b/z.png", "photos/links/other/a.png", NULL});
    assert_int_equal(unlink(scratch_path(&w->s, "photos/links/other")), 0);
    good(w, "[data]\nimages = photos\n", (const char *const[]){"2024/b/z.png", NULL});
}

/* What is no picture is found before any model is loaded, and all of it is said at once. */
static void test_unreadable(void **state)
{
    World *w = *state;
    put(w, "photos/a.png");
    put(w, "photos/d.png");
    scratch_write(&w->s, "photos/b.jpg", "RIFF....WEBPVP8 ", 16);
    bad(w, "[data]\nimages = photos\n", "b.jpg: is a WebP picture");
    scratch_write(&w->s, "photos/c.png", "", 0);
    bad(w, "[data]\nimages = photos\n", "2 pictures cannot be read (data.missing = skip leaves them out)");
    assert_non_null(strstr(w->e.text, "b.jpg: is a WebP picture"));
    assert_non_null(strstr(w->e.text, "c.png: is empty"));
    assert_int_equal(load(w, "[data]\nimages = photos\nmissing = skip\n"), OK);
    assert_int_equal(w->items.count, 4);
    assert_int_equal(w->items.skipped, 2);
    static const bool read[] = {true, false, false, true};
    for (int i = 0; i < 4; i++) {
        assert_int_equal(w->items.item[i].file != NULL, read[i]);
        assert_int_equal(w->items.item[i].why == NULL, read[i]);
    }
    assert_non_null(strstr(w->items.item[1].why, "b.jpg: is a WebP picture"));
}

/* A picture that is whole, but whose data are broken, is skipped too: no stage stops in its middle. Where
 * nothing is skipped it is not decoded beforehand; what is cut off is found all the same. */
static void test_broken_data(void **state)
{
    World *w = *state;
    char broken[PNG_BYTES];
    memcpy(broken, png, PNG_BYTES);
    broken[PNG_DATA] ^= 1;
    put(w, "photos/a.png");
    scratch_write(&w->s, "photos/b.png", broken, PNG_BYTES);
    assert_int_equal(load(w, "[data]\nimages = photos\n"), OK);
    assert_int_equal(load(w, "[data]\nimages = photos\nmissing = skip\n"), OK);
    assert_int_equal(w->items.skipped, 1);
    assert_non_null(strstr(w->items.item[1].why, "b.png: the PNG data are broken"));
    scratch_write(&w->s, "photos/b.png", png, PNG_DATA);
    bad(w, "[data]\nimages = photos\n", "b.png: the PNG data are cut off");
}

/* Many faults: the first few are named, all are counted. */
static void test_many(void **state)
{
    World *w = *state;
    char name[40];
    for (int i = 0; i < 30; i++) {
        snprintf(name, sizeof name, "photos/%02d.png", i);
        scratch_write(&w->s, name, "hello", 5);
    }
    bad(w, "[data]\nimages = photos\n", "30 pictures cannot be read");
    assert_non_null(strstr(w->e.text, "04.png: is a file of an unknown kind"));
    assert_null(strstr(w->e.text, "05.png"));
    assert_int_equal(load(w, "[data]\nimages = photos\nmissing = skip\n"), OK);
    assert_int_equal(w->items.skipped, 30);
}

static void test_other_formats(void **state)
{
    World *w = *state;
    static const char *const names[] = {"photos/b.WebP", "photos/c.heic", "photos/2024/a.webp", NULL};
    for (int i = 0; names[i]; i++)
        put(w, names[i]);
    bad(w, "[data]\nimages = photos\n", "3 that are not read, such as 2024/a.webp; convert them: mogrify");
    assert_int_equal(load(w, "[data]\nimages = photos/b.WebP\n"), BAD_USAGE);
    assert_non_null(strstr(w->e.text, "wanted a folder, a .txt list, or a data set"));
    put(w, "photos/a.png");
    good(w, "[data]\nimages = photos\n", (const char *const[]){"a.png", NULL});
    assert_int_equal(w->items.foreign_count, 3);
    assert_string_equal(w->items.foreign[0], "2024/a.webp");
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, make, clean)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_recursive),   CASE(test_links), CASE(test_links_to_folders), CASE(test_unreadable),
        CASE(test_broken_data), CASE(test_many),  CASE(test_other_formats)};
    return cmocka_run_group_tests_name("data/pictures", tests, NULL, NULL);
}
