#!/bin/sh
# Heat maps of a run: which pairs, by which models, kept and taken again; in the page and as PNG. What they hold is judged in
# tests/model/heat_test.c, how they are drawn in tests/report/heat_draw_test.c. Where a case fails, read src/report/heat.c.
. "$(dirname "$0")/../fixture/verdict.sh"

# says STATUS WORDS COMMAND ARGUMENT...: exit status, and words (fixed) in what is printed
says() {
    wanted=$1
    words=$2
    shift 2
    "$MPA" "$@" >"$work/log" 2>&1
    status=$?
    [ $status = "$wanted" ] && grep -qF -e "$words" "$work/log"
    case_is $? "mpa $*: status $status, wanted $wanted and '$words'"
}

# lines WANTED WORDS: how many lines of heat.jsonl hold the words
lines() {
    verdict "$(grep -cF -e "$2" "$work/run/heat.jsonl")" "$1" "lines of heat.jsonl with $2"
}

# Fourteen pairs, all but one kept: the question of the third is right already, that of the second comes from a stranger.
rows() { # FORMAT: @ is the number, ? the student's words
    id=0
    for picture in golden/run/pictures/*; do
        [ $id -lt 14 ] || break
        question="Which country is $id"
        said=no
        [ $id != 1 ] || question='<script>alert(1)</script>'
        [ $id != 2 ] || said=Norway
        printf '%s{"question_id": %d, "image_path": "%s", ' "$([ $id = 0 ] && echo '[' || echo ',')" $id "$(basename "$picture")"
        case $1 in
            annotations) printf '"ground_truth_question": null, "ground_truth_answer": null, "predicted_question": "%s", "predicted_answer": "Norway"}' "$question" ;;
            student) printf '"PA_question": "%s", "PA_answer": "Norway", "predictions": "%s"}' "$question" $said ;;
            teacher) printf '"PA_question": "%s", "PA_answer": "Norway", "predictions": "Norway"}' "$question" ;;
        esac
        id=$((id + 1))
    done
    printf ']\n'
}
for file in annotations student teacher; do
    rows $file >"$work/$file.json"
done
cat >"$work/c.ini" <<EOF
[run]
dir = run
[teacher]
model = $PWD/weights/run-teacher
annotations = annotations.json
answers = teacher.json
[student]
model = $PWD/weights/run-student
answers = student.json
[data]
task = okvqa
image_root = $PWD/golden/run/pictures
[evaluate]
holdout = 0
EOF
"$MPA" identify "$work/c.ini" >"$work/log" 2>&1
case_is $? "identify"

says 0 run/report.html report "$work/c.ini"
lines 12 '"model":"teacher"'
lines 12 '"model":"student"'
lines 0 '"model":"aligned"'
lines 0 '"id":"2"' # not kept
lines 2 '"id":"1"'
verdict "$(grep -c '<figcaption>student before <small>loss' "$work/run/report.html")" 12 "maps by the student"
grep -qF '<h4>&lt;script&gt;alert(1)&lt;/script&gt;</h4>' "$work/run/report.html"
case_is $? "a question in a heat map is not escaped"

# What is known is not computed again, and gives the same page; a line that a kill has cut is computed again.
cp "$work/run/heat.jsonl" "$work/heat"
cp "$work/run/report.html" "$work/page"
says 0 run/report.html report "$work/c.ini" --verbose
! grep -qF ': opened in' "$work/log"
case_is $? "a model is opened for maps that are known"
cmp -s "$work/run/report.html" "$work/page" && cmp -s "$work/run/heat.jsonl" "$work/heat"
case_is $? "maps that are known give another page"
head -c 2000 "$work/heat" >"$work/run/heat.jsonl"
says 0 run/report.html report "$work/c.ini" --verbose
grep -qF ': opened in' "$work/log"
case_is $? "no model is opened for maps that are gone"
cmp -s "$work/run/report.html" "$work/page"
case_is $? "maps that are computed again give another page"
sort "$work/run/heat.jsonl" >"$work/a"
sort "$work/heat" | cmp -s - "$work/a"
case_is $? "maps that are computed again are others"

# More and fewer.
says 0 run/report.html report "$work/c.ini" --heat 100
lines 13 '"model":"teacher"'
says 0 run/report.html report "$work/c.ini" --heat 0
! grep -q 'Where it looked' "$work/run/report.html"
case_is $? "--heat 0 leaves maps in the page"
says 2 '--heat -1: wanted an integer from 0' report "$work/c.ini" --heat -1
rm "$work/run/heat.jsonl"
says 4 'a heat map by the teacher needs about' report "$work/c.ini" run.memory=100K

# The aligned student of a training has its own.
says 0 '' level "$work/c.ini" level.recipe=2025-10 level.epochs=8 level.batch=4 level.warmup_ratio=0
says 0 run/report.html report "$work/c.ini" level.recipe=2025-10 level.epochs=8 level.batch=4 level.warmup_ratio=0
lines 12 '"model":"aligned"'

# One picture as PNG, kept or not.
says 0 'p.png: the picture, teacher (loss ' explain "$work/c.ini" 2 --heat "$work/p.png" level.recipe=2025-10 level.epochs=8 level.batch=4 level.warmup_ratio=0
verdict "$(head -c 8 "$work/p.png" | od -An -tx1 | tr -d ' \n')" 89504e470d0a1a0a "the first bytes of p.png"
says 1 'cannot' explain "$work/c.ini" 2 --heat "$work/none/p.png" level.recipe=2025-10 level.epochs=8 level.batch=4 level.warmup_ratio=0
finish
