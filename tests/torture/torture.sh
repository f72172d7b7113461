#!/bin/bash
# Failing calls and kills, in every stage: what ends, ends with a promised status, and the same command once more gives the files of an
# undisturbed run. Where it does not, the line says the call: read the file that makes it, and src/base/file.c, src/job/journal.c,
# src/train/state.c.
#
#   tests/torture/torture.sh [EVERY [KILLS]]     one of EVERY calls of a kind is tried (default 1: all), but at least one; KILLS at random
#                                                moments of each stage (default 500)
#
# TORTURE_SEED chooses which of them (printed where something fails), TORTURE_STAGES the stages; TORTURE_SMALL: each fails in one way only.
set -u
every=${1:-1}
kills=${2:-500}
RANDOM=${TORTURE_SEED:-1}
: "${MPA:=./mpa}"
: "${TORTURE_SHIM:?the library of tests/torture/shim.c: make torture builds it}"
case $TORTURE_SHIM in /*) ;; *) TORTURE_SHIM=$PWD/$TORTURE_SHIM ;; esac
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
work=$(mktemp -d "${TMPDIR:-/tmp}/mpa-torture-XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
passed=0
failed=0
shown=0
ENOMEM=12 EIO=5 ENOSPC=28 EINTR=4

awk '/^ },?$/ { n++ } { if (n < 2) print; else if (n == 2) { print " }"; print "]"; n++ } }' conf/world/okvqa/test.json >"$work/questions.json"
stages="annotate identify level evaluate"
settings=(data.limit=3 annotate.batch=2 annotate.max_new_tokens=32 identify.select=random identify.max_new_tokens=4 level.recipe=2025-10
    level.epochs=2 level.batch=1 level.micro_batch=1 level.save_every=1 evaluate.questions="$work/questions.json")

stage() { # STAGE FOLDER [COMMAND...]: COMMAND is put before mpa
    local name=$1 folder=$2
    shift 2
    "$@" "$MPA" "$name" conf/demo.ini run.dir="$folder" "${settings[@]}" >"$work/log" 2>&1
}

fail() { # WHAT WHY
    failed=$((failed + 1))
    shown=$((shown + 1))
    [ $shown -gt 40 ] || { echo "failed: $1: $2" && tail -n 3 "$work/log"; }
}

same() { # FOLDER FOLDER
    diff -r -x timings.jsonl "$1" "$2" >"$work/difference" 2>&1
}

# After a disturbance of STAGE in $work/run: once more, without it, and the files are those of $work/after-STAGE.
recovers() { # STAGE WHAT
    if ! stage "$1" "$work/run"; then
        fail "$2" "the same command once more ends with status $?"
    elif ! same "$work/after-$1" "$work/run"; then
        fail "$2" "other files than an undisturbed run: $(head -n 2 "$work/difference")"
    else
        passed=$((passed + 1))
    fi
}

fresh() { # STAGE
    rm -rf "$work/run"
    cp -r "$work/before-$1" "$work/run"
}

# An undisturbed run, and how many calls of each kind a stage makes.
mkdir "$work/before-annotate"
for name in $stages; do
    cp -r "$work/before-$name" "$work/run"
    stage "$name" "$work/run" env TORTURE_COUNT="$work/count-$name" LD_PRELOAD="$TORTURE_SHIM" && [ -s "$work/count-$name" ] ||
        { cat "$work/log" && echo "0 passed, 1 failed" && exit 1; }
    cp -r "$work/run" "$work/after-$name"
    [ "$name" = evaluate ] || {
        next=${stages#*"$name "}
        cp -r "$work/run" "$work/before-${next%% *}"
    }
    rm -rf "$work/run"
done

# The allowed statuses: 4 for memory and a full disk; also 1 and 3 where another call fails, 0 where the work does without it.
trial() { # STAGE KIND N ERRNO HOW ALLOWED
    fresh "$1"
    stage "$1" "$work/run" env TORTURE="$2 $3 $4 $5" LD_PRELOAD="$TORTURE_SHIM" timeout -s KILL 30
    local status=$? what="$1: $2 number $3 fails with errno $4, $5"
    case " $6 " in
    *" $status "*) recovers "$1" "$what" ;;
    *) fail "$what" "status $status, allowed: $6" ;;
    esac
}

for name in ${TORTURE_STAGES:-$stages}; do
    while read -r kind calls; do
        [ "$calls" -gt 0 ] || continue
        for ((n = 1 + RANDOM % (calls < every ? calls : every); n <= calls; n += every)); do
            case $kind${TORTURE_SMALL:+-small} in
            alloc-small) trial "$name" alloc $n $ENOMEM ever "0 4" ;;
            write-small) trial "$name" write $n $ENOSPC once 4 && trial "$name" write $n 0 short 0 ;;
            *-small) trial "$name" "$kind" $n $EIO once "0 1 3" ;;
            alloc)
                trial "$name" alloc $n $ENOMEM once "0 4"
                trial "$name" alloc $n $ENOMEM ever "0 4"
                ;;
            write)
                trial "$name" write $n $ENOSPC once 4
                trial "$name" write $n $ENOSPC ever 4
                trial "$name" write $n $EIO once 1
                trial "$name" write $n $EINTR once 0
                trial "$name" write $n 0 short 0
                ;;
            read) trial "$name" read $n $EIO once "0 1 3" && trial "$name" read $n $EINTR once 0 ;;
            map) trial "$name" map $n $ENOMEM once 4 ;;
            open | make) trial "$name" $kind $n $EIO once "0 1 3" && trial "$name" $kind $n $ENOSPC once "0 1 3 4" ;;
            *) trial "$name" $kind $n $EIO once "0 1 3" ;;
            esac
        done
    done <"$work/count-$name"
done

for name in ${TORTURE_STAGES:-$stages}; do
    fresh "$name"
    begin=$(date +%s%N)
    stage "$name" "$work/run"
    length=$((($(date +%s%N) - begin) / 1000))
    for ((n = 0; n < kills; n++)); do
        fresh "$name"
        "$MPA" "$name" conf/demo.ini run.dir="$work/run" "${settings[@]}" >"$work/log" 2>&1 &
        sleep "$(awk -v t="$((RANDOM * 32768 + RANDOM))" -v l="$length" 'BEGIN { printf "%.6f", t % l / 1e6 }')"
        kill -KILL $! 2>/dev/null
        wait $! 2>/dev/null
        recovers "$name" "$name: killed"
    done
done 2>/dev/null

# Commands that read only: memory that fails at any allocation is exit status 4.
picture=$(find conf/world/okvqa/test -name '*.jpg' | sort | head -n 1)
commands=("ask --model weights/demo-student --image $picture --prompt x --max-new-tokens 3 --json" "inspect weights/demo-student"
    "trace --model weights/tiny-qwen2vl-a --image $picture --prompt x --answer y --grad --out $work/trace" "compare $work/trace $work/trace"
    "tokenize --model weights/demo-student" "run conf/demo.ini --dump-config")
for command in "${commands[@]}"; do
    # Words of a command are split on purpose.
    rm -f "$work/count"
    # shellcheck disable=SC2086
    TORTURE_COUNT="$work/count" LD_PRELOAD="$TORTURE_SHIM" "$MPA" $command >"$work/out" 2>"$work/log" </dev/null || fail "$command" "status $?"
    calls=$(sed -n 's/^alloc //p' "$work/count" 2>/dev/null)
    [ -n "$calls" ] || { fail "$command" 'no calls were counted' && continue; }
    for ((n = 1 + RANDOM % (calls < every ? calls : every); n <= calls; n += every)); do
        # shellcheck disable=SC2086
        TORTURE="alloc $n $ENOMEM ever" LD_PRELOAD="$TORTURE_SHIM" timeout -s KILL 30 "$MPA" $command >"$work/got" 2>"$work/log" </dev/null
        status=$?
        if [ $status = 4 ] || { [ $status = 0 ] && [ -s "$work/got" ]; }; then
            passed=$((passed + 1))
        else
            fail "$command: allocation $n and all after it fail" "status $status"
        fi
    done
done

[ "$failed" = 0 ] || echo "TORTURE_SEED=${TORTURE_SEED:-1}"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
