/* The commands: main.c's table of them, and what each is given. */
#ifndef MPA_COMMAND_COMMAND_H
#define MPA_COMMAND_COMMAND_H

#include "base/log.h"
#include "model/vlm.h"

#ifndef MPA_VERSION
#define MPA_VERSION "unknown"
#endif

/* The arguments after the command's name, without the options that every command has. */
typedef struct {
    Log log;
    char **arguments; /* borrowed */
    int count;
} Invocation;

typedef Status CommandFunction(Invocation *in, Error *e);

typedef struct {
    const char *name;
    CommandFunction *run;
    const char *arguments; /* for the usage line */
    const char *summary;
    const char *help; /* more lines, each ended by a newline; may be "" */
} Command;

CommandFunction command_run, command_annotate, command_identify, command_level, command_evaluate;
CommandFunction command_ask, command_trace, command_compare, command_tokenize, command_inspect, command_bench;

/* BAD_USAGE where an argument is left over. */
Status command_no_arguments(const Invocation *in, Error *e);
/* BAD_USAGE where the option was not given. */
Status command_needs(const char *value, const char *option, Error *e);
/* vlm_open, with its warning. */
Status command_open_model(const Invocation *in, Vlm *vlm, const char *folder, Error *e);

#endif
