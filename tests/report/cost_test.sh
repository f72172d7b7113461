#!/bin/sh
# What a run has cost: recorded by the stages, added up over processes that were killed and those that went on. Where a case fails, read
# src/job/cost.c and src/report/cost.c.
. "$(dirname "$0")/../fixture/verdict.sh"

cat >"$work/c.ini" <<EOF
[run]
dir = run
[teacher]
model = $PWD/weights/run-teacher
[student]
model = $PWD/weights/run-student
[data]
task = okvqa
images = $PWD/golden/run/pictures
limit = 4
[annotate]
max_new_tokens = 8
EOF

# field STAGE NAME: of the last line of the stage
field() {
    grep "\"stage\":\"$1\"" "$work/run/costs.jsonl" | tail -n 1 | sed "s/.*\"$2\":\([^,}]*\).*/\1/"
}

"$MPA" annotate "$work/c.ini" >"$work/log" 2>&1
case_is $? "annotate"
verdict "$(field annotate ended)" true "the stage's last line"
verdict "$(field annotate part)" 1 "its part"
[ "$(field annotate answer_tokens)" -ge 4 ] && [ "$(field annotate answer_tokens)" -le 32 ]
case_is $? "tokens written: $(field annotate answer_tokens), wanted 4 to 32"
[ "$(field annotate prompt_tokens)" -gt 100 ]
case_is $? "tokens read: $(field annotate prompt_tokens)"
[ "$(field annotate peak_bytes)" -gt 1000000 ]
case_is $? "peak memory: $(field annotate peak_bytes)"
"$MPA" annotate "$work/c.ini" >"$work/log" 2>&1
verdict "$(grep -c . "$work/run/costs.jsonl")" 1 "lines after a command that found everything done"

# A process that was killed, whose last line was cut; one that went on after it; and another stage.
cat >"$work/run/costs.jsonl" <<'EOF'
{"part":1,"stage":"annotate","seconds":20.5,"prompt_tokens":1000,"answer_tokens":10,"peak_bytes":209715200,"read_bytes":1048576,"threads":2,"ended":false}
{"part":1,"stage":"annotate","seconds":40.5,"prompt_tokens":2000,"answer_tokens":20,"peak_bytes":209715200,"read_bytes":2097152,"threads":2,"ended":false}
{"part":2,"stage":"annotate","seconds":82.5,"prompt_tokens":5000,"answer_tokens":70,"peak_bytes":104857600,"read_bytes":1048576,"threads":2,"ended":true}
{"part":3,"stage":"identify","seconds":9000,"prompt_tokens":0,"answer_tokens":0,"peak_bytes":20971520000,"read_bytes":0,"threads":2,"ended":true}
EOF
printf '{"part":4,"stage":"iden' >>"$work/run/costs.jsonl"
"$MPA" report "$work/c.ini" >"$work/log" 2>&1
case_is $? "report"
has() {
    grep -qF -e "$1" "$work/run/report.html"
    case_is $? "the page has no '$1'"
}
has '<tr><th>annotate</th><td class="n">2&nbsp;min 03&nbsp;s</td><td class="n">7,000</td><td class="n">90</td><td class="n">200&nbsp;MiB</td><td class="n">3&nbsp;MiB</td><td class="n">2</td><td class="n">2</td></tr>'
has '<tr><th>identify</th><td class="n">2&nbsp;h 30&nbsp;min</td><td class="n">&ndash;</td><td class="n">&ndash;</td><td class="n">19.5&nbsp;GiB</td>'
has '<tr><th>all</th><td class="n">2&nbsp;h 32&nbsp;min</td><td class="n">7,000</td><td class="n">90</td><td class="n">19.5&nbsp;GiB</td><td class="n">3&nbsp;MiB</td><td class="n">2</td><td class="n">3</td></tr>'
has ' 1 of the 3 parts were killed'

# The next part follows on a line of its own.
"$MPA" annotate "$work/c.ini" data.limit=6 --redo annotate >"$work/log" 2>&1
case_is $? "annotate, of more pictures"
verdict "$(field annotate part)" 4 "the part after a cut line"
verdict "$(field annotate ended)" true "its last line"
finish
