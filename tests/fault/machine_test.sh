#!/bin/sh
# A machine that fails under the program: files that are cut while they are in use, no address space, closed or unread streams, signals. Each
# ends with the promised status and a message that says what to do, and nothing that was finished is lost. Where a case fails, read
# src/base/map_guard.c, src/base/start.c, src/base/signals.c, src/tensor/gemm_blas.c.
. "$(dirname "$0")/../fixture/verdict.sh"

# ends STATUS WORD NAME: how the last command ended, and a regular expression in what it said.
ends() {
    got=$?
    [ $got = "$1" ] && { [ -z "$2" ] || grep -Eq -e "$2" "$work/log"; }
    case_is $? "$3: status $got, wanted $1 and \"$2\""
}

# when FILE LINES: waits until the file has that many lines, or the process $pid is gone.
when() {
    while kill -0 $pid 2>/dev/null && { [ ! -f "$1" ] || [ "$(wc -l <"$1")" -lt "$2" ]; }; do sleep 0.02; done
}

# Weights that are cut while they are mapped: in inference, and in training.
cp -r weights/demo-teacher "$work/teacher"
cp -r weights/demo-student "$work/student"
"$MPA" annotate conf/demo-okvqa.ini run.dir="$work/a" teacher.model="$work/teacher" annotate.batch=2 >"$work/log" 2>&1 &
pid=$!
when "$work/a/answers.jsonl" 3
: >"$work/teacher/model.safetensors"
wait $pid
ends 3 'teacher/model.safetensors: (cannot be read any more: it was cut|was changed while)' 'weights cut in annotate'
[ "$(wc -l <"$work/a/answers.jsonl")" -ge 3 ]
ends 0 '' 'weights cut in annotate: what was finished is there'

find conf/world/okvqa/train -name '*.jpg' | sort | head -n 16 | awk '
    { sub(/.*\//, ""); printf "%s{\"id\": %d, \"image\": \"%s\", \"conversations\": [{\"from\": \"human\", \"value\": \"<image>\\nWhat?\"},", n++ ? "," : "[", n, $0
      printf " {\"from\": \"gpt\", \"value\": \"a flag\"}]}\n" }
    END { print "]" }' >"$work/parity.json"
mkdir "$work/l"
cp "$work/parity.json" "$work/l/parity.json"
"$MPA" level conf/demo-okvqa.ini run.dir="$work/l" student.model="$work/student" level.batch=2 level.micro_batch=1 level.epochs=50 \
    level.save_every=2 level.recipe=2025-10 >"$work/log" 2>&1 &
pid=$!
when "$work/l/metrics.jsonl" 3
: >"$work/student/model.safetensors"
wait $pid
ends 3 'student/model.safetensors: (cannot be read any more: it was cut|was changed while)' 'weights cut in level'
[ "$(wc -l <"$work/l/metrics.jsonl")" -ge 3 ]
ends 0 '' 'weights cut in level: what was finished is there'

# Too little address space, never a loop. (A sanitizer needs terabytes of it.)
if [ -z "${SAN:-}" ]; then
    for kib in 60000 100000 180000 240000; do
        for kernels in "" plain; do
            (
                ulimit -v $kib
                MPA_KERNELS=$kernels timeout -s KILL 20 "$MPA" ask --model weights/demo-student --prompt x --max-new-tokens 1
            ) >"$work/log" 2>&1
            status=$?
            [ $status = 0 ] || [ $status = 4 ]
            ends 0 '' "$kib KiB of address space, kernels \"$kernels\": status $status"
        done
    done
fi

# Closed and unread streams.
"$MPA" annotate conf/demo-okvqa.ini run.dir="$work/c" data.limit=4 2>&- >"$work/log"
ends 0 '' 'standard error is closed'
grep -q mpa "$work"/c/*.json*
[ $? = 1 ]
ends 0 '' 'no message went into a file'
{
    "$MPA" annotate conf/demo-okvqa.ini run.dir="$work/p" data.limit=8 annotate.batch=1 2>&1 >/dev/null
    echo $? >"$work/status"
} | sleep 0.05
"$MPA" annotate conf/demo-okvqa.ini run.dir="$work/heard" data.limit=8 annotate.batch=1 >"$work/log" 2>&1
[ "$(cat "$work/status")" = 0 ] && cmp -s "$work/heard/annotations.json" "$work/p/annotations.json"
ends 0 '' 'nobody reads standard error'
"$MPA" --version >&- 2>"$work/log"
ends 1 'standard output: cannot write' 'standard output is closed'

# SIGTERM is an interruption like SIGINT.
"$MPA" annotate conf/demo-okvqa.ini run.dir="$work/t" annotate.batch=2 >"$work/log" 2>&1 &
pid=$!
when "$work/t/answers.jsonl" 2
kill -TERM $pid
wait $pid
ends 130 'interrupted; finished work is saved' SIGTERM

# A NUL byte would hide the rest of a list or of a prompt.
printf 'a.jpg\n\000b.jpg\n' >"$work/LIST.txt"
"$MPA" annotate conf/demo-okvqa.ini run.dir="$work/n" data.images="$work/LIST.txt" >"$work/log" 2>&1
ends 3 'LIST.txt: holds a NUL byte' 'a NUL byte in a list of pictures'
printf 'Ask\000 something' >"$work/prompt"
"$MPA" annotate conf/demo-okvqa.ini run.dir="$work/n" data.limit=2 annotate.prompt="$work/prompt" >"$work/log" 2>&1
ends 3 'prompt: holds a NUL byte' 'a NUL byte in a prompt'

# Nothing that acts on a terminal, from names and values.
escape=$(printf '\033[31m')
"$MPA" annotate conf/demo-okvqa.ini run.dir="$work/${escape}x" >"$work/log" 2>&1
ends 2 'run.dir: a value may hold no control character' 'an escape in a value'
mkdir "$work/pictures"
printf 'x' >"$work/pictures/$escape.png"
"$MPA" annotate conf/demo-okvqa.ini run.dir="$work/e" data.images="$work/pictures" >"$work/log" 2>&1
LC_ALL=C grep -q '[[:cntrl:]]' "$work/log"
[ $? = 1 ]
ends 0 '' 'an escape in the name of a picture'

# A stray file in the folder of states is left alone.
rm -rf "$work/l/level.state" "$work/l/metrics.jsonl" "$work/l/timings.jsonl" "$work/l/provenance.json"
mkdir -p "$work/l/level.state/step-9" "$work/l/level.state/mine"
echo keep >"$work/l/level.state/step-7"
"$MPA" level conf/demo-okvqa.ini run.dir="$work/l" level.batch=8 level.micro_batch=8 level.epochs=1 level.recipe=2025-10 >"$work/log" 2>&1
ends 0 '' 'stray files among the states'
[ -d "$work/l/level.state/mine" ] && [ "$(cat "$work/l/level.state/step-7")" = keep ]
ends 0 '' 'stray files among the states are kept'

finish
