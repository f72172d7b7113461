#!/bin/sh
# `mpa ablate`: variants from the same annotations and answers, the selections that ask nobody, and a second call that does nothing twice.
# Where a case fails, read src/command/ablate.c, src/command/ablate_table.c, src/mpa/select.c.
. "$(dirname "$0")/../fixture/verdict.sh"

# Four pictures of a data set with labels, and two test questions that the student gets wrong.
for i in 4 5 6 7; do
    echo "{\"image_id\": $i, \"qas\": [{\"question_id\": $i, \"question\": \"Label $i?\", \"answers\": [\"label $i\"]}]}"
done | sed '1s/^/[/; $!s/$/,/; $s/$/]/' >"$work/set.json"
tests/fixture/questions.sh 2 3 >"$work/questions.json"
cat >"$work/run.ini" <<END
[run]
dir = $work/run
[teacher]
model = $PWD/weights/demo-teacher
[student]
model = $PWD/weights/demo-student
[data]
task = okvqa
images = $work/set.json
image_root = $PWD/conf/world/okvqa/train
[level]
recipe = 2025-10
batch = 2
micro_batch = 2
learning_rate = 1e-4
[evaluate]
questions = $work/questions.json
image_root = $PWD/conf/world/okvqa/test
END

ablate() {
    "$MPA" ablate "$work/run.ini" --force "$@" >"$work/out" 2>"$work/log"
}

ablate --vary identify.select=unverified,labels --sizes 0.5,1 --seeds 2
verdict $? 0 'two selections in two sizes with two seeds'
cp "$work/out" "$work/first"
verdict "$(grep -c 'identify.select=.*+size=.* mpa .* to .*closed' "$work/out")" 4 'rows of the table'
verdict "$(grep -c '"variant"' "$work/run/ablate/table.json")" 4 'rows of table.json'
verdict "$(grep -c '"closed_interval": \[' "$work/run/ablate/table.json")" 8 'intervals of the share of the gap'
page=$work/run/ablate/report.html
verdict "$(grep -o '<tr><th>identify.select=[a-z]*+size=[0-9.]*</th><td class="n">[0-9]*</td><td class="n">[0-9.]* <small>-*[0-9.]* to -*[0-9.]*</small></td>' "$page" | wc -l | tr -d ' ')" 8 'rows of its page'
verdict "$(grep -o 'href="[^"]*"' "$page" | grep -c 'seed=[01]/report.html')" 16 'links to reports of runs'
for link in $(grep -o 'href="identify[^"]*"' "$page" | sed 's/href="//; s/"$//; s/%2B/+/g'); do
    [ -f "$work/run/ablate/$link" ]
    verdict $? 0 "the page's link $link"
done
! grep -q 'heat.jsonl\|Where it looked' "$work"/run/ablate/*/report.html
verdict $? 0 'no heat maps in the pages of variants'
verdict "$(ls -d "$work"/run/ablate/*+seed=* | wc -l | tr -d ' ')" 8 'runs'
verdict "$(ls "$work"/run/ablate/*/answers.jsonl | wc -l | tr -d ' ')" 8 'journals'
verdict "$(cat "$work"/run/ablate/*/answers.jsonl | grep -vc '^{"stage":"evaluate-aligned"')" 0 'nothing is asked again'

labels=$work/run/ablate/identify.select=labels
verdict "$(grep -c '"value": "label [4-7]"' "$labels+size=1+seed=0/parity.json")" 4 'labels are trained on'
verdict "$(grep -c '"value": "label [45]"' "$labels+size=0.5+seed=1/parity.json")" 2 'and half of them'
verdict "$(grep -c 'a label of the data set' "$labels+size=1+seed=0/audit.jsonl")" 4 'which the audit says'
verdict "$(grep -c . "$work/run/ablate/identify.select=unverified+size=0.5+seed=0/audit.jsonl")" 2 'half of the pictures are decided about'

rm -rf "$labels+size=1+seed=1"
ablate --vary identify.select=unverified,labels --sizes 0.5,1 --seeds 2
verdict $? 0 'again, without one of the runs'
cmp -s "$work/out" "$work/first"
verdict $? 0 'the table is the same'
verdict "$(grep -c 'aligned is there already' "$work/log")" 7 'seven runs were done'
verdict "$(grep -c 'annotations.json is there already' "$work/log")" 1 'and so was the one that they start from'

# With one seed the intervals are those of the questions, of the share of the gap too.
ablate --vary identify.select=unverified
verdict "$(grep -c 'mpa .* closed (-*[0-9]* to -*[0-9]*).* vqa .* closed (' "$work/out")" 1 'an interval of the share of the gap, by one seed'

# An ordinary run with labels needs no teacher, and ends with training where there is nothing to measure by.
"$MPA" run "$work/run.ini" --force run.dir="$work/labels" identify.select=labels teacher.model= evaluate.questions= >"$work/out" 2>"$work/log"
verdict $? 0 'a run with labels'
[ -f "$work/labels/aligned/config.json" ] && [ ! -f "$work/labels/annotations.json" ]
verdict $? 0 'it trains, and annotates nothing'
verdict "$(grep -c '^refused: annotate' "$work/log")" 0 'nor is it told what annotating would lack'

refused() {
    ablate "$@"
    verdict $? 2 "$*"
}
refused --vary image.max_pixels=9000,90000
refused --vary level.epochs
refused --vary level.epochs=1,2 --seeds 0
refused --vary level.epochs=1,2 --sizes 0,1
refused --vary level.epochs=none
refused --vary identify.select=all identify.select=all
refused

finish
