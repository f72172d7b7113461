#!/bin/sh
# Fuzzing of the readers of tests/fuzz/readers.c, each for FUZZ_SECONDS (default 30) or, where FUZZ_RUNS is given, so many executions. What is
# new goes to build/fuzz/READER, what fails to build/fuzz/READER-crash-*; a find gets a small file in golden/fuzz and a fix.
#
#   tests/fuzz/fuzz.sh DRIVER [READER...]      DRIVER: linked with libFuzzer (make fuzz); or replay_test, where there is no clang: it changes
#                                              the files of golden/fuzz, FUZZ_RUNS times each (default 2000)
set -u
driver=$1
shift
[ $# -gt 0 ] || set -- $(sed -n 's/^    {"\([a-z]*\)", fuzz_.*/\1/p' tests/fuzz/readers.c)
failed=0
passed=0
# Files in memory where there is such a folder: some readers wait for the disk.
scratch=$(mktemp -d -p /dev/shm 2>/dev/null || mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
export TMPDIR=$scratch
# Little memory is held back and short stacks are kept: twice the speed, and the same finds.
export ASAN_OPTIONS="quarantine_size_mb=8:malloc_context_size=6${ASAN_OPTIONS:+:$ASAN_OPTIONS}"

# A quarter more than the longest file of golden/fuzz/READER.
longest() { # READER
    wc -c golden/fuzz/"$1"/* | awk '$2 != "total" && $1 > n { n = $1 } END { print (n > 204 ? int(n * 5 / 4) : 256) }'
}

for reader in "$@"; do
    export FUZZ_READER=$reader
    mkdir -p "build/fuzz/$reader"
    case $driver in
    *replay_test) FUZZ_CHANGES=${FUZZ_RUNS:-2000} "$driver" >"$scratch/log" 2>&1 ;;
    *)
        "$driver" -artifact_prefix="build/fuzz/$reader-" -timeout=10 -rss_limit_mb=1024 -max_len="$(longest "$reader")" -verbosity=0 -print_final_stats=1 \
            "$(if [ -n "${FUZZ_RUNS:-}" ]; then echo "-runs=$FUZZ_RUNS"; else echo "-max_total_time=${FUZZ_SECONDS:-30}"; fi)" \
            "build/fuzz/$reader" "golden/fuzz/$reader" >"$scratch/log" 2>&1
        ;;
    esac
    if [ $? = 0 ]; then
        passed=$((passed + 1))
        echo "ok      $reader $(sed -n 's/^stat::number_of_executed_units: *//p' "$scratch/log")"
    else
        failed=$((failed + 1))
        echo "FAILED  $reader"
        tail -n 40 "$scratch/log"
    fi
done
echo "$passed passed, $failed failed"
[ $failed = 0 ]
