#!/bin/sh
# A result is used again only while all that made it is the same. Each key and each input is changed in turn, and exactly the results that
# depend on it notice; what is edited by hand is taken, and what depended on it is made anew. Where a case fails, read src/mpa/depends.c
# (the table), src/mpa/inputs.c (the inputs), src/mpa/result.c (the comparison).
. "$(dirname "$0")/../fixture/verdict.sh"

# The inputs, as copies that can be changed: two models, four pictures, two test questions with their pictures.
cp -R weights/demo-teacher "$work/teacher"
cp -R weights/demo-student "$work/student"
mkdir "$work/pictures" "$work/test"
for i in 1 2 3 4; do cp "conf/world/okvqa/train/COCO_train2014_00000000000$i.jpg" "$work/pictures/$i.jpg"; done
tests/fixture/questions.sh 1 2 >"$work/questions.json"
cp conf/world/okvqa/test/* "$work/test/"
cat >"$work/run.ini" <<END
[run]
dir = $work/run
[teacher]
model = $work/teacher
[student]
model = $work/student
[data]
task = okvqa
images = $work/pictures
[identify]
select = parity
[level]
recipe = 2025-10
batch = 4
micro_batch = 2
epochs = 2
learning_rate = 1e-4
min_pixels = 0
[evaluate]
questions = $work/questions.json
image_root = $work/test
END

run() {
    "$MPA" run "$work/run.ini" --force "$@" >"$work/log" 2>&1
}

# What was not true any more, in the order of the stages.
stale() {
    sed -n 's/^[a-z]*: \([a-z/]*\(\.json\)\{0,1\}\) is not true any more: .*/\1/p' "$work/log" | sort -u | tr '\n' ' ' | sed 's/ $//'
}

sum() {
    (cd "$work/run" && find . -type f ! -name timings.jsonl ! -name scores.json ! -name provenance.json ! -name report.html ! -name heat.jsonl ! -name costs.jsonl | sort | xargs cksum)
}

run
verdict $? 0 'a run'
sum >"$work/sum"
cp -R "$work/run" "$work/kept"

# ---------------------------------------------------------------------------------------------------- keys

A=annotations.json
S='student.json'
T='teacher.json'
E='evaluation/aligned.json evaluation/student.json evaluation/teacher.json'
all="aligned $A $E $S $T"

# KEY|ANOTHER VALUE|RESULTS THAT NOTICE, sorted. A key that is not here fails.
cat >"$work/keys" <<END
run.dir||
run.seed|1|aligned
run.threads|1|
run.memory|100G|
run.precision|float32|
teacher.model|$work/missing|$A evaluation/teacher.json $T
teacher.annotations|$work/missing|parity.json $S $T
teacher.answers|$work/missing|parity.json
student.model|$work/missing|aligned evaluation/student.json $S
student.adapter|$work/missing|evaluation/student.json $S
student.answers|$work/missing|parity.json
data.task|textvqa|$A
data.images|$work/test|aligned $A $S $T
data.image_root|$work/pictures/|
data.image_map|x=y|
data.missing|skip|
data.limit|3|$A
data.shard|0/2|$A
image.min_pixels|4000|$all
image.max_pixels|90000|$A $E $S $T
image.published|yes|$all
image.exif|yes|$all
annotate.prompt|README.md|$A
annotate.max_new_tokens|99|$A
annotate.batch|3|
identify.suffix|Say:|$E $S $T
identify.max_new_tokens|9|$E $S $T
identify.skip_teacher|yes|$T
identify.select|all|parity.json
level.recipe|2024-12|aligned
level.method|lora|aligned
level.lora_rank|4|
level.lora_alpha|4|
level.lora_dropout|0.5|
level.lora_target|q_proj|
level.lora_init|$work/missing|
level.chat_newline|yes|aligned
level.min_pixels|4096|aligned
level.max_pixels|99999|aligned
level.epochs|3|aligned
level.batch|2|aligned
level.micro_batch|1|aligned
level.shuffle|no|aligned
level.learning_rate|2e-4|aligned
level.vision_learning_rate|3e-4|aligned
level.merger_learning_rate|4e-4|aligned
level.freeze|vision|aligned
level.decay|all|aligned
level.schedule|linear|aligned
level.warmup_ratio|0.5|aligned
level.weight_decay|0.2|aligned
level.beta1|0.8|aligned
level.beta2|0.9|aligned
level.epsilon|1e-6|aligned
level.clip|2|aligned
level.loss|micro_batch|aligned
level.save_every|7|
level.offload|$work/moments|
level.dtype|bfloat16|aligned
evaluate.questions|$work/one.json|$E
evaluate.image_root|$work/test/|
evaluate.holdout|0.5|
evaluate.metric|vqa|
evaluate.models|student|
evaluate.predictions||
END
sed '/^ },$/,$d' "$work/questions.json" >"$work/one.json" && printf ' }\n]\n' >>"$work/one.json"

"$MPA" run "$work/run.ini" --dump-config | awk '/^\[/ { gsub(/[][]/, ""); section = $1 } / = / && !/^#/ { print section "." $1 }' |
    sort -u >"$work/all-keys"
cut -d'|' -f1 "$work/keys" | sort -u >"$work/my-keys"
verdict "$(comm -3 "$work/all-keys" "$work/my-keys" | tr -d '\t' | tr '\n' ' ')" '' 'every key has a row in this test'

# README.md says the same of the keys that it names.
sed -n '/^## When a result/,/^## Read/s/^| [^|]*: \(`.*\) | \(.*\) |$/\1|\2/p' README.md >"$work/readme"
while IFS='|' read -r names results; do
    results=$(echo "$results" | sed "s|evaluation/\$|$E|; s|^all\$|$all|" | tr ' ' '\n' | sort | tr '\n' ' ')
    for key in $(echo "$names" | grep -o '`[a-z]*\.[a-z_]*`' | tr -d '`'); do
        verdict "$results" "$(sed -n "s/^$key|.*|//p" "$work/keys") " "README.md on $key"
    done
done <"$work/readme"
verdict "$(wc -l <"$work/readme" | tr -d ' ')" 9 'rows in the table of README.md'

while IFS='|' read -r key value wanted; do
    [ "$value" ] || continue
    run "$key=$value"
    status=$?
    verdict "$(stale)" "$wanted" "$key=$value: what is not true any more"
    case $key-$wanted in
    *-) ;;
    data.task-*) verdict $status 3 "$key=$value: exit status; test questions of another form" ;;
    *) verdict $status 2 "$key=$value: exit status" ;;
    esac
done <"$work/keys"
sum >"$work/now"
cmp -s "$work/sum" "$work/now"
verdict $? 0 'no result was touched'

# ------------------------------------------------------------------------------------- inputs from outside

# input NAME FILE COMMAND RESULTS: COMMAND changes a copy of FILE, which is put back.
input() {
    cp "$2" "$work/before"
    eval "$3"
    run
    status=$?
    verdict "$(stale)" "$4" "$1: what is not true any more"
    verdict $status 2 "$1: exit status"
    cp "$work/before" "$2"
}

input 'a weight of the teacher' "$work/teacher/model.safetensors" \
    "printf x | dd of='$work/teacher/model.safetensors' bs=1 seek=1000000 conv=notrunc 2>/dev/null" "$A evaluation/teacher.json $T"
input 'settings of the student' "$work/student/generation_config.json" "echo >>'$work/student/generation_config.json'" \
    "aligned evaluation/student.json $S"
first=$(find "$work/test" -name "*_000000000001.jpg")
kept=$(sed -n 's/.*"image_path":"\([^"]*\)".*"decision":"kept".*/\1/p' "$work/run/audit.jsonl" | head -n 1)
input 'a picture' "$work/pictures/$kept" "cp '$first' '$work/pictures/$kept'" "aligned $A $S $T"
input 'a label' "$work/questions.json" "sed -i.bak 's/\"answer\": \"/&x/; s/\"answers\": \\[/&\"other\", /' '$work/questions.json'" "$E"
input 'a test picture' "$first" "cp '$work/pictures/4.jpg' '$first'" "$E"
run
verdict $? 0 'everything put back: goes on'

echo 'Ask about the flag.' >"$work/prompt.txt"
"$MPA" annotate "$work/run.ini" run.dir="$work/prompted" data.limit=1 annotate.prompt="$work/prompt.txt" >"$work/log" 2>&1
echo 'Ask in French.' >"$work/prompt.txt"
"$MPA" annotate "$work/run.ini" run.dir="$work/prompted" data.limit=1 annotate.prompt="$work/prompt.txt" >"$work/log" 2>&1
verdict $? 2 'an edited prompt: exit status'
grep -q 'annotations.json is not true any more: prompt has changed' "$work/log"
verdict $? 0 'an edited prompt is named'

# ---------------------------------------------------------------------------------------- the list of pictures

cp conf/world/okvqa/train/COCO_train2014_000000000005.jpg "$work/pictures/0.jpg"
run
verdict $? 2 'a new picture: exit status'
verdict "$(stale)" "$A" 'a new picture: what is not true any more'
grep -q 'pictures: 1 new (0.jpg)' "$work/log"
verdict $? 0 'a new picture is named'
run --redo annotate
verdict $? 0 'a new picture: --redo annotate'
grep -q '^annotate: 4 of 5 answers are known already' "$work/log" && grep -q '^identify-student: 4 of 5 answers' "$work/log"
verdict $? 0 'a new picture: the others are not asked again'
rm "$work/pictures/0.jpg"
run --redo annotate
grep -q '^annotate: 4 of 4 answers are known already' "$work/log"
verdict $? 0 'it is taken away: nobody is asked'
sum | grep -v answers.jsonl >"$work/now"
grep -v answers.jsonl "$work/sum" | cmp -s - "$work/now"
verdict $? 0 'and all files are as they were'

# ------------------------------------------------------------------------------------------------ by hand

# hand FILE COMMAND RESULTS MADE ANEW
hand() {
    rm -rf "$work/run"
    cp -R "$work/kept" "$work/run"
    eval "$2"
    run
    status=$?
    verdict $status 0 "$1 edited: exit status"
    grep -q ": $1 was put there or edited by hand" "$work/log"
    verdict $? 0 "$1 edited: it is named"
    verdict "$(stale)" "$3" "$1 edited: what is made anew"
    run
    verdict "$(stale)" '' "$1 edited: after that all is true"
}

hand annotations.json "sed -i.bak '/$kept/,/predicted_question/s/\(predicted_question.*\)\"/\1 here\"/' '$work/run/annotations.json'" \
    "aligned evaluation/aligned.json parity.json student.json teacher.json"
hand student.json "sed -i.bak '1,/predictions/s/\(predictions.*\)\"/\1 x\"/' '$work/run/student.json'" 'parity.json'
hand teacher.json "sed -i.bak '1,/predictions/s/\(predictions.*\)\"/\1 x\"/' '$work/run/teacher.json'" 'parity.json'
hand parity.json "sed -i.bak '1,/gpt/s/\"value\": \"<image>/&The /' '$work/run/parity.json'" 'aligned evaluation/aligned.json'
hand aligned "cp -R '$work/student/.' '$work/run/aligned'" 'evaluation/aligned.json'
hand evaluation/student.json "sed -i.bak '1,/predictions/s/\(predictions.*\)\"/\1 x\"/' '$work/run/evaluation/student.json'" ''

# A question that was changed is not judged by the answers to the old one.
sed '1,/predicted_question/s/\(predicted_question.*\)"/\1 here"/' "$work/kept/annotations.json" >"$work/annotations.json"
"$MPA" identify "$work/run.ini" teacher.annotations="$work/annotations.json" teacher.answers="$work/kept/teacher.json" \
    run.dir="$work/other" >"$work/log" 2>&1
verdict $? 0 'answers to another question: exit status'
grep -q '2 answers or pairs have no counterpart' "$work/log"
verdict $? 0 'answers to another question are left out and counted'

# Files of another maker, without provenance, are input.
rm -rf "$work/run"
mkdir "$work/run"
cp "$work/kept/annotations.json" "$work/kept/student.json" "$work/kept/teacher.json" "$work/run/"
run level.epochs=1
verdict $? 0 'files put there by hand are input'
verdict "$(grep -c 'was put there or edited by hand' "$work/log")" 3 'each of them is named'

finish
