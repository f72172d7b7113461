#!/bin/sh
# One way out: what the program writes for people goes through printable_printf (src/base/printable.c), so that no byte of a stranger's file
# acts on a terminal. Calls of stdio that write stand in four files only: printable.c itself; log.c and progress.c, which put constants
# before and behind a message; command.c, where command_print writes results as they are where no terminal reads them.
set -u
cd "$(dirname "$0")/../.." || exit 1
calls='(^|[^a-z_])(printf|fprintf|vprintf|vfprintf|dprintf|puts|fputs|putchar|putc|fputc|putchar_unlocked|fwrite|perror|psignal) *\('

others=$(grep -rnE "$calls" src --include='*.[ch]' | grep -vE '^[^:]*/(printable|log|progress|command)\.c:|^[^:]*:[0-9]*: *(/\*| \*)')
# In log.c and progress.c: constants only.
varying=$(grep -nE "$calls" src/base/log.c src/base/progress.c | grep -vE '(fputs|fputc)\([^%]*["'"'"'?:][^%]*, stderr\)|fputs\(prefix, stderr\)')
raw=$(grep -cE "$calls" src/command/command.c)
# Nor do pieces of a path reach standard error by write(2): process_end's are constants and paths that were made printable, and so is the
# line of progress.c.
writes=$(grep -rnE '(^|[^a-z_])write *\( *[12] *,' src --include='*.c' | grep -vE '^[^:]*/(start|signals|progress)\.c:')

if [ -n "$others$varying$writes" ] || [ "$raw" != 1 ]; then
    printf '%s\n' "$others" "$varying" "$writes" "command.c: $raw calls, wanted 1"
    echo "0 passed, 1 failed"
    exit 1
fi
# The search itself finds what it must.
found=$(printf '    printf("%%s", name);\n    fwrite (p, 1, n, stdout);\n    snprintf(t, 3, "x");\n    probe_inputs(run);\n' | grep -cE "$calls")
[ "$found" = 2 ] || { echo "the search finds $found of 2" && echo "0 passed, 1 failed" && exit 1; }
echo "2 passed, 0 failed"
