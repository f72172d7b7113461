#!/bin/sh
# A run without labels: a part of the pictures is kept from training, and the agreement with the teacher is measured on them, said to be that
# and no more. Where a case fails, read src/mpa/holdout.c.
. "$(dirname "$0")/../fixture/verdict.sh"

cat >"$work/run.ini" <<END
[run]
dir = $work/run
[teacher]
model = $PWD/weights/demo-teacher
[student]
model = $PWD/weights/demo-student
[data]
task = okvqa
images = $PWD/conf/world/okvqa/train
limit = 24
[level]
recipe = 2025-10
epochs = 2
batch = 8
micro_batch = 4
learning_rate = 1e-4
[evaluate]
holdout = 0.3
END

run() {
    "$MPA" run "$work/run.ini" --force "$@" >"$work/out" 2>"$work/log"
}

# The ids of the rows of a stage file, and those in the questions that were scored.
ids() {
    sed -n 's/^ *"\(question_\)\{0,1\}id": "\{0,1\}\([^",]*\)"\{0,1\},$/\2/p' "$1" | sort
}

run
verdict $? 0 'a run without labels'
grep -Eq '^  annotate +[0-9]+ s +[0-9]+ MiB' "$work/log"
verdict $? 0 'before a run begins its stages have times'
grep -q '^AGREEMENT WITH THE TEACHER in percent, not truth: ' "$work/out"
verdict $? 0 'the table says what it is'
ids "$work/run/parity.json" >"$work/kept"
ids "$work/run/evaluation/aligned.json" >"$work/tested"
held=$(sed -n 's/^level: \([0-9]*\) pairs are held out.*/\1/p' "$work/log")
trained=$(sed -n 's/^level: \([0-9]*\) pairs, .*/\1/p' "$work/log")
verdict "$held" "$(comm -12 "$work/kept" "$work/tested" | wc -l | tr -d ' ')" 'pairs held out are those that are scored, as the teacher confirms each kept pair'
verdict "$((held + trained))" "$(wc -l <"$work/kept" | tr -d ' ')" 'the others are trained on'
verdict "$(sed -n 's/.*"agreement_with_teacher": \([0-9]*\).*/\1/p' "$work/run/scores.json")" "$(wc -l <"$work/tested" | tr -d ' ')" \
    'scores.json says on how many questions'
verdict "$(sed -n '/"teacher"/,/}/s/.*"mpa": \([0-9.]*\).*/\1/p' "$work/run/scores.json")" 100.0 'the teacher agrees with itself'
verdict "$(grep -c 'evaluate-\(student\|teacher\): \([0-9]*\) of \2 answers are known' "$work/log")" 2 'student and teacher are not asked again'
cp "$work/run/parity.json" "$work/parity.json"

# The same pictures are held out whatever becomes of the others.
run data.limit=20 --redo annotate
grep -Eq '^  annotate +[?] +[0-9]+ MiB' "$work/log"
verdict $? 0 'a run that goes on does not wait for them'
ids "$work/run/evaluation/aligned.json" >"$work/fewer"
verdict "$(comm -13 "$work/tested" "$work/fewer" | wc -l | tr -d ' ')" 0 'with fewer pictures none is held out that was not before'

# Nothing is held out when there are questions, or none is wanted.
run data.limit=24 --redo annotate evaluate.holdout=0
verdict $? 0 'holdout = 0'
cmp -s "$work/parity.json" "$work/run/parity.json" && ! grep -q 'held out.*(evaluate' "$work/log" && grep -q 'the run ends with' "$work/log"
verdict $? 0 'holdout = 0: all pairs are trained on, nothing is scored'
"$MPA" evaluate "$work/run.ini" evaluate.holdout=0 >"$work/out" 2>"$work/log"
verdict $? 2 'holdout = 0: evaluate needs questions'

# A model that was trained on all pairs is not measured on them.
run
verdict $? 2 'a model that has seen the pictures is not measured on them'

finish
