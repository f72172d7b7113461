/* mpa: the Model Parity Aligner. One line per command. */
#include "base/printable.h"
#include "base/signals.h"
#include "base/start.h"
#include "base/word.h"
#include "command/command.h"
#include "image/image.h"
#include "kernel/kernels.h"

#include <stdio.h>
#include <string.h>

static const Command *const commands[] = {
    &command_plan,  &command_run,     &command_annotate, &command_identify, &command_level, &command_evaluate,
    &command_ask,   &command_trace,   &command_compare,  &command_tokenize, &command_bench, &command_inspect,
    &command_merge, &command_explain, &command_report,   &command_ablate,
};
enum { COMMANDS = sizeof commands / sizeof *commands };

/* With the sets of kernels that this CPU can run, the one that is taken first, and what decodes JPEG. */
static void print_version(void)
{
    output("mpa %s\nkernels:", MPA_VERSION);
    for (int i = 0; kernels_available(i); i++)
        output(" %s", kernels_available(i)->name);
    output("\nJPEG: %s\n", image_jpeg_decoder());
}

static void print_help(void)
{
    output(
        "mpa %s: aligns a small vision-language model to a large one, from unlabeled pictures.\n\nusage:\n",
        MPA_VERSION);
    for (size_t i = 0; i < COMMANDS; i++)
        output("  mpa %-9s %s\n                %s\n", commands[i]->name, commands[i]->arguments,
               commands[i]->summary);
    output("\n  mpa COMMAND --help, mpa --version\n  --quiet, --verbose with every command\n"
           "  MPA_KERNELS=NAME in the environment: inner loops for that instruction set (mpa --version lists "
           "them, the usual one first)\n\n"
           "Exit status: 0 done, 1 failed, 2 wrong usage or configuration, 3 a bad input file, 4 not enough "
           "memory or disk,\n"
           "5 a number that is not finite in training, 6 compare found a difference, 130 interrupted.\n");
}

static void print_command_help(const Command *c)
{
    output("usage: mpa %s %s\n%s.\n%s", c->name, c->arguments, c->summary, c->help);
}

static int fail(const Log *l, const Error *e, const Command *c)
{
    log_error(l, e);
    if (e->arguments && c)
        printable_printf(stderr, "usage: mpa %s %s   (mpa %s --help)\n", c->name, c->arguments, c->name);
    return (int)e->status;
}

static const Command *find(const char *name, Error *e)
{
    const char *words[COMMANDS + 1] = {0};
    for (size_t i = 0; i < COMMANDS; i++) {
        if (!strcmp(commands[i]->name, name))
            return commands[i];
        words[i] = commands[i]->name;
    }
    const char *near = nearest_word(name, words);
    error_arguments(e, "unknown command %s%s%s%s (mpa --help lists all)", name, near ? "; did you mean " : "",
                    near ? near : "", near ? "?" : "");
    return NULL;
}

/* The options that every command has. */
typedef struct {
    bool help, quiet, verbose;
} CommonOptions;

/* Takes them out of the arguments; a "--" ends options. */
static CommonOptions common_options(char **arguments, int *count)
{
    CommonOptions o = {false, false, false};
    int kept = 0;
    bool ended = false;
    for (int i = 0; i < *count; i++) {
        const char *a = arguments[i];
        ended |= !strcmp(a, "--");
        if (!ended && !strcmp(a, "--help")) {
            o.help = true;
        } else if (!ended && !strcmp(a, "--quiet")) {
            o.quiet = true;
        } else if (!ended && !strcmp(a, "--verbose")) {
            o.verbose = true;
        } else {
            arguments[kept] = arguments[i];
            kept++;
        }
    }
    *count = kept;
    return o;
}

/* The exit status. Text that could not be written is a failure. */
static int finish(const Log *l, Error *e, const Command *c, Status status)
{
    const bool unwritten = fflush(stdout) || ferror(stdout);
    if (unwritten)
        signals_end_if_unread();
    if (unwritten && status == OK)
        status = error_set(e, FAILED, "standard output: cannot write");
    if (status == OK || status == DIFFERENT)
        return (int)status;
    if (status == INTERRUPTED) {
        log_info(l, "mpa: interrupted; finished work is saved; run the same command to go on");
        signals_finish();
        return INTERRUPTED;
    }
    return fail(l, e, c);
}

int main(int argc, char **argv)
{
    Error e = {0};
    Invocation in = {.arguments = argv + 1, .count = argc > 0 ? argc - 1 : 0};
    process_start();
    const CommonOptions o = common_options(in.arguments, &in.count);
    log_init(&in.log, o.quiet, o.verbose);
    const char *name = in.count ? in.arguments[0] : o.help ? "help" : "";
    const Command *c = NULL;
    Status status = OK;
    if (!strcmp(name, "help")) {
        print_help();
    } else if (!strcmp(name, "--version")) {
        print_version();
    } else if (!*name) {
        status = error_arguments(&e, "a command is needed (mpa --help lists all)");
    } else {
        c = find(name, &e);
        status = e.status;
    }
    if (c && o.help) {
        print_command_help(c);
    } else if (c) {
        in.arguments++;
        in.count--;
        status = c->run(&in, &e);
    }
    return finish(&in.log, &e, c, status);
}
