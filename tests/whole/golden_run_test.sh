#!/bin/sh
# The run folder that transformers produced with the demo's models (golden/run, by ref/golden_run.py), reproduced stage by stage: each stage first fed from the
# golden files, then the stages chained.
set -u
mpa=${MPA:-./mpa}
golden=golden/run
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
passed=0
failed=0

cat >"$work/run.ini" <<EOF
[teacher]
model = $PWD/weights/demo-teacher
[student]
model = $PWD/weights/demo-student
[data]
task = okvqa
images = $PWD/$golden/pictures
EOF

# same STAGE FILE NAME READ: the file NAME of folder FILE must be golden's; READ is the source file to look at
same() {
    if cmp -s "$2/$3" "$golden/$3"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAILED: $1: $3 is not what transformers wrote; read $4"
        diff "$2/$3" "$golden/$3" | head -n 8
    fi
}

run() {
    "$mpa" "$@" >"$work/out" 2>"$work/err" || {
        failed=$((failed + 1))
        echo "FAILED: mpa $*: exit $?"
        tail -n 3 "$work/err"
    }
}

run annotate "$work/run.ini" run.dir="$work/a"
same annotate "$work/a" annotations.json src/mpa/annotate.c

run identify "$work/run.ini" run.dir="$work/i" teacher.annotations=$golden/annotations.json
same identify "$work/i" student.json src/mpa/identify.c
same identify "$work/i" teacher.json src/mpa/identify.c
same identify "$work/i" parity.json src/data/match.c

run evaluate "$work/run.ini" run.dir="$work/e" data.task=stvqa evaluate.questions=$golden/questions.json evaluate.image_root=$golden/pictures \
    "evaluate.models=student teacher"
same evaluate "$work/e" evaluation/student.json src/mpa/evaluate.c
same evaluate "$work/e" evaluation/teacher.json src/mpa/evaluate.c

passed_before=$passed
for model in student teacher; do
    grep -q "^  $model  *mpa .* ([0-9.]* to [0-9.]*)  anls .* ([0-9.]* to [0-9.]*)$" "$work/out" && passed=$((passed + 1))
done
[ $passed -eq $((passed_before + 2)) ] || { failed=$((failed + 1)) && echo "FAILED: no intervals in the table; read src/mpa/intervals.c" && cat "$work/out"; }

run annotate "$work/run.ini" run.dir="$work/c"
run identify "$work/run.ini" run.dir="$work/c"
for name in annotations student teacher parity; do
    same "chained stages" "$work/c" $name.json src/job/journal.c
done

echo "$passed passed, $failed failed"
[ $failed -eq 0 ] && [ $passed -eq 12 ]
