#!/bin/sh
# tests/rooms/rooms.sh finds what it is there to find, on small trees made here.
set -u
here=$(dirname "$0")
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
passed=0
failed=0

# expect 0|1 NAME FILE LINE: with only this line in only this file, rooms.sh exits with this status
expect() {
    rm -rf "$dir/src"
    mkdir -p "$dir/src/$(dirname "$3")"
    printf '%s\n' "$4" >"$dir/src/$3"
    "$here/rooms.sh" "$dir/src" >"$dir/out" 2>&1
    if [ "$?" = "$1" ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "rooms.sh, wanted exit status $1: $2"
        cat "$dir/out"
    fi
}

expect 0 'a room below'                layer/linear.c  '#include "tensor/gemm.h"'
expect 0 'its own room'                layer/linear.c  '#include "layer/layer.h"'
expect 0 'main.c and the last room'    main.c          '#include "command/command.h"'
expect 0 'POSIX in base'               base/file.c     '#include <unistd.h>'
expect 0 'standard C anywhere'         mpa/identify.c  '#include <stdio.h>'
expect 1 'a room above'                tensor/gemm.c   '#include "layer/layer.h"'
expect 1 'a room above, with spaces'   base/file.h     '  #  include   "tensor/param.h"'
expect 1 'a room that does not exist'  layer/linear.c  '#include "misc/things.h"'
expect 1 'no room'                     layer/linear.c  '#include "layer.h"'
expect 1 'a folder that is no room'    misc/things.c   '#include <stdio.h>'
expect 1 'POSIX outside base'          mpa/identify.c  '#include <unistd.h>'
expect 1 'sys outside base'            main.c          '#include <sys/stat.h>'
expect 0 'a family its own'            model/family/a/a.c      '#include "model/family/a/picture.h"'
expect 0 'a family the blocks'         model/family/a/a.c      '#include "model/block/decoder.h"'
expect 0 'the table all families'      model/family/families.c '#include "model/family/a/a.h"'
expect 0 'a room above what is shared' job/answerer.c          '#include "model/sample.h"'
expect 1 'a family another'            model/family/a/a.c      '#include "model/family/b/picture.h"'
expect 1 'a block a family'            model/block/decoder.c   '#include "model/family/a/a.h"'
expect 1 'model/ a family'             model/vlm.c             '#include "model/family/a/a.h"'
expect 1 'model/ a block'              model/vlm.c             '#include "model/block/decoder.h"'
expect 1 'a room above a family'       job/answerer.c          '#include "model/family/a/a.h"'

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
