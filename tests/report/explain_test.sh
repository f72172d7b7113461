#!/bin/sh
# `mpa explain`: the story of a picture, from files put there by hand and from a run. Where a case fails, read src/report/story.c and
# src/report/explain.c.
. "$(dirname "$0")/../fixture/verdict.sh"

# says STATUS WORDS ARGUMENT...: exit status, and words (fixed) in what is printed
says() {
    wanted=$1
    words=$2
    shift 2
    "$MPA" explain "$work/run.ini" "$@" >"$work/log" 2>&1
    status=$?
    [ $status = "$wanted" ] && grep -qF -e "$words" "$work/log"
    case_is $? "mpa explain $*: status $status, wanted $wanted and '$words'"
}

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
limit = 22
[level]
recipe = 2025-10
epochs = 2
batch = 4
micro_batch = 2
[evaluate]
holdout = 0.2
END

says 2 'nothing has happened here yet' 1
"$MPA" annotate "$work/run.ini" >"$work/log" 2>&1
says 0 '  not done yet' 3
says 0 'The teacher wrote:' 3
says 0 '    | Question: [What country has this flag]?' 3
says 0 '    | Answer: [Bangladesh]' 3
"$MPA" run "$work/run.ini" --force >"$work/log" 2>&1
page=$work/run/report.html
cards=$(grep -c '<dt>annotated</dt>.*<dt>student</dt>.*<dt>teacher</dt>.*<dt>aligned</dt><dd class="' "$page")
[ "$cards" -ge 12 ]
case_is $? "cards of pictures with the aligned student's answer: $cards"
verdict "$(grep -c 'href="#all">all of them</a>' "$page" | tr -d ' ')" "$(grep -c '<h3>.*<small>' "$page" | tr -d ' ')" "links to the list of all"
verdict "$(grep -c '<section class="wide" id="all">' "$page")" 1 "the list of all"
grep -qF '<tr><th>level</th><td class="n">' "$page"
case_is $? "the page has no cost of the training"
answers=$(grep -c '"stage":"explain"' "$work/run/answers.jsonl")
says 0 '    | What country has this flagAnswer the following question in a single word or phrase.' 3
says 0 'compared as "bangladesh": "bangladesh" is in it' 3
says 0 'Decision: kept, because only the teacher is right' 3
says 0 'The aligned student said:' 3
"$MPA" report "$work/run.ini" >"$work/log" 2>&1
[ "$(grep -c '"stage":"explain"' "$work/run/answers.jsonl")" -le $((answers + 2)) ]
case_is $? "a report asks the aligned student again"
says 0 '"question_at": [' 3 --json
says 3 'there is no picture 99 in this run; the nearest: 9, ' 99
says 2 'the id of a picture' # a usage error
says 2 'level.epochs was 2, is 3' 3 level.epochs=3
dropped=$(sed -n 's/^{"question_id":\([0-9]*\),.*"decision":"not kept".*/\1/p' "$work/run/audit.jsonl" | head -n 1)
loss=$(sed -n '/"pairs": {.*"3": /s/.*"3": \([0-9]*\.[0-9][0-9]\).*/\1/p' "$work/run/metrics.jsonl" | head -n 1)
says 0 ": loss ${loss:-absent}" 3
says 0 '    epoch ' 3
says 0 'Decision: not kept, because the student is right' "$dropped"
says 0 'was not kept, so the student was not trained on it' "$dropped"
# Nothing that acts on a terminal.
sed -i.bak 's/Question: What/\\u001b[31mQuestion: What/' "$work/run/audit.jsonl"
says 0 '?[31mQuestion: [What country' 3
LC_ALL=C grep -q "$(printf '\033')" "$work/log"
verdict $? 1 'no escape reaches the terminal'

finish
