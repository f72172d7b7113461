#!/bin/sh
# Fuzzing of the readers of tests/fuzz/readers.c, each for FUZZ_SECONDS (default 30) or, where FUZZ_RUNS is given, so many executions;
# FUZZ_JOBS of them at a time (default: one for each processor). What is new goes to build/fuzz/READER, what
# fails to build/fuzz/READER-crash-*; a find gets a small file in golden/fuzz and a fix.
#
#   tests/fuzz/fuzz.sh DRIVER [READER...]      DRIVER: linked with libFuzzer (make fuzz); or replay_test, where there is no clang: it changes
#                                              the files of golden/fuzz, FUZZ_RUNS times each (default 2000)
set -u
driver=$1
shift
[ $# -gt 0 ] || set -- $(sed -n 's/^    {"\([a-z]*\)", fuzz_.*/\1/p' tests/fuzz/readers.c)
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

fuzz() { # READER
    mkdir -p "build/fuzz/$1"
    export FUZZ_READER="$1"
    case $driver in
    *replay_test) FUZZ_CHANGES=${FUZZ_RUNS:-2000} "$driver" ;;
    *)
        "$driver" -artifact_prefix="build/fuzz/$1-" -timeout=10 -rss_limit_mb=1024 -max_len="$(longest "$1")" -verbosity=0 -print_final_stats=1 \
            "$(if [ -n "${FUZZ_RUNS:-}" ]; then echo "-runs=$FUZZ_RUNS"; else echo "-max_total_time=${FUZZ_SECONDS:-30}"; fi)" \
            "build/fuzz/$1" "golden/fuzz/$1"
        ;;
    esac >"$scratch/$1.log" 2>&1
}

# One of `workers` shares of the readers, one after the other.
share() { # N READER...
    n=$1
    shift
    i=0
    for reader in "$@"; do
        i=$((i + 1))
        [ $((i % workers)) = "$n" ] || continue
        if fuzz "$reader"; then
            echo "ok      $reader $(sed -n 's/^stat::number_of_executed_units: *//p' "$scratch/$reader.log")"
            : >"$scratch/$reader.good"
        else
            echo "FAILED  $reader"
            tail -n 40 "$scratch/$reader.log"
        fi
    done
}

workers=${FUZZ_JOBS:-$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)}
n=0
while [ $n -lt "$workers" ]; do
    share $n "$@" &
    n=$((n + 1))
done
wait
passed=$(find "$scratch" -maxdepth 1 -name '*.good' | wc -l)
failed=$(($# - passed))
echo "$passed passed, $failed failed"
[ $failed = 0 ]
