#!/bin/sh
# Twelve photographs, three of them broken, that come, go and change between runs which are killed at changing moments: the results are the
# bytes of one clean run, and nothing is asked twice. Where a case fails, read src/job/journal.c, src/mpa/result.c.
. "$(dirname "$0")/../fixture/verdict.sh"

mkdir "$work/all" "$work/photos"
n=0
for file in conf/world/okvqa/train/COCO_train2014_0000000000*.jpg; do
    n=$((n + 1))
    [ $n -le 12 ] || break
    cp "$file" "$work/all/$(printf %02d $n).jpg"
done
head -c 900 "$work/all/03.jpg" >"$work/cut" && mv "$work/cut" "$work/all/03.jpg"
echo '<html>not found</html>' >"$work/all/05.jpg"
: >"$work/all/08.jpg"

set -- run conf/demo-okvqa.ini data.images="$work/photos" data.image_root= data.missing=skip annotate.batch=2 annotate.max_new_tokens=40 \
    identify.max_new_tokens=8 level.recipe=2025-10 level.batch=2 level.micro_batch=1 level.epochs=2 level.save_every=1 \
    level.learning_rate=1e-4 evaluate.questions= evaluate.holdout=0.3 --force

# killed SECONDS ARGUMENT...: a run that is killed after so long, and how it ended
killed() {
    seconds=$1
    shift
    "$MPA" "$@" run.dir="$work/run" >"$work/log" 2>&1 &
    pid=$!
    sleep "$seconds"
    kill -KILL $pid 2>/dev/null
    wait $pid 2>/dev/null
}

cp "$work"/all/0[1-7].jpg "$work/photos"
killed 0.3 "$@"
killed 0.7 "$@"
cp "$work"/all/09.jpg "$work"/all/1*.jpg "$work/photos" # four come while nothing is finished
killed 0.9 "$@"
rm "$work/photos/02.jpg" "$work/photos/03.jpg" # two go
killed 1.2 "$@" --redo annotate
"$MPA" "$@" run.dir="$work/run" --redo annotate >"$work/log" 2>&1
case_is $? 'a run with eight photographs that can be read'
cp "$work/all/01.jpg" "$work/photos/04.jpg" # one changes
killed 0.8 "$@" --redo annotate
cp "$work"/all/*.jpg "$work/photos" # all are there, as they were
killed 0.5 "$@" --redo annotate
killed 2 "$@" --redo annotate
"$MPA" "$@" run.dir="$work/run" --redo annotate >"$work/log" 2>&1
case_is $? 'a run with all of them'
grep -q '3 of 12 pictures are missing or cannot be read' "$work/log"
case_is $? 'three are skipped and counted'

"$MPA" "$@" run.dir="$work/clean" >"$work/log" 2>&1
case_is $? 'one clean run'
diff -r -x timings.jsonl -x answers.jsonl -x heat.jsonl -x costs.jsonl -x report.html "$work/clean" "$work/run" >>"$work/log" 2>&1
case_is $? 'the same bytes as one clean run'

keys() {
    grep -o '"key":"[0-9a-f]*"' "$work/run/answers.jsonl" | sort
}
[ "$(keys | uniq -d | wc -l)" = 0 ] && [ "$(keys | wc -l)" -gt 20 ]
case_is $? 'no question was asked twice'

finish
