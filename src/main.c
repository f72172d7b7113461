/* mpa: the Model Parity Aligner. One line per command. */
#include "base/word.h"
#include "base/signals.h"
#include "command/command.h"
#include "kernel/kernels.h"

#include <stdio.h>
#include <string.h>

static const char stage_help[] =
    "CONF is an INI file; section.key=value overrides one of its keys.\n"
    "  --dump-config    print every key with its value, default and meaning, and stop\n"
    "  --force          go on although memory seems too small\n";

static const Command commands[] = {
    {"run", command_run, "CONF [section.key=value ...]",
     "annotate, identify, level and evaluate, in order; resumes where it stopped", stage_help},
    {"annotate", command_annotate, "CONF [...]",
     "stage 1, pseudo annotator: the teacher writes one question and answer per picture", stage_help},
    {"identify", command_identify, "CONF [...]",
     "stage 2, parity identifier: keep what only the teacher gets right", stage_help},
    {"level", command_level, "CONF [...]", "stage 3, parity leveler: fine-tune the student on the kept pairs",
     stage_help},
    {"evaluate", command_evaluate, "CONF [...]",
     "score student, aligned student and teacher on a labelled set", stage_help},
    {"ask", command_ask, "--model DIR --image FILE... --prompt TEXT [--max-new-tokens N] [--greedy] [--json]",
     "ask a model about pictures",
     "Pictures stand first in the prompt, in the order of --image. Decodes as generation_config.json says.\n"
     "  --max-new-tokens N   at most so many tokens (default 128)\n"
     "  --greedy             no sampling, no repetition penalty\n"
     "  --json               one JSON object: text, token_ids, prompt_tokens, seconds\n"},
    {"trace", command_trace,
     "--model DIR --image FILE... --prompt TEXT [--answer TEXT] [--grad] --out FILE.safetensors",
     "write what every layer computed, and gradients",
     "  --answer TEXT        as in training; adds the loss on the answer\n"
     "  --grad               adds the gradient of every parameter\n"},
    {"compare", command_compare, "A.safetensors B.safetensors [--tolerance X]",
     "which tensor departs first, and by how much",
     "  --tolerance X        largest difference allowed, relative to each tensor's root mean square (default "
     "0)\n"},
    {"tokenize", command_tokenize, "--model DIR [--decode]",
     "standard input to a JSON array of token ids, or back", ""},
    {"bench", command_bench, "--model DIR | --config FILE [--threads N] [--only PARTS] [--json]",
     "speed of prefill, decoding, vision and training beside the machine's own",
     "  --config FILE        a model of the shape that this config.json says, with random weights\n"
     "  --threads N          use N threads (default: all processors)\n"
     "  --only PARTS         some of machine, prefill, decode, vision, train, with commas (default: all)\n"
     "  --json               one JSON object with the same figures\n"
     "Each figure is the median of three. Run it on a machine that does nothing else.\n"},
    {"inspect", command_inspect, "DIR [--batch N] [--tokens N] [--picture-tokens N] [--answer N] [--rank N]",
     "architecture, parameters, tensors, memory that each use will need",
     "  --batch N            for N samples at a time (default 1)\n"
     "  --tokens N           each with a prompt of N tokens (default 512)\n"
     "  --picture-tokens N   of which N stand for pictures (default 256)\n"
     "  --answer N           and an answer of N tokens (default 128)\n"
     "  --rank N             LoRA of this rank on the text model's layers (default 64)\n"},
};
enum { COMMANDS = sizeof commands / sizeof *commands };

/* With the sets of kernels that this CPU can run, the one that is taken first. */
static void print_version(void)
{
    printf("mpa %s\nkernels:", MPA_VERSION);
    for (int i = 0; kernels_available(i); i++)
        printf(" %s", kernels_available(i)->name);
    putchar('\n');
}

static void print_help(void)
{
    printf(
        "mpa %s: aligns a small vision-language model to a large one, from unlabeled pictures.\n\nusage:\n",
        MPA_VERSION);
    for (size_t i = 0; i < COMMANDS; i++)
        printf("  mpa %-9s %s\n                %s\n", commands[i].name, commands[i].arguments,
               commands[i].summary);
    printf("\n  mpa COMMAND --help, mpa --version\n  --quiet, --verbose with every command\n"
           "  MPA_KERNELS=NAME in the environment: inner loops for that instruction set (mpa --version lists "
           "them, the usual one first)\n\n"
           "Exit status: 0 done, 1 failed, 2 wrong usage or configuration, 3 a bad input file, 4 not enough "
           "memory or disk,\n"
           "5 a number that is not finite in training, 6 compare found a difference, 130 interrupted.\n");
}

static int fail(const Log *l, const Error *e, const Command *c)
{
    log_error(l, e);
    if (e->status == BAD_USAGE && c)
        fprintf(stderr, "usage: mpa %s %s   (mpa %s --help)\n", c->name, c->arguments, c->name);
    return (int)e->status;
}

static const Command *find(const char *name, Error *e)
{
    const char *words[COMMANDS + 1] = {0};
    for (size_t i = 0; i < COMMANDS; i++) {
        if (!strcmp(commands[i].name, name))
            return commands + i;
        words[i] = commands[i].name;
    }
    const char *near = nearest_word(name, words);
    error_set(e, BAD_USAGE, "unknown command %s%s%s%s (mpa --help lists all)", name,
              near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
    return NULL;
}

/* Takes out --help, --quiet and --verbose, which every command knows; a "--" ends options. */
static void common_options(char **arguments, int *count, bool *help, bool *quiet, bool *verbose)
{
    int kept = 0;
    bool options = true;
    for (int i = 0; i < *count; i++) {
        options &= strcmp(arguments[i], "--") != 0;
        bool *const flag = !options                             ? NULL
                           : !strcmp(arguments[i], "--help")    ? help
                           : !strcmp(arguments[i], "--quiet")   ? quiet
                           : !strcmp(arguments[i], "--verbose") ? verbose
                                                                : NULL;
        if (flag)
            *flag = true;
        else
            arguments[kept++] = arguments[i];
    }
    *count = kept;
}

/* The exit status. Text that could not be written is a failure. */
static int finish(const Log *l, Status status, Error *e, const Command *c)
{
    if ((fflush(stdout) || ferror(stdout)) && status == OK)
        status = error_set(e, FAILED, "standard output: cannot write");
    if (status == OK || status == DIFFERENT)
        return (int)status;
    if (status == INTERRUPTED) {
        log_info(l, "mpa: interrupted; everything finished so far is kept, the same command goes on");
        signals_finish();
        return INTERRUPTED;
    }
    return fail(l, e, c);
}

int main(int argc, char **argv)
{
    Error e = {0};
    Invocation in = {.arguments = argv + 1, .count = argc > 0 ? argc - 1 : 0};
    bool help = false, quiet = false, verbose = false;
    common_options(in.arguments, &in.count, &help, &quiet, &verbose);
    log_init(&in.log, quiet, verbose);
    const char *name = in.count ? in.arguments[0] : help ? "help" : "";
    const Command *c = NULL;
    Status status = OK;
    if (!strcmp(name, "help")) {
        print_help();
    } else if (!strcmp(name, "--version")) {
        print_version();
    } else if (!*name) {
        status = error_set(&e, BAD_USAGE, "a command is needed (mpa --help lists all)");
    } else if (!(c = find(name, &e))) {
        status = e.status;
    } else if (help) {
        printf("usage: mpa %s %s\n%s.\n%s", c->name, c->arguments, c->summary, c->help);
    } else {
        in.arguments++;
        in.count--;
        signals_catch();
        status = c->run(&in, &e);
    }
    return finish(&in.log, status, &e, c);
}
