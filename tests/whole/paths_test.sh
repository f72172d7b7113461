#!/bin/sh
# What src/, tests/ and ref/ name is there; and paths.sh, which says so, finds what is not, on small trees made here.
set -u
here=$(cd "$(dirname "$0")" && pwd)
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
passed=0
failed=0

# verdict STATUS WANTED NAME: counts one check; prints what paths.sh said where it is not as wanted
verdict() {
    if [ "$1" = "$2" ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "paths.sh, wanted exit status $2: $3"
        cat "$dir/out"
    fi
}

# expect 0|1 NAME TEXT: with this text in a test, in a tree with src/layer/rope.c, golden/layer/rope-far.json and README.md
expect() {
    rm -rf "$dir/tree"
    mkdir -p "$dir/tree/src/layer" "$dir/tree/tests/layer" "$dir/tree/ref" "$dir/tree/golden/layer"
    echo 'void rope_turn(void);' >"$dir/tree/src/layer/rope.c"
    echo '{}' >"$dir/tree/golden/layer/rope-far.json"
    echo 'Read.' >"$dir/tree/README.md"
    printf '%s\n' "$3" >"$dir/tree/tests/layer/rope_test.c"
    "$here/paths.sh" "$dir/tree" >"$dir/out" 2>&1
    verdict "$?" "$1" "$2"
}

"$here/paths.sh" >"$dir/out" 2>&1
verdict "$?" 0 'the project'

expect 0 'a file'                    'fail_msg("read src/layer/rope.c");'
expect 0 'a folder'                  'fail_msg("read src/layer/");'
expect 0 'a pattern'                 '/* golden/layer/CASE.json, src/layer/*.c */'
expect 0 'a golden without ending'   'golden_open(&g, "golden/layer/rope-far");'
expect 0 'a function of the file'    'fail_msg("read src/layer/rope.c (rope_turn), and more");'
expect 0 'a function in the file'    'fail_msg("read rope_turn in src/layer/rope.c");'
expect 0 'a page and a test'         '/* README.md; rope_test fails too */'
expect 0 'a file by its name'        '/* as rope.c has it */'
expect 0 'a string in two parts'     "$(printf 'fail_msg("read src/layer/"\n         "rope.c");')"
expect 1 'no such file'              'fail_msg("read src/layer/rope_text.c");'
expect 1 'no such folder'            'fail_msg("read src/layers/");'
expect 1 'a pattern without a match' '/* golden/model/CASE.json */'
expect 1 'no such golden'            'golden_open(&g, "golden/layer/rope-near");'
expect 1 'another function'          'fail_msg("read src/layer/rope.c (rope_turn, rope_move)");'
expect 1 'a part of a function name' 'fail_msg("read src/layer/rope.c (turn)");'
expect 1 'another function in it'    'fail_msg("read rope_move in src/layer/rope.c");'
expect 1 'no such page'              '/* see contract.md */'
expect 1 'no such test'              '/* rope_far_test fails too */'
expect 1 'no such file by its name'  '/* as ropes.c has it */'
expect 1 'a string in two parts'     "$(printf 'fail_msg("read src/layer/"\n         "ropes.c");')"

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
