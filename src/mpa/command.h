/* The commands: main.c's table of them, and what each is given. */
#ifndef MPA_MPA_COMMAND_H
#define MPA_MPA_COMMAND_H

#include "base/log.h"

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

#endif
