#!/bin/bash
# Fine-tuning that is killed at random moments, also while it saves, switches states or recovers, ends with the files of an undisturbed run:
# in full, of adapters, and with moments in files, which also gives what moments in memory give. Where a case fails, read src/train/state.c,
# src/train/offload.c, src/base/file.c.
#
# KILLS: at least so many for each of them (default 5), one or two in a run; SEED chooses the moments.
. "$(dirname "$0")/../fixture/verdict.sh"
RANDOM=${SEED:-1}
export OMP_NUM_THREADS=1

mkdir "$work/run" "$work/offload"
cat >"$work/c.ini" <<EOF
[student]
model = $PWD/weights/tiny-qwen2vl-a
[data]
image_root = $PWD/golden/model
[level]
recipe = 2025-10
epochs = 6
batch = 2
micro_batch = 1
warmup_ratio = 0.1
learning_rate = 1e-3
save_every = 1
min_pixels = 784
max_pixels = 3136
lora_rank = 4
lora_dropout = 0.1
EOF
awk 'BEGIN {
    n = split("odd tall wide odd", picture)
    for (i = 1; i <= n; i++)
        printf "%s{\"id\": %d, \"image\": \"%s.png\", \"conversations\": [{\"from\": \"human\", \"value\": \"<image>\\nWhat is it?\"}, " \
            "{\"from\": \"gpt\", \"value\": \"answer %d\"}]}", (i > 1 ? "," : "["), i, picture[i], i * i
    print "]" }' >"$work/run/parity.json"

level() { # FOLDER ARGUMENT...
    local folder=$1
    shift
    "$MPA" level "$work/c.ini" run.dir="$folder" "$@" >"$work/log" 2>&1
}

fresh() { # FOLDER
    rm -rf "$1"
    cp -r "$work/run" "$1"
}

# kill_once MICROSECONDS ARGUMENT...: at a random moment of that time, where it is still at work
kill_once() {
    local length=$1
    shift
    "$MPA" level "$work/c.ini" run.dir="$work/killed" "$@" >"$work/log" 2>&1 &
    sleep "$(awk -v t="$((RANDOM * 32768 + RANDOM))" -v l="$length" 'BEGIN { printf "%.6f", t % l / 1e6 }')"
    kill -KILL $! 2>/dev/null
    wait $! 2>/dev/null
    [ $? != 137 ] || hits=$((hits + 1))
}

# kills NAME ARGUMENT...
kills() {
    local name=$1 begin length hits=0 n
    shift
    fresh "$work/$name"
    begin=$(date +%s%N)
    level "$work/$name" "$@"
    case_is $? "$name: an undisturbed run"
    length=$((($(date +%s%N) - begin) / 1000))
    for ((n = 1; hits < ${KILLS:-5} && n <= 4 * ${KILLS:-5}; n++)); do
        fresh "$work/killed"
        kill_once $length "$@" 2>/dev/null
        kill_once $length "$@" 2>/dev/null
        level "$work/killed" "$@" && diff -r -x timings.jsonl -x costs.jsonl "$work/$name" "$work/killed" >"$work/difference" 2>&1
        case_is $? "$name, run $n after a kill or two: $(head -n 2 "$work/difference" 2>/dev/null)"
    done
    [ $hits -ge "${KILLS:-5}" ]
    case_is $? "$name: only $hits kills came while it was at work"
    echo "$name: $hits kills, $((n - 1)) runs"
}

kills full level.method=full
kills lora level.method=lora
kills in-files level.method=full level.offload="$work/offload"
[ -z "$(ls "$work/offload")" ]
case_is $? "states are left in level.offload: $(ls "$work/offload")"
cmp "$work/full/metrics.jsonl" "$work/in-files/metrics.jsonl" && diff -r "$work/full/aligned" "$work/in-files/aligned" >"$work/log"
case_is $? "moments in files: other bits than in memory"

finish
