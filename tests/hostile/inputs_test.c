/* Bad tokenizers, pictures, data sets, stage files and configurations, through the commands that read them: read
 * src/text/, src/image/, src/data/, src/mpa/, src/config/. */
#include "fixture/golden.h"
#include "fixture/model_folder.h"
#include "hostile/hostile.h"

#include "base/folder.h"
#include "base/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define VOCAB "\"vocab\":{\"a\":0,\"b\":1,\"ab\":2}"
#define ENDS                                                                                                 \
    "\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false},\"decoder\":{\"type\":"           \
    "\"ByteLevel\"}"
#define MODEL "\"model\":{" VOCAB ",\"merges\":[\"a b\"]}"

static const BadText tokenizers[] = {
    {"empty", "", "not valid JSON"},
    {"cut off", "{" MODEL, "not valid JSON"},
    {"a list", "[]", "wanted an object"},
    {"a key twice", "{" MODEL "," MODEL "," ENDS "}", "duplicate"},
    {"no model", "{" ENDS "}", "model"},
    {"a model that is a list", "{\"model\":[]," ENDS "}", "model"},
    {"a model of another kind", "{\"model\":{\"type\":\"Unigram\"," VOCAB ",\"merges\":[]}," ENDS "}",
     "Unigram"},
    {"no vocabulary", "{\"model\":{\"merges\":[]}," ENDS "}", "vocab"},
    {"a vocabulary that is a list", "{\"model\":{\"vocab\":[\"a\"],\"merges\":[]}," ENDS "}", "vocab"},
    {"a negative id", "{\"model\":{\"vocab\":{\"a\":-1},\"merges\":[]}," ENDS "}", "wanted an id"},
    {"an id of 2^26 - 1", "{\"model\":{\"vocab\":{\"a\":67108863},\"merges\":[]}," ENDS "}",
     "from 0 to 4194303"},
    {"an id of 2^31", "{\"model\":{\"vocab\":{\"a\":2147483648},\"merges\":[]}," ENDS "}", "wanted an id"},
    {"an id of 2^64", "{\"model\":{\"vocab\":{\"a\":18446744073709551616},\"merges\":[]}," ENDS "}",
     "wanted an id"},
    {"an id that is text", "{\"model\":{\"vocab\":{\"a\":\"0\"},\"merges\":[]}," ENDS "}", "wanted an id"},
    {"an id twice", "{\"model\":{\"vocab\":{\"a\":0,\"b\":0},\"merges\":[]}," ENDS "}",
     "belongs to another token"},
    {"no merges", "{\"model\":{" VOCAB "}," ENDS "}", "merges"},
    {"merges that are text", "{\"model\":{" VOCAB ",\"merges\":\"a b\"}," ENDS "}", "merges"},
    {"a merge of one", "{\"model\":{" VOCAB ",\"merges\":[\"ab\"]}," ENDS "}", "merges[0]"},
    {"a merge of three", "{\"model\":{" VOCAB ",\"merges\":[\"a b a\"]}," ENDS "}", "merges[0]"},
    {"a merge of three in a list", "{\"model\":{" VOCAB ",\"merges\":[[\"a\",\"b\",\"a\"]]}," ENDS "}",
     "merges[0]"},
    {"a merge of numbers", "{\"model\":{" VOCAB ",\"merges\":[[1,2]]}," ENDS "}", "merges[0]"},
    {"a merge of unknown tokens", "{\"model\":{" VOCAB ",\"merges\":[\"x y\"]}," ENDS "}", "merges[0]"},
    {"a merge to an unknown token", "{\"model\":{" VOCAB ",\"merges\":[\"b a\"]}," ENDS "}", "merges[0]"},
    {"an unknown normalizer", "{" MODEL ",\"normalizer\":{\"type\":\"Lowercase\"}," ENDS "}", "Lowercase"},
    {"an unknown pre-tokenizer",
     "{" MODEL ",\"pre_tokenizer\":{\"type\":\"Metaspace\"},\"decoder\":{\"type\":\"ByteLevel\"}}",
     "Metaspace"},
    {"no pre-tokenizer", "{" MODEL ",\"decoder\":{\"type\":\"ByteLevel\"}}", "pre_tokenizer"},
    {"an unknown pattern",
     "{" MODEL ",\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\",\"pattern\":"
     "{\"Regex\":\"(a+)+$\"},"
     "\"behavior\":\"Isolated\",\"invert\":false},{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"use_"
     "regex\":false}]},"
     "\"decoder\":{\"type\":\"ByteLevel\"}}",
     "pre_tokenizer"},
    {"an unknown decoder",
     "{" MODEL ",\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false},\"decoder\":{\"type\":"
     "\"WordPiece\"}}",
     "WordPiece"},
    {"no decoder", "{" MODEL ",\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false}}",
     "decoder"},
    {"a sequence of unknown normalizers",
     "{" MODEL
     ",\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"NFC\"},{\"type\":\"Strip\"}]}," ENDS
     "}",
     "Strip"},
    {"a space in front",
     "{" MODEL ",\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":true},\"decoder\":{\"type\":"
     "\"ByteLevel\"}}",
     "add_prefix_space"},
    {"a step after ByteLevel",
     "{" MODEL ",\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"ByteLevel\",\"add_"
     "prefix_space\":false},"
     "{\"type\":\"Digits\",\"individual_digits\":true}]},\"decoder\":{\"type\":\"ByteLevel\"}}",
     "a step after ByteLevel"},
    {"a pattern after digits",
     "{" MODEL ",\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Digits\","
     "\"individual_digits\":true},"
     "{\"type\":\"Split\",\"pattern\":{\"Regex\":\"a\"},\"behavior\":\"Isolated\"}]},\"decoder\":{\"type\":"
     "\"ByteLevel\"}}",
     "Split after Digits"},
    {"digits in groups",
     "{" MODEL ",\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Digits\","
     "\"individual_digits\":false},"
     "{\"type\":\"ByteLevel\",\"add_prefix_space\":false}]},\"decoder\":{\"type\":\"ByteLevel\"}}",
     "Digits"},
    {"a post-processor that adds",
     "{" MODEL ",\"post_processor\":{\"type\":\"TemplateProcessing\"}," ENDS "}", "TemplateProcessing"},
    {"added tokens that are no list", "{" MODEL ",\"added_tokens\":{}," ENDS "}", "added_tokens"},
    {"an added token without content", "{" MODEL ",\"added_tokens\":[{\"id\":7}]," ENDS "}",
     "added_tokens[0].content"},
    {"an empty added token", "{" MODEL ",\"added_tokens\":[{\"id\":7,\"content\":\"\"}]," ENDS "}",
     "is empty"},
    {"an added token without id", "{" MODEL ",\"added_tokens\":[{\"content\":\"<x>\"}]," ENDS "}",
     "added_tokens[0].id"},
    {"an added token's negative id",
     "{" MODEL ",\"added_tokens\":[{\"id\":-7,\"content\":\"<x>\"}]," ENDS "}", "added_tokens[0].id"},
    {"an added token's huge id",
     "{" MODEL ",\"added_tokens\":[{\"id\":67108863,\"content\":\"<x>\"}]," ENDS "}", "added_tokens[0].id"},
    {"an added token with another's id",
     "{" MODEL ",\"added_tokens\":[{\"id\":1,\"content\":\"<x>\"}]," ENDS "}", "id 1"},
    {"two added tokens of one id",
     "{" MODEL ",\"added_tokens\":[{\"id\":7,\"content\":\"<x>\"},{\"id\":7,\"content\":\"<y>\"}]," ENDS "}",
     "clashes"},
    {"two added tokens of one content",
     "{" MODEL ",\"added_tokens\":[{\"id\":7,\"content\":\"<x>\"},{\"id\":8,\"content\":\"<x>\"}]," ENDS "}",
     "clashes"},
    {"a flag that is a number",
     "{" MODEL ",\"added_tokens\":[{\"id\":7,\"content\":\"<x>\",\"special\":1}]," ENDS "}", "special"},
    {"a lone surrogate", "{\"model\":{\"vocab\":{\"\\ud800\":0},\"merges\":[]}," ENDS "}", "not valid JSON"},
    {"no UTF-8", "{\"model\":{\"vocab\":{\"\xC3\":0},\"merges\":[]}," ENDS "}", "not valid JSON"},
};

static void test_tokenizers(void **state)
{
    (void)state;
    Hostile h;
    hostile_begin(&h);
    for (size_t i = 0; i < sizeof tokenizers / sizeof *tokenizers; i++) {
        hostile_file(&h, "tokenizer.json", tokenizers[i].text, strlen(tokenizers[i].text));
        hostile_case(&h, tokenizers[i].name, 3, tokenizers[i].word,
                     (const char *const[]){"tokenize", "--model", h.scratch.folder, NULL});
    }
    Text lists = {0};
    Error e = {0};
    text_add(&lists, "{\"model\":[", &e);
    hostile_lists(&lists);
    text_add(&lists, "[]]}", &e);
    hostile_file(&h, "tokenizer.json", lists.data, lists.count);
    hostile_case(&h, "two million lists", 3, "bytes of memory, more than the 201326592",
                 (const char *const[]){"tokenize", "--model", h.scratch.folder, NULL});
    text_free(&lists);
    hostile_end(&h, 40);
}

/* The broken pictures of golden/image and golden/fuzz, and files of other kinds. */
static void test_pictures(void **state)
{
    (void)state;
    static const BadText others[] = {
        {"empty", "", "is empty"},
        {"one byte", "\x89", "unknown kind"},
        {"GIF", "GIF89a....", "GIF"},
        {"a web page", "<html>", "a web page"},
        {"BMP", "BM......", "BMP"},
        {"a PNG signature alone", "\x89PNG\r\n\x1a\n", "cut off"},
        {"a JPEG start alone", "\xFF\xD8\xFF", "cut off"},
    };
    Hostile h;
    char path[400];
    hostile_begin(&h);
    snprintf(path, sizeof path, "%s", scratch_path(&h.scratch, "picture"));
    const char *const ask[] = {"ask", "--model", "weights/demo-student", "--image", path, "--prompt",
                               "x",   NULL};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        hostile_file(&h, "picture", others[i].text, strlen(others[i].text));
        hostile_case(&h, others[i].name, 3, others[i].word, ask);
    }
    Json list = golden_rows("image/broken", 40);
    json_t *c;
    size_t i;
    json_array_foreach(list.root, i, c)
    {
        Text bytes = {0};
        Error e = {0};
        const char *hex = row_string(c, "file");
        for (; *hex && hex[1]; hex += 2) {
            const char digits[3] = {hex[0], hex[1], 0};
            const char byte = (char)strtol(digits, NULL, 16);
            text_add_bytes(&bytes, &byte, 1, &e);
        }
        hostile_file(&h, "picture", text_string(&bytes), bytes.count);
        if (!json_is_true(json_object_get(c, "accept")))
            hostile_case(&h, row_string(c, "name"), 3, path, ask);
        text_free(&bytes);
    }
    json_close(&list);
    assert_int_equal(truncate(hostile_file(&h, "picture", "\xFF\xD8\xFF", 3), 256000001), 0);
    hostile_case(&h, "a picture of more than 256 MB", 3, "may have at most 256000000", ask);
    hostile_case(&h, "the folder", 3, "not a regular file",
                 (const char *const[]){"ask", "--model", "weights/demo-student", "--image", "conf",
                                       "--prompt", "x", NULL});
    hostile_case(&h, "a device", 3, "not a regular file",
                 (const char *const[]){"ask", "--model", "weights/demo-student", "--image", "/dev/zero",
                                       "--prompt", "x", NULL});
    hostile_case(&h, "not there", 3, "No such file",
                 (const char *const[]){"ask", "--model", "weights/demo-student", "--image",
                                       "none\x1b[31m.png", "--prompt", "x", NULL});
    hostile_end(&h, 30);
}

#define Q "\"question_id\":1,\"question\":\"q\""

/* Questions of okvqa and textvqa, to be scored with a file of predictions. */
static const BadText questions[] = {
    {"no JSON", "[", "not valid JSON"},
    {"an object", "{}", "wanted a list"},
    {"no entry", "[]", "holds no questions"},
    {"an entry that is text", "[\"x\"]", "entry 0"},
    {"no id", "[{\"question\":\"q\",\"image_id\":7,\"answers\":[\"a\"]}]", "question_id"},
    {"an id that is a list", "[{\"question_id\":[],\"question\":\"q\",\"image_id\":7,\"answers\":[\"a\"]}]",
     "question_id"},
    {"no question", "[{\"question_id\":1,\"image_id\":7,\"answers\":[\"a\"]}]", "question"},
    {"a question that is a number", "[{\"question_id\":1,\"question\":7,\"image_id\":7,\"answers\":[\"a\"]}]",
     "question"},
    {"no picture", "[{" Q ",\"answers\":[\"a\"]}]", "image"},
    {"a negative picture", "[{" Q ",\"image_id\":-1,\"answers\":[\"a\"]}]", "image"},
    {"a picture that is text", "[{" Q ",\"image_id\":\"\",\"answers\":[\"a\"]}]", "image"},
    {"no answers", "[{" Q ",\"image_id\":7}]", "answers"},
    {"empty answers", "[{" Q ",\"image_id\":7,\"answers\":[]}]", "answers"},
    {"an answer that is a number", "[{" Q ",\"image_id\":7,\"answers\":[1]}]", "answers"},
    {"an answer that is null", "[{" Q ",\"image_id\":7,\"answers\":[\"a\",null]}]", "answers"},
    {"answers that are an object", "[{" Q ",\"image_id\":7,\"answers\":{}}]", "answers"},
    {"a NUL in a question",
     "[{\"question_id\":1,\"question\":\"a\\u0000b\",\"image_id\":7,\"answers\":[\"a\"]}]", "not valid JSON"},
    {"a NaN", "[{\"question_id\":NaN}]", "not valid JSON"},
    {"a key twice", "[{\"question_id\":1,\"question_id\":2}]", "duplicate"},
    {"a picture without UTF-8", "[{" Q ",\"image_id\":\"\xFF\",\"answers\":[\"a\"]}]", "not valid JSON"},
};

static void test_data_sets(void **state)
{
    (void)state;
    Hostile h;
    char run[500], path[500], dir[500];
    hostile_begin(&h);
    snprintf(run, sizeof run, "evaluate.predictions=%s", scratch_path(&h.scratch, "p.json"));
    snprintf(path, sizeof path, "evaluate.questions=%s", scratch_path(&h.scratch, "q.json"));
    snprintf(dir, sizeof dir, "run.dir=%s", h.scratch.folder);
    hostile_file(&h, "p.json", "[]", 2);
    for (size_t i = 0; i < sizeof questions / sizeof *questions; i++) {
        hostile_file(&h, "q.json", questions[i].text, strlen(questions[i].text));
        hostile_case(&h, questions[i].name, 3, questions[i].word,
                     (const char *const[]){"evaluate", "conf/demo-okvqa.ini", "data.task=okvqa", dir, path,
                                           run, NULL});
    }
    hostile_end(&h, 20);
}

#define ROW "\"question_id\":1,\"image_path\":\"p.jpg\""

/* identify from files. */
static const char from_files[] =
    "[run]\ndir = run\n[teacher]\nannotations = a.json\nanswers = t.json\n[student]\nanswers = s.json\n";

/* Files of stages, for identify from files. */
static const struct {
    const char *name, *annotations, *answers, *word;
} stage_files[] = {
    {"annotations that are no JSON", "x", "[]", "not valid JSON"},
    {"annotations that are an object", "{}", "[]", "wanted a list"},
    {"annotations of numbers", "[1]", "[]", "entry 0"},
    {"answers that are no JSON", "[{" ROW "}]", "{", "not valid JSON"},
    {"answers that are null", "[{" ROW "}]", "null", "wanted a list"},
    {"answers of lists", "[{" ROW "}]", "[[]]", "entry 0"},
    {"an answer without an id", "[{" ROW "}]", "[{\"predictions\":\"x\"}]", "question_id"},
    {"an answer whose id is null", "[{" ROW "}]", "[{\"question_id\":null,\"predictions\":\"x\"}]",
     "question_id"},
};

static void test_stage_files(void **state)
{
    (void)state;
    Hostile h;
    char conf[400];
    hostile_begin(&h);
    snprintf(conf, sizeof conf, "%s", hostile_file(&h, "c.ini", from_files, strlen(from_files)));
    for (size_t i = 0; i < sizeof stage_files / sizeof *stage_files; i++) {
        const char *a = stage_files[i].annotations;
        const char *s = stage_files[i].answers;
        hostile_file(&h, "a.json", a, strlen(a));
        hostile_file(&h, "s.json", s, strlen(s));
        hostile_file(&h, "t.json", s, strlen(s));
        hostile_case(&h, stage_files[i].name, 3, stage_files[i].word,
                     strcmp(s, "[]") ? (const char *const[]){"identify", conf, NULL}
                                     : (const char *const[]){"identify", conf, "student.answers=",
                                                             "student.model=weights/demo-student", NULL});
    }
    Error e = {0};
    folder_remove(scratch_path(&h.scratch, "run"), &e);
    hostile_end(&h, 8);
}

/* provenance.json of a run folder whose parity.json is there; and last an answer of the teacher's without an id. */
static const BadText provenances[] = {
    {"provenance that is no JSON", "{", "provenance.json:1: not valid JSON"},
    {"provenance that is a list", "[]", "provenance.json: wanted an object, found an array"},
    {"provenance that is null", "null", "provenance.json: wanted an object, found null"},
    {"an entry that is a number", "{\"parity.json\":3}", "the entry parity.json lacks settings or inputs"},
    {"an entry without settings", "{\"parity.json\":{\"inputs\":{}}}",
     "run/provenance.json: the entry parity.json lacks"},
    {"inputs that are a list", "{\"parity.json\":{\"settings\":{},\"inputs\":[]}}",
     "the entry parity.json lacks"},
};

static void test_run_folders(void **state)
{
    (void)state;
    static const char row[] = "[{" ROW ",\"PA_question\":\"q\",\"PA_answer\":\"x\",\"predictions\":\"x\"}]";
    static const char no_id[] = "[{\"predictions\":\"x\"}]";
    Hostile h;
    char conf[400];
    Error e = {0};
    hostile_begin(&h);
    snprintf(conf, sizeof conf, "%s", hostile_file(&h, "c.ini", from_files, strlen(from_files)));
    hostile_file(&h, "a.json", row, strlen(row));
    hostile_file(&h, "s.json", row, strlen(row));
    hostile_file(&h, "t.json", row, strlen(row));
    assert_int_equal(folder_make(scratch_path(&h.scratch, "run"), &e), OK);
    hostile_file(&h, "run/parity.json", "[]", 2);
    for (size_t i = 0; i < sizeof provenances / sizeof *provenances; i++) {
        hostile_file(&h, "run/provenance.json", provenances[i].text, strlen(provenances[i].text));
        hostile_case(&h, provenances[i].name, 3, provenances[i].word,
                     (const char *const[]){"identify", conf, NULL});
    }
    folder_remove(scratch_path(&h.scratch, "run"), &e);
    hostile_file(&h, "t.json", no_id, strlen(no_id));
    hostile_case(&h, "a teacher's answer without an id", 3, "t.json: entry 0: question_id",
                 (const char *const[]){"identify", conf, NULL});
    hostile_end(&h, 7);
}

static const BadText configurations[] = {
    {"no section", "dir = x\n", "run"},
    {"an unknown section", "[ruin]\ndir = x\n", "ruin"},
    {"an unknown key", "[run]\ndri = x\n", "did you mean dir"},
    {"an unknown key far from all", "[run]\nzzzzzzzz = x\n", "zzzzzzzz"},
    {"no equals", "[run]\ndir\n", "wanted [section]"},
    {"an open bracket", "[run\ndir = x\n", "lacks its ]"},
    {"text behind a section", "[run] x\n", "nothing may follow"},
    {"an indented line", "[run]\n dir = x\n", "indented"},
    {"a number that is text", "[run]\nseed = many\n", "run.seed"},
    {"a number beyond 64 bits", "[run]\nseed = 99999999999999999999\n", "run.seed"},
    {"a negative number", "[data]\nlimit = -1\n", "data.limit"},
    {"a number that is not finite", "[level]\nlearning_rate = inf\n", "level.learning_rate"},
    {"NaN", "[level]\nlearning_rate = nan\n", "level.learning_rate"},
    {"a word that is none of them", "[data]\nmissing = never\n", "data.missing"},
    {"an unknown task", "[data]\ntask = gqa\n", "data.task"},
    {"a shard beyond its count", "[data]\nshard = 3/2\n", "data.shard"},
    {"a shard without a count", "[data]\nshard = 1\n", "data.shard"},
    {"a memory of nothing", "[run]\nmemory = G\n", "run.memory"},
    {"batch and micro-batch", "[level]\nbatch = 3\nmicro_batch = 2\n", "does not divide"},
    {"pixels the wrong way round", "[image]\nmin_pixels = 9\nmax_pixels = 8\n", "is more than"},
    {"a semicolon in quotes", "[run]\ndir = \"a ; b\"\n", "semicolon"},
    {"an escape in a value", "[run]\ndir = a\x1b[31m\n", "no control character"},
    {"a delete in a value", "[run]\ndir = a\x7f\n", "no control character"},
    {"a map without equals", "[data]\nimage_map = x\n", "OLD=NEW"},
};

static void test_configurations(void **state)
{
    (void)state;
    Hostile h;
    char conf[400];
    Text line = {0};
    Error e = {0};
    hostile_begin(&h);
    snprintf(conf, sizeof conf, "%s", scratch_path(&h.scratch, "c.ini"));
    const char *const run[] = {"run", conf, NULL};
    for (size_t i = 0; i < sizeof configurations / sizeof *configurations; i++) {
        hostile_file(&h, "c.ini", configurations[i].text, strlen(configurations[i].text));
        hostile_case(&h, configurations[i].name, 2, configurations[i].word, run);
    }
    hostile_file(&h, "c.ini", "[run]\ndir = a\0b\n", 16);
    hostile_case(&h, "a NUL", 2, "holds a NUL byte", run);
    text_add(&line, "[run]\ndir = ", &e);
    for (int i = 0; i < 300; i++)
        text_add(&line, "x", &e);
    hostile_file(&h, "c.ini", line.data, line.count);
    hostile_case(&h, "a long line", 2, "at most 190", run);
    text_clear(&line);
    for (int i = 0; i < 1100000; i++)
        text_add(&line, "\n", &e);
    hostile_file(&h, "c.ini", line.data, line.count);
    hostile_case(&h, "a file of more than 1 MB", 2, "more than", run);
    text_free(&line);
    hostile_case(&h, "not there", 2, "No such file", (const char *const[]){"run", "none.ini", NULL});
    hostile_case(&h, "a folder", 2, "not a regular file", (const char *const[]){"run", "conf", NULL});
    hostile_case(&h, "a device", 2, "not a regular file", (const char *const[]){"run", "/dev/zero", NULL});
    hostile_end(&h, 30);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tokenizers),  cmocka_unit_test(test_pictures),
        cmocka_unit_test(test_data_sets),   cmocka_unit_test(test_stage_files),
        cmocka_unit_test(test_run_folders), cmocka_unit_test(test_configurations)};
    return cmocka_run_group_tests_name("hostile/inputs", tests, NULL, NULL);
}
