/* A command of mpa: one file here that defines a Command, and its line in main.c. */
#ifndef MPA_COMMAND_COMMAND_H
#define MPA_COMMAND_COMMAND_H

#include "base/log.h"
#include "base/options.h"
#include "model/vlm.h"

#ifndef MPA_VERSION
#define MPA_VERSION "unknown"
#endif

/* The arguments after the command's name, without the options that every command has. */
typedef struct {
    Log log;
    char **arguments; /* borrowed */
    int count;
    bool no_table; /* the scores are not printed: another command shows them */
} Invocation;

typedef struct {
    const char *name;
    Status (*run)(Invocation *in, Error *e);
    const char *arguments; /* for the usage line */
    const char *summary;
    const char *help; /* more lines, each ended by a newline; may be "" */
} Command;

extern const Command command_run, command_annotate, command_identify, command_level, command_evaluate;
extern const Command command_ask, command_trace, command_compare, command_tokenize, command_inspect;
extern const Command command_bench, command_merge, command_explain, command_report, command_plan,
    command_ablate;

/* Takes the options out of the arguments; BAD_USAGE where an argument is left over. */
Status command_options(Invocation *in, const Option *options, Error *e);
/* BAD_USAGE where the option was not given. */
Status command_needs(const char *value, const char *option, Error *e);
/* The value of an option as an integer from low to high; *number stays as it is when the option was
 * not given. */
Status command_integer(const char *value, const char *option, int64_t low, int64_t high, int64_t *number,
                       Error *e);
/* vlm_open, with its warning; with an adapter, a PEFT folder, where that is not NULL. */
Status command_open_model(const Invocation *in, Vlm *vlm, const char *folder, const char *adapter, Error *e);
/* Writes bytes to standard output, as they are; a terminal, which could take some of them for commands, gets
 * them printable. FAILED where that is not possible. */
Status command_print(const char *bytes, size_t count, Error *e);

#endif
