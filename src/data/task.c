/* The rows of the four benchmarks, and what a task of one's own starts from. The prompts are our own; the
 * published ones are not ours to ship (annotate.prompt takes a file). */
#include "data/task.h"

#include <stddef.h>
#include <string.h>

static const char reading[] = "Look at the picture and write one question about text that can be read in it, "
                              "together with its answer. The question must be "
                              "answered by reading the picture alone, and must sound like one a person would "
                              "ask. Keep the answer to a word, a short phrase, or "
                              "yes or no.\n"
                              "Reply in exactly this form:\n"
                              "Question: one natural question?\n"
                              "Answer: word, short phrase, yes or no";

static const char charts[] = "Look at the chart and write one question about what it shows, together with "
                             "its answer. The question must be answered from the "
                             "chart alone. Keep the answer to a number, a word or a short phrase.\n"
                             "Kinds of questions to choose from:\n"
                             "- reading one value or label\n"
                             "- comparing two or more values\n"
                             "- a rise, a fall or another trend\n"
                             "- a conclusion that takes a small calculation\n"
                             "Reply in exactly this form:\n"
                             "Question: one natural question?\n"
                             "Answer: number, word or short phrase\n"
                             "Check that the answer is exactly what the chart shows.";

static const char knowledge[] = "Look at the picture and write one question about it together with its "
                                "answer. The question must need knowledge that the picture "
                                "alone does not show, such as history, geography, science or culture, and "
                                "must still be about what can be seen. Keep the answer to "
                                "a single word or a short name.\n"
                                "Kinds of questions to choose from:\n"
                                "- what the thing shown is called\n"
                                "- where it comes from or belongs\n"
                                "- what it stands for or is used for\n"
                                "- who made or uses it, and when\n"
                                "- what else is known about it\n"
                                "Reply in exactly this form:\n"
                                "Question: one natural question?\n"
                                "Answer: one word or short name";

static const char anything[] =
    "Look at the picture and write one question about it, together with its "
    "answer. The question must be answered by looking at the picture, and must "
    "sound like one a person would ask. Keep the answer to a word, a short phrase, "
    "or yes or no.\n"
    "Reply in exactly this form:\n"
    "Question: one natural question?\n"
    "Answer: word, short phrase, yes or no";

/* What a file does not say. */
static const Task own = {
    .name = "own",
    .metric = METRIC_MPA,
    .prompt = anything,
    .question = "question",
    .answers = "answers",
    .id = "id",
    .counts = true,
    .image = "image",
    .picture = {{"", 0, ""}, {"", 0, ""}},
};

static const Task tasks[] = {
    {.name = "textvqa",
     .metric = METRIC_VQA,
     .prompt = reading,
     .list = "data",
     .question = "question",
     .answers = "answers",
     .id = "question_id",
     .image = "image_id",
     .picture = {{"", 0, ".jpg"}, {"", 0, ".jpg"}}},
    {.name = "stvqa",
     .metric = METRIC_ANLS,
     .prompt = reading,
     .list = "data",
     .question = "question",
     .answers = "answers",
     .id = "question_id",
     .image = "file_path",
     .picture = {{"", 0, ""}, {"", 0, ""}}},
    {.name = "chartqa",
     .metric = METRIC_RELAXED,
     .prompt = charts,
     .question = "query",
     .answers = "label",
     .id = "question_id",
     .counts = true, /* the files as distributed have no ids */
     .image = "imgname",
     .picture = {{"", 0, ""}, {"", 0, ""}}},
    {.name = "okvqa",
     .metric = METRIC_VQA,
     .prompt = knowledge,
     .question = "question",
     .answers = "answers",
     .id = "question_id",
     .image = "image_id",
     .picture = {{"COCO_train2014_", 12, ".jpg"}, {"COCO_val2014_", 12, ".jpg"}}},
};

const Task *task_find(const char *name)
{
    for (size_t i = 0; i < sizeof tasks / sizeof *tasks; i++)
        if (!strcmp(tasks[i].name, name))
            return tasks + i;
    return NULL;
}

Status task_open(Task *t, const Config *c, Error *e)
{
    const Task *row = task_find(c->data.task);
    *t = row ? *row : own;
    if (!row && e->status == OK)
        task_read_file(t, c->data.task, e);
    return e->status;
}

void task_close(Task *t)
{
    arena_free(&t->memory);
}

int task_metric(const Config *c, Error *e)
{
    Task t;
    task_open(&t, c, e);
    task_close(&t);
    return e->status == OK ? t.metric : METRIC_MPA;
}
