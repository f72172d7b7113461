#!/bin/sh
# Twelve photographs, three of them broken, each in its own way: without missing = skip that is said before a model is loaded; with it they are
# skipped by every stage, counted, and listed with their reasons to the end; mended, they are asked, and nothing else is. Where a case fails,
# read src/data/pictures.c, src/data/items.c (items_list_skipped), src/mpa/audit.c.
. "$(dirname "$0")/../fixture/verdict.sh"

mkdir -p "$work/photos/more"
n=0
for file in conf/world/okvqa/train/COCO_train2014_0000000000[01]?.jpg; do
    n=$((n + 1))
    [ $n -le 12 ] || break
    cp "$file" "$work/photos/$(printf %02d $n).jpg"
done
mv "$work/photos/12.jpg" "$work/photos/more"
mkdir "$work/good"
cp "$work"/photos/03.jpg "$work/good"
head -c 900 "$work/good/03.jpg" >"$work/photos/03.jpg"  # cut off
echo '<html>not found</html>' >"$work/photos/05.jpg"    # something else
# whole by its chunks, but its data are broken: found by decoding
{ head -c 400 golden/model/odd.png && printf 'xxxx' && tail -c +405 golden/model/odd.png; } >"$work/photos/07.png"
rm "$work/photos/07.jpg"
echo x >"$work/photos/13.webp" # no format that is read

set -- conf/demo-okvqa.ini data.images="$work/photos" data.image_root= run.dir="$work/run" annotate.max_new_tokens=40 identify.max_new_tokens=8
annotated() {
    grep -c question_id "$work/run/annotations.json"
}

"$MPA" annotate "$@" >"$work/log" 2>&1
[ $? = 3 ] && grep -q 'pictures cannot be read (data.missing = skip leaves them out): .*03.jpg: the JPEG data are cut off.*05.jpg: is a web page' "$work/log"
case_is $? 'all that is seen beforehand is said, exit 3'
grep -q 'annotate [0-9]*/' "$work/log"
case_is $((! $?)) 'nothing was asked'

"$MPA" annotate "$@" data.missing=skip >"$work/log" 2>&1
case_is $? 'annotate'
grep -q '3 of 12 pictures are missing or cannot be read' "$work/log" && [ "$(annotated)" = 9 ]
case_is $? 'nine are annotated, three are counted'
grep -q 'annotate: 1 .*webp pictures are not read (the first: 13.webp); convert them: ' "$work/log"
case_is $? 'a format that is not read is named, with what converts it'
[ "$(grep -c '"decision":"skipped"' "$work/run/audit.jsonl")" = 3 ] && [ "$(grep -c . "$work/run/audit.jsonl")" = 12 ]
case_is $? 'the audit has a line for each'
"$MPA" identify "$@" data.missing=skip >"$work/log" 2>&1
case_is $? 'identify'
[ "$(grep -c '"decision":"skipped","reason":".*03.jpg: the JPEG data are cut off"' "$work/run/audit.jsonl")" = 1 ] &&
    [ "$(grep -c . "$work/run/audit.jsonl")" = 12 ]
case_is $? 'the audit still has a line for each'

# One is mended, another breaks after it was annotated: its pair has no answers, and the reason says why.
cp "$work/good/03.jpg" "$work/photos"
"$MPA" annotate "$@" data.missing=skip --redo annotate >"$work/log" 2>&1
case_is $? 'annotate again'
[ "$(annotated)" = 10 ] && [ "$(grep -c '"stage":"annotate","answers"' "$work/run/answers.jsonl")" = 2 ]
case_is $? 'the mended one was asked, alone'
head -c 900 "$work/photos/more/12.jpg" >"$work/cut" && mv "$work/cut" "$work/photos/more/12.jpg"
"$MPA" identify "$@" data.missing=skip --redo identify >"$work/log" 2>&1
case_is $? 'identify again'
grep -q '"image_path":"more/12.jpg".*"decision":"not kept","reason":"its picture cannot be read ([^"]*12.jpg: the JPEG data are cut off)"' "$work/run/audit.jsonl"
case_is $? 'the reason of a pair without its picture'

# A test set whose picture or labels are not there: said before the teacher is asked.
echo '[{"image_id": 1, "question_id": 1, "question": "q", "answers": ["x"]}]' >"$work/questions.json"
"$MPA" run "$@" run.dir="$work/other" data.images="$work/good" evaluate.questions="$work/questions.json" evaluate.image_root="$work/good" >"$work/log" 2>&1
[ $? = 3 ] && grep -q 'COCO_val2014_000000000001.jpg: No such file' "$work/log" && [ ! -e "$work/other/annotations.json" ]
case_is $? 'a missing test picture stops before the first stage'
echo '[{"image_id": 1, "question_id": 1, "question": "q"}]' >"$work/questions.json"
"$MPA" run "$@" run.dir="$work/other" data.images="$work/good" evaluate.questions="$work/questions.json" evaluate.image_root="$work/good" >"$work/log" 2>&1
[ $? = 3 ] && grep -q 'entry 0: answers: wanted' "$work/log" && [ ! -e "$work/other/annotations.json" ]
case_is $? 'a test set without answers stops before the first stage'

finish
