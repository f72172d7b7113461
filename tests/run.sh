#!/bin/sh
# Runs test programs, TEST_JOBS at a time (as many as there are processors), and counts their cases:  tests/run.sh PROGRAM|SCRIPT...
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

dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
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
    elif [ "$counted" = '0 0' ]; then
        echo 0 1
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

# run NUMBER PROGRAM: what it prints goes to $dir/NUMBER.log, its status and seconds to $dir/NUMBER.end.
run() {
    start=$(date +%s)
    case $2 in
    /*) limited "$2" ;;
    *) limited "./$2" ;;
    esac >"$dir/$1.log" 2>&1 </dev/null
    echo "$? $(($(date +%s) - start))" >"$dir/$1.tmp"
    mv "$dir/$1.tmp" "$dir/$1.end"
}

# report NUMBER PROGRAM: its line, and all that it printed where it failed.
report() {
    log=$dir/$1.log
    program=$2
    read -r status seconds <"$dir/$1.end"
    case $program in
    *.sh)
        name=$program
        counts=$(count_script "$status")
        ;;
    *)
        name=tests/${program#*/tests/}
        counts=$(count "$status")
        ;;
    esac
    good=${counts% *}
    bad=${counts#* }
    passed=$((passed + good))
    failed=$((failed + bad))
    if [ "$bad" = 0 ]; then
        printf 'ok      %-44s %4d cases %4d s\n' "$name" "$good" "$seconds"
        return
    fi
    bad_programs="$bad_programs $name"
    printf 'FAILED  %-44s %4d cases, %d failed, exit status %d, %d s\n' "$name" "$((good + bad))" "$bad" "$status" "$seconds"
    [ "$status" = 124 ] && echo "    stopped after $TEST_SECONDS s"
    failing
    echo "    ------ all that $name printed:"
    sed 's/^/    /' "$log"
    echo "    ------"
}

# A pipe with a line for each program that may still be started.
mkfifo "$dir/free" || exit 1
exec 3<>"$dir/free"
i=0
while [ $i -lt "${TEST_JOBS:-$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1)}" ]; do
    echo >&3
    i=$((i + 1))
done

# The programs are started in their order; those that have ended are reported in the same order.
started=0
reported=0
for program in "$@"; do
    read -r _ <&3
    started=$((started + 1))
    {
        run $started "$program"
        echo >&3
    } &
    while [ -e "$dir/$((reported + 1)).end" ]; do
        reported=$((reported + 1))
        eval "report $reported \"\${$reported}\""
    done
done
wait
while [ $reported -lt $started ]; do
    reported=$((reported + 1))
    eval "report $reported \"\${$reported}\""
done

[ -z "$bad_programs" ] || echo "failed:$bad_programs"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
