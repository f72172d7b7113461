#!/bin/sh
# Training that cannot teach is refused, before or after it, and --force goes on. Where a case fails, read src/mpa/level.c and src/train/fit.c.
. "$(dirname "$0")/../fixture/verdict.sh"

mkdir "$work/run"
cat >"$work/c.ini" <<EOF
[run]
dir = run
[student]
model = $PWD/weights/demo-student
[data]
image_root = $PWD/golden/run/pictures
EOF
{
    id=0
    for picture in golden/run/pictures/*; do
        [ $id = 0 ] && printf '[' || printf ','
        printf '{"id": %d, "image": "%s", "conversations": [{"from": "human", "value": "<image>\\nWhich country is it"}, {"from": "gpt", "value": "Norway"}]}' \
            $id "$(basename "$picture")"
        id=$((id + 1))
        [ $id -lt 4 ] || break
    done
    printf ']\n'
} >"$work/run/parity.json"

# level STATUS TEXT ARGUMENT...: ends with this status and says TEXT (an extended regular expression)
level() {
    wanted=$1
    text=$2
    shift 2
    "$MPA" level "$work/c.ini" "$@" >"$work/out" 2>"$work/err" </dev/null
    [ $? = "$wanted" ] && grep -Eq -e "$text" "$work/err"
    case_is $? "mpa level $*: wanted exit status $wanted and \"$text\""
}

# there NAME | gone NAME: in the run folder
there() {
    [ -e "$work/run/$1" ]
    case_is $? "$1 is not there"
}
gone() {
    [ ! -e "$work/run/$1" ]
    case_is $? "$1 is there"
}

# Four pairs by a preset are one step, at rate 0: refused before it. With --force it is made, and found to have changed nothing.
level 1 'ONLY 0 OF 1 STEPS HAVE A LEARNING RATE ABOVE 0, SO THE STUDENT LEARNS NOTHING.*use level.recipe = auto.*--force' level.recipe=2025-10
gone metrics.jsonl
level 1 'ONLY 2 OF 2 STEPS' level.epochs=2
gone aligned
level 0 'ONLY 0 OF 1 STEPS.*continues because of --force' level.recipe=2025-10 --force
grep -q "THE ALIGNED STUDENT HAS THE STUDENT'S WEIGHTS.*continues because of --force" "$work/err"
case_is $? "equal weights are not said"
there aligned/model.safetensors
rm -r "$work/run/aligned"

# Who sets epochs, batch and warm-up alike is warned only.
level 0 'ONLY 2 OF 2 STEPS.*; continues$' level.epochs=2 level.batch=4 level.warmup_ratio=0
there aligned/model.safetensors
rm -r "$work/run/aligned"

# Rates so small that rounding to bfloat16 loses them: nothing is left of the result, but the state is; --force only writes it.
set -- level.learning_rate=1e-12 level.vision_learning_rate=1e-12 level.merger_learning_rate=1e-12 level.weight_decay=0
level 1 "THE ALIGNED STUDENT HAS THE STUDENT'S WEIGHTS, BIT FOR BIT.*more level.epochs.*--force" "$@"
grep -q 'level: auto: 4 pairs: batch 4, 20 epochs, 20 updates, warm-up 0 steps' "$work/err"
case_is $? "what auto chose is not said"
gone aligned
there level.state/step-20
cp "$work/run/timings.jsonl" "$work/timings"
level 0 'BIT FOR BIT.*continues because of --force' "$@" --force
there aligned/model.safetensors
gone level.state
cmp -s "$work/timings" "$work/run/timings.jsonl"
case_is $? "steps were made again"

# A disk that is too small (here: a file may have 1.5 MB) is noticed before training; --force trains, and what was saved is kept.
rm -rf "$work/run/aligned" "$work/run/metrics.jsonl"
(
    ulimit -f 3000 # blocks of 512 bytes, or of 1024
    "$MPA" level "$work/c.ini" level.epochs=12 >"$work/out" 2>"$work/err" </dev/null
)
[ $? = 4 ] && grep -Eq 'fine-tuning .*needs about [0-9]+ MiB of disk space in one file' "$work/err" && [ ! -e "$work/run/metrics.jsonl" ]
case_is $? "a disk that is too small"

# So is one for the two states of level.offload, where there is the library that stands before the system's.
if [ -n "${TORTURE_SHIM:-}" ]; then
    mkdir "$work/states"
    export LD_PRELOAD="$TORTURE_SHIM" TORTURE_DISK="100000 $work/states"
    level 4 'level.offload .*needs about [0-9]+ MiB of disk space' level.epochs=12 level.offload="$work/states"
    gone metrics.jsonl
    TORTURE_DISK="100000000 $work/states"
    level 0 '12 steps' level.epochs=12 level.offload="$work/states"
    there aligned/config.json
    unset LD_PRELOAD TORTURE_DISK
fi

finish
