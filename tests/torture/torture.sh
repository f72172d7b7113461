#!/bin/bash
# Failing calls and kills, in every stage: what ends, ends with a promised status, and the same command once more gives the files of an
# undisturbed run. Where it does not, the line says the call: read the file that makes it, and src/base/file.c, src/job/journal.c,
# src/train/state.c.
#
#   tests/torture/torture.sh [EVERY [KILLS]]     the first call on each path through the program is tried, and one of EVERY calls of a kind
#                                                (default 1: all), but at least one; KILLS at random moments of each stage (default 500)
#
# TORTURE_SEED chooses which of them (printed where something fails), TORTURE_STAGES the stages ("commands": all other commands),
# TORTURE_KINDS the kinds of calls; TORTURE_SMALL: no paths, and each call fails in one way only. The files of the runs go below TMPDIR: in
# memory it takes a fifth of the time.
set -u
every=${1:-1}
kills=${2:-500}
RANDOM=${TORTURE_SEED:-1}
: "${MPA:=./mpa}"
: "${TORTURE_SHIM:?the library of tests/torture/shim.c: make torture builds it}"
case $TORTURE_SHIM in /*) ;; *) TORTURE_SHIM=$PWD/$TORTURE_SHIM ;; esac
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
# OpenBLAS 0.3.21's AVX-512 kernels for small products use memory without looking whether they got it; those for AVX2 take none.
grep -q avx512f /proc/cpuinfo && export OPENBLAS_CORETYPE=Haswell
work=$(mktemp -d "${TMPDIR:-/tmp}/mpa-torture-XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
passed=0
failed=0
shown=0
ENOMEM=12 EIO=5 ENOSPC=28 EINTR=4
# No run may hang: 30 s of work, and ten minutes on the clock, because the machine may be busy.
bounded="prlimit --cpu=30 timeout -s KILL 600"

tests/fixture/questions.sh 1 2 >"$work/questions.json"
# The student is aligned twice: the second time an old one is in the way.
stages="annotate identify level level-again evaluate"
tried=${TORTURE_STAGES:-$stages commands}
settings=(data.limit=3 annotate.batch=2 annotate.max_new_tokens=32 identify.select=all identify.max_new_tokens=4 level.recipe=2025-10
    level.epochs=2 level.batch=1 level.micro_batch=1 level.save_every=1 evaluate.questions="$work/questions.json")

arguments_of() { # STAGE FOLDER
    arguments=("${1%-again}" conf/demo-okvqa.ini run.dir="$2" "${settings[@]}")
    case $1 in *-again) arguments+=(--redo "${1%-again}") ;; esac
}

stage() { # STAGE FOLDER [COMMAND...]: COMMAND is put before mpa
    arguments_of "$1" "$2"
    shift 2
    "$@" "$MPA" "${arguments[@]}" >"$work/log" 2>&1
}

fail() { # WHAT WHY
    failed=$((failed + 1))
    shown=$((shown + 1))
    [ $shown -gt 40 ] || { echo "failed: $1: $2" && tail -n 3 "$work/log"; }
}

same() { # FOLDER FOLDER
    diff -r -x timings.jsonl -x costs.jsonl -x report.html "$1" "$2" >"$work/difference" 2>&1
}

# After a disturbance of STAGE in $work/run: once more, without it, and the files are those of $work/after-STAGE.
recovers() { # STAGE WHAT
    stage "${1%-again}" "$work/run"
    local status=$?
    if [ $status != 0 ]; then
        fail "$2" "the same command once more ends with status $status"
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

# The allowed statuses: 4 for memory and a full disk; also 1 and 3 where another call fails (2: it was the configuration's), 0 where the work
# does without it.
trial() { # STAGE KIND N ERRNO HOW ALLOWED
    fresh "$1"
    stage "$1" "$work/run" env TORTURE="$2 $3 $4 $5" LD_PRELOAD="$TORTURE_SHIM" $bounded
    local status=$? what="$1: $2 number $3 fails with errno $4, $5"
    case " $6 " in
    *" $status "*) recovers "$1" "$what" ;;
    *) fail "$what" "status $status, allowed: $6" ;;
    esac
}

# The numbers of the calls of a kind that are tried.
chosen() { # CALLS FIRST...
    local calls=$1
    shift
    {
        [ -n "${TORTURE_SMALL:-}" ] || printf '%s\n' "$@"
        seq $((1 + RANDOM % (calls < every ? calls : every))) "$every" "$calls"
    } | sort -nu
}

for name in $tried; do
    [ "$name" != commands ] || continue
    before=$passed
    while read -r kind calls paths; do
        case " ${TORTURE_KINDS:-$kind} " in *" $kind "*) ;; *) continue ;; esac
        [ "$calls" -gt 0 ] || continue
        # Paths are words.
        # shellcheck disable=SC2086
        for n in $(chosen "$calls" $paths); do
            case $kind${TORTURE_SMALL:+-small} in
            alloc-small) trial "$name" alloc $n $ENOMEM ever "0 4" ;;
            write-small) trial "$name" write $n $ENOSPC once 4 && trial "$name" write $n 0 short 0 ;;
            *-small) trial "$name" "$kind" $n $EIO once "0 1 2 3" ;;
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
            open | make) trial "$name" $kind $n $EIO once "0 1 2 3" && trial "$name" $kind $n $ENOSPC once "0 1 2 3 4" ;;
            *) trial "$name" $kind $n $EIO once "0 1 3" ;;
            esac
        done
    done <"$work/count-$name"
    echo "        $name: $((passed - before)) passed, of calls: $(cut -d' ' -f-2 "$work/count-$name" | tr '\n' ' ')"
done

for name in $tried; do
    [ "$name" != commands ] && [ "$kills" -gt 0 ] || continue
    fresh "$name"
    begin=$(date +%s%N)
    stage "$name" "$work/run"
    length=$((($(date +%s%N) - begin) / 1000))
    for ((n = 0; n < kills; n++)); do
        fresh "$name"
        arguments_of "$name" "$work/run"
        "$MPA" "${arguments[@]}" >"$work/log" 2>&1 &
        sleep "$(awk -v t="$((RANDOM * 32768 + RANDOM))" -v l="$length" 'BEGIN { printf "%.6f", t % l / 1e6 }')"
        kill -KILL $! 2>/dev/null
        wait $! 2>/dev/null
        recovers "$name" "$name: killed"
    done
done 2>/dev/null

# The other commands: what they print, and the files that they write below $work/made, are those of an undisturbed one, or the exit status is that
# of memory (4) or, where another call fails, 1, 2 or 3. Times and the memory that is free are not compared.
picture=$(find conf/world/okvqa/test -name '*.jpg' | sort | head -n 1)
commands=("ask --model weights/demo-student --image $picture --prompt x --max-new-tokens 3 --json" "inspect weights/demo-student"
    "trace --model weights/tiny-qwen2vl-a --image $picture --prompt x --answer y --grad --out $work/made/trace"
    "compare $work/trace $work/trace" "tokenize --model weights/demo-student" "run conf/demo-okvqa.ini --dump-config"
    "merge --model weights/demo-student --adapter $work/lora/aligned/adapter --out $work/made/merged"
    "plan conf/demo-okvqa.ini run.dir=$work/run ${settings[*]}" "report conf/demo-okvqa.ini run.dir=$work/run ${settings[*]}"
    "explain conf/demo-okvqa.ini 0 --json run.dir=$work/run ${settings[*]}")

command_once() { # OUT WORD... : words of a command are split on purpose
    local out=$1
    shift
    rm -rf "$work/made"
    mkdir "$work/made"
    # shellcheck disable=SC2086
    env "$@" LD_PRELOAD="$TORTURE_SHIM" $bounded "$MPA" $command >"$out" 2>"$work/log" <conf/demo-okvqa.ini
}

# What a command prints, but for times and sizes; of a plan every number, as it tries more where the machine is faster.
without_times() { # FILE
    local numbers=
    [ "${command%% *}" = plan ] && numbers='s/[0-9]+/N/g'
    sed -E 's/[0-9.]+ (ms|s|min|h|GB|[MG]iB)\b|"seconds": [0-9.]+|[0-9.]+( tokens)?\/s//g; s/ +/ /g; /^available/d;'"$numbers" "$1"
}

command_trial() { # KIND N ERRNO HOW ALLOWED
    command_once "$work/got" TORTURE="$1 $2 $3 $4"
    local status=$? what="$command: $1 number $2 fails with errno $3, $4"
    case " $5 " in
    *" $status "*) ;;
    *) fail "$what" "status $status, allowed: $5" && return ;;
    esac
    if [ $status != 0 ] || { cmp -s <(without_times "$work/out") <(without_times "$work/got") && same "$work/whole" "$work/made"; }; then
        passed=$((passed + 1))
    else
        fail "$what" 'status 0, and it prints or writes something else'
    fi
}

before=$passed
rm -rf "$work/run"
case " $tried " in *" commands "*)
    cp -r "$work/before-level" "$work/lora"
    "$MPA" level conf/demo-okvqa.ini run.dir="$work/lora" "${settings[@]}" level.method=lora >"$work/log" 2>&1 || fail 'level with adapters' "status $?"
    cp -r "$work/after-evaluate" "$work/run"
    ;;
esac
for command in "${commands[@]}"; do
    case " $tried " in *" commands "*) ;; *) continue ;; esac
    rm -f "$work/count"
    command_once "$work/out" TORTURE_COUNT="$work/count" || fail "$command" "status $?"
    [ -s "$work/count" ] || { fail "$command" 'no calls were counted' && continue; }
    rm -rf "$work/whole"
    cp -r "$work/made" "$work/whole"
    [ -e "$work/trace" ] || cp "$work/made/trace" "$work/trace" 2>/dev/null
    while read -r kind calls paths; do
        case " ${TORTURE_KINDS:-alloc open read map} " in *" $kind "*) ;; *) continue ;; esac
        [ "$calls" -gt 0 ] || continue
        # shellcheck disable=SC2086
        for n in $(chosen "$calls" $paths); do
            case $kind in
            alloc | map)
                [ -n "${TORTURE_SMALL:-}" ] || command_trial $kind $n $ENOMEM once "0 4"
                command_trial $kind $n $ENOMEM ever "0 4"
                ;;
            *) [ -n "${TORTURE_SMALL:-}" ] || command_trial $kind $n $EIO once "0 1 2 3" ;;
            esac
        done
    done <"$work/count"
    echo "        ${command%% data.limit*}: $((passed - before)) passed" | sed "s|$work/||g"
    before=$passed
done

[ "$failed" = 0 ] || echo "TORTURE_SEED=${TORTURE_SEED:-1}"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
