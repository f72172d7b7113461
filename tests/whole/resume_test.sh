#!/bin/sh
# A run that is killed again and again at changing moments ends with the same files as an undisturbed one (times aside).
set -u
mpa=${MPA:-./mpa}
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
cat >"$work/run.ini" <<EOF
[teacher]
model = $PWD/weights/demo-teacher
[student]
model = $PWD/weights/demo-student
[data]
task = okvqa
images = $PWD/golden/run/pictures
[annotate]
batch = 4
max_new_tokens = 40
[identify]
max_new_tokens = 8
select = all
[level]
epochs = 1
batch = 4
micro_batch = 2
learning_rate = 1e-4
warmup_ratio = 0.03
save_every = 1
[evaluate]
questions = $PWD/conf/world/okvqa/test.json
image_root = $PWD/conf/world/okvqa/test
EOF

# The labelled set is cut to its first questions, one object of the list per few lines.
tests/fixture/questions.sh 1 8 >"$work/questions.json"
set -- run "$work/run.ini" data.limit=12 evaluate.questions="$work/questions.json"

"$mpa" "$@" run.dir="$work/whole" >"$work/out" 2>"$work/err" || {
    echo "FAILED: the undisturbed run"
    tail -n 3 "$work/err"
    exit 1
}

kills=0
tenths=1
while :; do
    "$mpa" "$@" run.dir="$work/killed" >"$work/out2" 2>"$work/err2" &
    pid=$!
    sleep "$((tenths / 10)).$((tenths % 10))"
    if kill -9 $pid 2>/dev/null; then
        wait $pid 2>/dev/null
        status=$?
    else
        wait $pid
        status=$?
    fi
    [ $status -eq 137 ] || break
    kills=$((kills + 1))
    tenths=$(((tenths * 3 + 1) % 23 + 1))
    if [ $kills -ge 40 ]; then # enough: let it end
        "$mpa" "$@" run.dir="$work/killed" >"$work/out2" 2>"$work/err2"
        status=$?
        break
    fi
done
[ $status -eq 0 ] || {
    echo "FAILED: the run after $kills kills ended with status $status"
    tail -n 3 "$work/err2"
    exit 1
}
for one in "$work/whole" "$work/killed"; do # the page without what the work has cost
    (shift && "$mpa" report --no-costs "$@" run.dir="$one") >"$work/err" 2>&1
done
rm -f "$work"/whole/timings.jsonl "$work"/killed/timings.jsonl "$work"/whole/costs.jsonl "$work"/killed/costs.jsonl
if diff -r "$work/whole" "$work/killed" >"$work/diff" && cmp -s "$work/out" "$work/out2"; then
    echo "the same files after $kills kills"
else
    echo "FAILED: after $kills kills:"
    head -n 5 "$work/diff"
    diff "$work/out" "$work/out2" | head -n 5
    exit 1
fi
