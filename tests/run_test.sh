#!/bin/sh
# tests/run.sh counts right, on programs that only print what a cmocka program would: a runner that cannot fail proves nothing.
set -u
here=$(cd "$(dirname "$0")" && pwd)
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
passed=0
failed=0

# expect STATUS TOTAL NAME: what run.sh says of the program or script NAME
expect() {
    TEST_SECONDS=2 "$here/run.sh" "$dir/$3" >"$dir/out" 2>&1
    status=$?
    if [ "$status" = "$1" ] && [ "$(tail -n 1 "$dir/out")" = "$2" ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "run.sh on $3: wanted exit status $1 and '$2', found $status and:"
        cat "$dir/out"
    fi
}

make() { # NAME, text of the program on standard input
    { echo '#!/bin/sh' && cat; } >"$dir/$1"
    chmod +x "$dir/$1"
}

begin='echo "[==========] Running 2 test(s)."; echo "[ RUN      ] one"; echo "[       OK ] one"; echo "[ RUN      ] two"'
echo "$begin; echo '[       OK ] two'" | make good
echo "$begin; echo '[  FAILED  ] two'; exit 1" | make bad
echo "$begin; echo '[  SKIPPED ] two'" | make skipped
echo "$begin; kill -SEGV \$\$" | make crashed
echo "$begin; sleep 20" | make slow
echo "$begin; echo '[       OK ] two'; exit 99" | make leaking
echo 'echo "[==========] Running 3 test(s)."; echo "[ RUN      ] one"; echo "[       OK ] one"' | make stopped
echo 'exit 0' | make silent
echo 'exit 0' | make good.sh
echo 'exit 3' | make bad.sh
echo 'echo "5 passed, 0 failed"' | make five.sh
echo 'echo "0 passed, 0 failed"' | make empty.sh
echo 'echo "4 passed, 1 failed"; exit 1' | make four.sh
echo 'echo "5 passed, 0 failed"; exit 1' | make liar.sh

expect 0 '2 passed, 0 failed' good
expect 1 '1 passed, 1 failed' bad
expect 1 '1 passed, 1 failed' skipped
expect 1 '1 passed, 1 failed' crashed
expect 1 '1 passed, 1 failed' slow
expect 1 '2 passed, 1 failed' leaking
expect 1 '1 passed, 2 failed' stopped
expect 1 '0 passed, 1 failed' silent
expect 1 '0 passed, 1 failed' missing
expect 0 '1 passed, 0 failed' good.sh
expect 1 '0 passed, 1 failed' bad.sh
expect 0 '5 passed, 0 failed' five.sh
expect 1 '0 passed, 1 failed' empty.sh
expect 1 '4 passed, 1 failed' four.sh
expect 1 '5 passed, 1 failed' liar.sh

# Several at a time: all are counted, in their order.
TEST_JOBS=3 TEST_SECONDS=2 "$here/run.sh" "$dir/five.sh" "$dir/slow" "$dir/bad" "$dir/good" "$dir/four.sh" >"$dir/out" 2>&1
status=$?
names=$(sed -n 's/^\(ok\|FAILED\)  *[^ ]*\/\([^ ]*\).*/\2/p' "$dir/out" | tr '\n' ' ')
if [ $status = 1 ] && [ "$names" = 'five.sh slow bad good four.sh ' ] && [ "$(tail -n 1 "$dir/out")" = '13 passed, 3 failed' ]; then
    passed=$((passed + 1))
else
    failed=$((failed + 1))
    echo "run.sh on five programs, three at a time: status $status, names $names, and:"
    cat "$dir/out"
fi

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
