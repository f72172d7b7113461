#!/bin/sh
# A run that is killed or interrupted at any moment and started again ends with the same files as an undisturbed one, times aside, and prints
# the same. Where a case fails, read src/job/journal.c (answers), src/train/state.c (states of training), src/base/file.c (replacing files).
. "$(dirname "$0")/../fixture/verdict.sh"

# The first six labelled questions.
tests/fixture/questions.sh 1 6 >"$work/questions.json"

set -- run conf/demo-okvqa.ini data.limit=10 annotate.batch=2 evaluate.questions="$work/questions.json" \
    identify.select=random level.epochs=2 level.batch=4 level.micro_batch=2 level.warmup_ratio=0.03 level.save_every=1 level.learning_rate=1e-4

# All files but the times, in one stream; a file that should be gone stands out by its name.
same() { # FOLDER run CONF OVERRIDE...
    folder=$1
    shift 2
    for one in "$work/whole" "$folder"; do # the page without what the work has cost
        "$MPA" report --no-costs "$@" run.dir="$one" >>"$work/log" 2>&1 || return 1
    done
    diff -r -x timings.jsonl -x costs.jsonl "$work/whole" "$folder" >"$work/difference" 2>&1 && return 0
    cat "$work/difference" >>"$work/log"
    return 1
}

"$MPA" "$@" run.dir="$work/whole" >"$work/printed" 2>"$work/log"
case_is $? "an undisturbed run"
for left in "$work"/whole/*.tmp "$work"/whole/level.state; do
    if [ -e "$left" ]; then case_is 1 "$left was left behind"; fi
done
"$MPA" "$@" run.dir="$work/whole" >"$work/log" 2>&1
case_is $? "the same command once more"

# disturb SIGNAL STATUS SECONDS: again and again, each time a little later, until it ends by itself.
disturb() {
    signal=$1
    wanted=$2
    seconds=$3
    shift 3
    rm -rf "$work/other"
    tries=0
    status=$wanted
    while [ "$status" = "$wanted" ] && [ $tries -lt 200 ]; do
        "$MPA" "$@" run.dir="$work/other" >"$work/printed-last" 2>"$work/log" &
        pid=$!
        sleep "$seconds"
        kill -"$signal" $pid 2>/dev/null
        wait $pid
        status=$?
        tries=$((tries + 1))
        seconds=$(awk -v t="$seconds" 'BEGIN { print t * 1.25 }')
    done
    [ "$status" = 0 ] && cmp "$work/printed" "$work/printed-last" >>"$work/log" 2>&1 && same "$work/other" "$@"
    case_is $? "signal $signal, $tries runs, the last with status $status: the same files, and the same is printed"
}

# Under a sanitizer each takes four times as long.
for start in ${KILLS:-$([ -n "${SAN:-}" ] && echo 0.1 || echo 0.04 0.1 0.25)}; do
    disturb KILL 137 "$start" "$@"
done
for start in ${INTERRUPTIONS:-0.15}; do
    disturb INT 130 "$start" "$@"
done

# Work that was begun does not go on with other settings, unless it may begin anew; a journal that was damaged is not taken for torn.
rm -rf "$work/other"
annotate() {
    "$MPA" annotate conf/demo-okvqa.ini run.dir="$work/other" data.limit=10 annotate.batch=2 "$@" >"$work/log" 2>&1
}
annotate
rm "$work/other/annotations.json"
sed -i.bak 's/"hash": "[0-9a-f]*"/"hash": null/' "$work/other/provenance.json"
annotate annotate.max_new_tokens=99
[ $? = 2 ] && grep -q 'annotate.max_new_tokens was 128, is 99' "$work/log"
case_is $? "other settings are refused by name"
annotate
[ $? = 0 ] && grep -q '10 of 10 answers are known' "$work/log" && cmp -s "$work/other/annotations.json" "$work/whole/annotations.json"
case_is $? "with the old settings nobody is asked again"
sed -i.bak '2s/.$//' "$work/other/answers.jsonl"
annotate --redo annotate
[ $? = 3 ] && grep -q 'answers.jsonl: line 2 is damaged' "$work/log"
case_is $? "a damaged line is named"
sed -i.bak 2d "$work/other/answers.jsonl"
annotate --redo annotate
[ $? = 0 ] && grep -q '8 of 10 answers are known' "$work/log" && cmp -s "$work/other/annotations.json" "$work/whole/annotations.json"
case_is $? "without that line its answers are asked again"

finish
