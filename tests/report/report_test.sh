#!/bin/sh
# `mpa report`: hostile texts, several runs, what is out of date, and the page that `mpa run` writes. Where a case fails: what strangers
# wrote is escaped in src/report/html.c, what is shown is chosen in src/report/record.c, and each section has its file beside them.
. "$(dirname "$0")/../fixture/verdict.sh"

# says STATUS WORDS ARGUMENT...
says() {
    wanted=$1
    words=$2
    shift 2
    "$MPA" report "$@" >"$work/log" 2>&1
    [ $? = "$wanted" ] && grep -qF -e "$words" "$work/log"
    case_is $? "mpa report $*: wanted status $wanted and '$words'"
}

# ------------------------------------------------------------------------------------------------------------ texts from strangers

# As JSON, and behind the tab what must not stand in the page.
tab=$(printf '\t')
cat >"$work/payloads" <<'END'
<script>alert(1)</script>	<script
\"><img src=x onerror=alert(2)>	"><img src=x
'><svg onload=alert(3)>	'><svg
</td></table><iframe src=//evil.example>	<iframe
</style><style>*{background:url(//evil.example)}	</style><style>*
<!-- hidden	<!-- hidden
]]><b>bold</b>	<b>bold
&lt;script&gt;alert(8)	>&lt;script&gt;alert(8)
\" style=\"background:url(//evil.example)\" x=\"	" style="
<a href=\"javascript:alert(10)\">here</a>	<a href
<meta http-equiv=refresh content=0>	<meta http-equiv=refresh
<base href=//evil.example/>	<base
<object data=//evil.example><embed src=//evil.example>	<object
</title></head><body onload=alert(14)>	<body onload
<math><mtext><form><input autofocus onfocus=alert(19)>	<math
END
hostile() { # JSON BYTES: in octal
    printf '%s\t%b\n' "$1" "$2" >>"$work/payloads"
}
hostile '\ufeffmarked' '\0357\0273\0277'
hostile '\u202etxet desrever' '\0342\0200\0256'
hostile '\u2066isolated\u2069' '\0342\0201\0246'
hostile '\u001b[31mred' '\0033'
hostile '\u0085\u2028lines' '\0302\0205'

# Every text of every file is one of them.
mkdir -p "$work/run/evaluation"
rows() { # FORMAT
    awk -F '\t' -v q="$1" 'BEGIN { printf "[" } { row = q; gsub(/&/, "\\\\&", $1); gsub(/\\/, "\\\\", $1); gsub(/@/, $1, row); printf "%s%s\n", (NR > 1 ? "," : ""), row } END { print "]" }' "$work/payloads"
}
rows '{"question_id": "@", "image_path": "@", "ground_truth_question": null, "ground_truth_answer": null, "predicted_question": "@", "predicted_answer": "@"}' >"$work/annotations.json"
rows '{"question_id": "@", "image_path": "@", "PA_question": "@", "PA_answer": "@", "predictions": "@ teacher"}' >"$work/teacher.json"
rows '{"question_id": "@", "image_path": "@", "PA_question": "@", "PA_answer": "@", "predictions": "no"}' >"$work/student.json"
rows '{"question_id": "@", "image_path": "@", "GT_question": "@", "GT_answer": "@", "predictions": "wrong @"}' >"$work/run/evaluation/aligned.json"
rows '{"question_id": "@", "image_path": "@", "GT_question": "@", "GT_answer": "@", "predictions": "no"}' >"$work/run/evaluation/student.json"
cp "$work/run/evaluation/aligned.json" "$work/run/evaluation/teacher.json"
printf '{"student": {"mpa": 20.0}, "aligned": {"mpa": 60.0}, "teacher": {"mpa": 100.0}, "gap_before": 80.0, "gap_after": 40.0, "gap_closed": 0.5, "intervals": {"aligned": {"mpa": [51.25, 68.75]}, "gap": {"mpa": {"closed": [0.42, 0.58]}}}}\n' >"$work/run/scores.json"
printf '{"step": %d, "epoch": %d, "loss": %d, "lr": 0.5, "grad_norm": 2, "tokens": 30, "pairs": {"<script>alert(1)</script>": %d}}\n' 1 1 7 8 2 2 3 4 \
    >"$work/run/metrics.jsonl"
cat >"$work/a.ini" <<END
[run]
dir = run
[teacher]
annotations = annotations.json
answers = teacher.json
[student]
answers = student.json
[data]
task = okvqa
[identify]
suffix = "<script>alert(21)</script>"
END

says 2 'nothing has happened here yet' "$work/a.ini" run.dir="$work/none"
"$MPA" identify "$work/a.ini" >"$work/log" 2>&1
case_is $? "the hostile run"
says 0 'run/report.html' "$work/a.ini"
page=$work/run/report.html
texts=0
while IFS="$tab" read -r text raw; do
    texts=$((texts + 1))
    # jansson, grep and the page agree on UTF-8; the page's own style is left out.
    ! sed '/<style>/,/<\/style>/d' "$page" | LC_ALL=C grep -qF -e "$raw"
    case_is $? "text $texts ($text) is in the page as '$raw'"
done <"$work/payloads"
[ $texts -ge 12 ]
case_is $? "there are twelve texts and more"
for wanted in '&lt;script&gt;alert(1)&lt;/script&gt;' '&amp;lt;script&amp;gt;alert(8)' '[U+202E]txet' '[U+001B][31mred' '[U+0085][U+2028]lines' \
    '&quot;&gt;&lt;img src=x' '[U+FEFF]marked' '&#39;&gt;&lt;svg' 'alert(21)&lt;/script&gt;'; do
    grep -qF -e "$wanted" "$page"
    case_is $? "the page has '$wanted'"
done

# Whatever stands in the texts, the page's tags and attributes are ours.
sed '/<style>/,/<\/style>/d' "$page" | LC_ALL=C grep -oE '<[^>]*>' | grep -v '^<img [^>]*src="data:image/jpeg;base64,[A-Za-z0-9+/=]*">$' |
    grep -vxF -e '<a class="more" href="#all">' -e '</a>' >"$work/tags"
sed 's|^</*\([!A-Za-z0-9]*\).*|\1|' "$work/tags" | sort -u | grep -vxE '!DOCTYPE|html|head|meta|title|link|body|main|header|section|div|p|h[1-4]|table|caption|thead|tr|t[hd]|small|b|i|span|svg|rect|path|text|figure|figcaption|ul|li|article|dl|dt|dd|details|summary|code' >"$work/log"
[ ! -s "$work/log" ]
case_is $? "a tag that is not ours"
grep -iE ' on[a-z]+=|javascript:|//|<(meta http-equiv="?refresh|link [^>]*href="[^d])' "$work/tags" >"$work/log"
[ ! -s "$work/log" ]
case_is $? "an attribute that acts"
[ "$(grep -c . "$work/tags")" -gt 200 ]
case_is $? "tags were looked at"
grep -qF "default-src 'none'; img-src data:; style-src 'unsafe-inline'" "$page"
case_is $? "the policy"

# ------------------------------------------------------------------------------------------------------------------ what it shows

for wanted in '50&nbsp;% of the gap to the teacher was closed' 'of 20</summary>' '8 in the first epoch, 4 in the last' '60.0<small>51.2 to 68.8</small>' '<small>42 to 58&nbsp;%</small>' 'M512.5 10H687.5' \
    '2 steps in 2 epochs, 60 answer tokens; the loss went from 7 to 3.' '<b>20</b> <span>kept: <small>only the teacher is right'; do
    grep -qF -e "$wanted" "$page"
    case_is $? "the page has '$wanted'"
done
cp "$page" "$work/first.html"
"$MPA" report "$work/a.ini" >/dev/null 2>&1 && cmp -s "$page" "$work/first.html"
case_is $? "the same bytes once more"
says 2 'is not true any more' "$work/a.ini" identify.select=all
says 2 'have the same run folder' "$work/a.ini" "$work/a.ini"
says 2 'a configuration file is needed' run.seed=3

# Of two runs: settings, pairs and answers that differ. The second one keeps none.
mkdir -p "$work/other/evaluation"
cp "$work/run/evaluation"/*.json "$work/other/evaluation"
sed 's/"predictions": "wrong /"predictions": "/; 2,9s/"predictions": ".*"}/"predictions": "no"}/' "$work/run/evaluation/aligned.json" >"$work/other/evaluation/aligned.json"
sed 's/^dir = run/dir = other/; s/^answers = student.json/answers = teacher.json/' "$work/a.ini" >"$work/b.ini"
"$MPA" identify "$work/b.ini" >"$work/log" 2>&1
says 0 'run/report.html' "$work/a.ini" "$work/b.ini"
for wanted in 'Runs beside each other' '<code>student.answers</code>' 'Pairs that not all runs kept, 1 to 20 of 20' 'Answers that differ, 1 to 20 of 20' \
    '>-40.0<small>-61.5 to -18.5</small><small>only this run right: 0</small><small>only A right: 8<'; do
    grep -qF -e "$wanted" "$page"
    case_is $? "two runs: the page has '$wanted'"
done
[ ! -e "$work/other/report.html" ]
case_is $? "the other run's folder stays as it is"

# A page of many rows is closed parts of 200.
awk 'BEGIN { printf "["; for (i = 0; i < 450; i++) printf "%s{\"question_id\": %d, \"image_path\": \"x\", \"PA_question\": \"q\", \"PA_answer\": \"a\", \"predictions\": \"a\"}\n", i ? "," : "", i; print "]" }' >"$work/many.json"
"$MPA" identify "$work/a.ini" run.dir="$work/many" student.answers="$work/many.json" teacher.answers="$work/many.json" >"$work/log" 2>&1
says 0 'many/report.html' "$work/a.ini" run.dir="$work/many" student.answers="$work/many.json" teacher.answers="$work/many.json"
[ "$(grep -c '<details>' "$work/many/report.html")" = 3 ] && grep -qF 'Pictures 401 to 450 of 450' "$work/many/report.html" && grep -qF 'A run that is not scored yet' "$work/many/report.html"
case_is $? "450 rows are three parts"

# ------------------------------------------------------------------------------------------------------------------- a run of its own

cat >"$work/own.ini" <<END
[run]
dir = $work/own
[teacher]
model = $PWD/weights/demo-teacher
[student]
model = $PWD/weights/demo-student
[data]
task = okvqa
images = $PWD/conf/world/okvqa/train
limit = 12
[level]
recipe = 2025-10
epochs = 1
batch = 4
micro_batch = 2
[evaluate]
holdout = 0.3
END
"$MPA" run "$work/own.ini" --force >"$work/log" 2>&1
case_is $? "a run"
for wanted in 'Agreement with the teacher, not truth.' 'data:image/jpeg;base64,/9j/' '>Loss <small>' 'Pictures kept: only the teacher is right' 'kernels ' \
    '<code>level.batch</code></td><td>4</td>' 'What was learned'; do
    grep -qF -e "$wanted" "$work/own/report.html"
    case_is $? "its page has '$wanted'"
done
! grep -qF "$work/own" "$work/own/report.html"
case_is $? "the page does not name its folder"
cp "$work/own/report.html" "$work/first.html"
"$MPA" report "$work/own.ini" >/dev/null 2>&1 && cmp -s "$work/own/report.html" "$work/first.html"
case_is $? "mpa report writes what mpa run wrote"

"$MPA" report --no-costs "$work/own.ini" >/dev/null 2>&1 && ! grep -q 'What it cost' "$work/own/report.html" && grep -qF 'What it cost' "$work/first.html"
case_is $? "a page without costs where that is asked for"

# What is out of date is not shown: an annotation was edited, so nobody has decided anything.
sed -i.bak 's/"predicted_answer": "[^"]*"/"predicted_answer": "edited"/' "$work/own/annotations.json"
"$MPA" report "$work/own.ini" >"$work/log" 2>&1
! grep -qF -e 'only the teacher is right' "$work/own/report.html" && ! grep -qF -e '>Loss <small>' "$work/own/report.html" && ! grep -qF -e 'What was learned' "$work/own/report.html"
case_is $? "what an edited file makes untrue is gone"
grep -qF 'left out until the run is made anew: student.json, teacher.json, parity.json, aligned,' "$work/own/report.html"
case_is $? "what is left out is named"

# In a browser, where there is one: it draws the page, and has nothing to say about it.
for browser in chromium chromium-browser google-chrome; do
    command -v $browser >/dev/null 2>&1 || continue
    HOME=$work timeout 100 $browser --headless --no-sandbox --disable-gpu --screenshot="$work/blank.png" about:blank >/dev/null 2>&1
    [ -s "$work/blank.png" ] || { echo "$browser does not run here" && continue; }
    HOME=$work timeout 150 $browser --headless --no-sandbox --disable-gpu --enable-logging=stderr --window-size=400,2000 --screenshot="$work/page.png" "file://$page" >"$work/log" 2>&1
    [ -s "$work/page.png" ] && ! grep -q 'CONSOLE' "$work/log"
    case_is $? "a console message of $browser"
    break
done

finish
