/* SIGINT and SIGTERM. The handler only sets a flag, which the work asks for where it can stop. */
#include "base/signals.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

/* The number of the first signal; 0: none yet. A handler has no argument, so this is the one piece of
 * state that cannot be passed. */
static volatile int caught;

static void on_signal(int number)
{
    if (caught) {
        signal(number, SIG_DFL);
        raise(number);
        return;
    }
    static const char text[] = "\nstopping at the next safe place; press again to stop at once\n";
    caught = number;
    if (write(2, text, sizeof text - 1) < 0)
        return;
}

void signals_catch(void)
{
    struct sigaction a;
    memset(&a, 0, sizeof a);
    a.sa_handler = on_signal;
    sigemptyset(&a.sa_mask);
    a.sa_flags = SA_RESTART;
    sigaction(SIGINT, &a, NULL);
    sigaction(SIGTERM, &a, NULL);
    a.sa_handler = SIG_IGN;
    sigaction(SIGXFSZ, &a, NULL);
    sigaction(SIGPIPE, &a, NULL);
}

void signals_end_if_unread(void)
{
    if (errno == EPIPE) {
        signal(SIGPIPE, SIG_DFL);
        raise(SIGPIPE);
    }
}

const volatile int *signals_flag(void)
{
    return &caught;
}

void signals_finish(void)
{
    if (caught == SIGINT) {
        signal(caught, SIG_DFL);
        raise(caught);
    }
}
