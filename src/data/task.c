/* The rows of the four benchmarks. The prompts are our own; the published ones are not ours to
 * ship (annotate.prompt takes a file). */
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

static const Task tasks[] = {
    {.name = "textvqa",
     .metric = METRIC_VQA,
     .prompt = reading,
     .list = "data",
     .question = "question",
     .answers = "answers",
     .image = "image_id",
     .prefix = {"", ""},
     .suffix = ".jpg"},
    {.name = "stvqa",
     .metric = METRIC_ANLS,
     .prompt = reading,
     .list = "data",
     .question = "question",
     .answers = "answers",
     .image = "file_path",
     .prefix = {"", ""},
     .suffix = ""},
    {.name = "chartqa",
     .metric = METRIC_RELAXED,
     .prompt = charts,
     .question = "query",
     .answers = "label",
     .image = "imgname",
     .prefix = {"", ""},
     .suffix = ""},
    {.name = "okvqa",
     .metric = METRIC_VQA,
     .prompt = knowledge,
     .question = "question",
     .answers = "answers",
     .image = "image_id",
     .prefix = {"COCO_train2014_", "COCO_val2014_"},
     .digits = 12,
     .suffix = ".jpg"},
};

const Task *task_find(const char *name)
{
    for (size_t i = 0; i < sizeof tasks / sizeof *tasks; i++)
        if (!strcmp(tasks[i].name, name))
            return tasks + i;
    return NULL;
}
