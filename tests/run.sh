#!/bin/sh
# Runs test programs one after another and counts their cases:  tests/run.sh PROGRAM|SCRIPT...
#
# A program is a cmocka test: its cases are counted from what it prints. A script (NAME_test.sh) counts as one case, or as what it says in
# a last line `N passed, M failed`. Each runs in the project's root with MPA naming the mpa to test, and is stopped after TEST_SECONDS.
# One line per program; everything that a failing one printed. The last line is the total; the exit status is 1 where something failed,
# was skipped, or no case ran.
set -u
cd "$(dirname "$0")/.." || exit 1

MPA=${MPA:-./mpa}
case $MPA in
/*) ;;
*) MPA=./$MPA ;;
esac
TEST_SECONDS=${TEST_SECONDS:-300}
export MPA

# A sanitizer's finding ends the program with its own status; the threads of libraries that are not compiled with it are no races of ours.
export ASAN_OPTIONS="${ASAN_OPTIONS:-detect_leaks=1:exitcode=99}"
export UBSAN_OPTIONS="${UBSAN_OPTIONS:-print_stacktrace=1:exitcode=99}"
export TSAN_OPTIONS="${TSAN_OPTIONS:-ignore_noninstrumented_modules=1:exitcode=99}"

# Threads that wait in a loop for the next short piece of work make a busy machine many times slower.
export OMP_WAIT_POLICY="${OMP_WAIT_POLICY:-passive}"

log=$(mktemp) || exit 1
trap 'rm -f "$log"' EXIT
trap 'exit 130' INT TERM

limited() {
    if command -v timeout >/dev/null 2>&1; then
        timeout -k 10 "$TEST_SECONDS" "$@"
    else
        "$@"
    fi
}

# "PASSED FAILED" of one program from its output and exit status. A case that began and is not reported as good is a failure (failed,
# skipped, or the program ended in it); so is a declared case that never began, and a bad exit status after good cases only.
count() { # STATUS
    awk -v status="$1" '
        /Running [0-9]+ test/  { match($0, /Running [0-9]+/); declared += substr($0, RSTART + 8, RLENGTH - 8) }
        /^\[ RUN      \] /     { begun++ }
        /^\[       OK \] /     { good++ }
        END {
            total = declared > begun ? declared : begun + 0
            bad = total - good
            if (bad == 0 && (status != 0 || total == 0)) bad = 1
            print good + 0, bad
        }' "$log"
}

count_script() { # STATUS
    counted=$(sed -n '$s/^\([0-9][0-9]*\) passed, \([0-9][0-9]*\) failed$/\1 \2/p' "$log")
    if [ -z "$counted" ]; then
        [ "$1" = 0 ] && echo 1 0 || echo 0 1
    elif [ "$1" != 0 ] && [ "${counted#* }" = 0 ]; then
        echo "${counted% *} 1"
    else
        echo "$counted"
    fi
}

# The cases that began and were not good.
failing() {
    awk '/^\[ RUN      \] / { name = substr($0, 14); open[name] = ++n; order[n] = name }
         /^\[       OK \] / { delete open[substr($0, 14)] }
         END { for (i = 1; i <= n; i++) if (order[i] in open) print "    failed: " order[i] }' "$log"
}

passed=0
failed=0
bad_programs=
for program in "$@"; do
    case $program in
    *.sh) name=$program ;;
    *) name=tests/${program#*/tests/} ;;
    esac
    start=$(date +%s)
    case $program in
    /*) limited "$program" >"$log" 2>&1 </dev/null ;;
    *) limited "./$program" >"$log" 2>&1 </dev/null ;;
    esac
    status=$?
    seconds=$(($(date +%s) - start))
    case $program in
    *.sh) counts=$(count_script $status) ;;
    *) counts=$(count $status) ;;
    esac
    good=${counts% *}
    bad=${counts#* }
    passed=$((passed + good))
    failed=$((failed + bad))
    if [ "$bad" = 0 ]; then
        printf 'ok      %-44s %4d cases %4d s\n' "$name" "$good" "$seconds"
        continue
    fi
    bad_programs="$bad_programs $name"
    printf 'FAILED  %-44s %4d cases, %d failed, exit status %d, %d s\n' "$name" "$((good + bad))" "$bad" "$status" "$seconds"
    [ "$status" = 124 ] && echo "    stopped after $TEST_SECONDS s"
    failing
    echo "    ------ all that $name printed:"
    sed 's/^/    /' "$log"
    echo "    ------"
done

[ -z "$bad_programs" ] || echo "failed:$bad_programs"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
