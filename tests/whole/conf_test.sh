#!/bin/sh
# Each configuration in conf/ runs to its end on a few pictures that lie where its comments say, in files of the form that its data set is
# distributed in, with the demo's models in the place of the large ones. Where a case fails, read the file in conf/ and src/data/dataset.c.
. "$(dirname "$0")/../fixture/verdict.sh"
case $MPA in /*) ;; *) MPA=$PWD/$MPA ;; esac

mkdir -p "$work/conf" "$work/models"
cp conf/*.ini "$work/conf"
ln -s "$PWD/weights/demo-teacher" "$work/models/Qwen2-VL-7B-Instruct"
ln -s "$PWD/weights/demo-student" "$work/models/Qwen2-VL-2B-Instruct"

# picture N FILE: picture N of the demo as FILE below data/
picture() {
    mkdir -p "$(dirname "$work/data/$2")"
    cp "$(printf 'conf/world/okvqa/train/COCO_train2014_%012d.jpg' "$1")" "$work/data/$2"
}

# put FILE: standard input as FILE below data/
put() {
    mkdir -p "$(dirname "$work/data/$1")"
    cat >"$work/data/$1"
}

# TextVQA: two of the rows are about one picture.
for n in 1 2 3 4; do picture $n textvqa/train_images/000$n.jpg; done
put textvqa/TextVQA_0.5.1_train.json <<EOF
{"dataset_type": "train", "dataset_name": "textvqa", "dataset_version": "0.5.1", "data": [
{"question": "what is it?", "image_id": "0001", "image_classes": ["Belt"], "image_width": 112, "answers": ["x", "x"], "question_id": 0, "set_name": "train"},
{"question": "and this?", "image_id": "0001", "answers": ["y"], "question_id": 1}, {"question": "who?", "image_id": "0002", "answers": ["z"], "question_id": 2}]}
EOF
put textvqa/TextVQA_0.5.1_val.json <<EOF
{"data": [{"question": "what is the brand?", "image_id": "0003", "answers": ["nokia", "nokia", "toshiba"], "question_id": 34602, "set_name": "val"},
{"question": "what time?", "image_id": "0004", "answers": ["10:10"], "question_id": 34603}]}
EOF

# ST-VQA: pictures in a folder for each source; the file is divided by the commands in the comments where there is jq.
for n in 1 2 3; do picture $n stvqa/coco-text/COCO_train2014_$n.jpg; done
picture 4 stvqa/icdar/img_4.jpg
put stvqa/train_task_1.json <<EOF
{"dataset_name": "st-vqa", "task": 1, "data": [
{"question": "q1?", "file_name": "img_4.jpg", "file_path": "icdar/img_4.jpg", "question_id": 4, "set_name": "train", "dataset": "icdar", "answers": ["a"]},
{"question": "q2?", "file_path": "coco-text/COCO_train2014_1.jpg", "question_id": 5, "answers": ["b", "B"]},
{"question": "q3?", "file_path": "coco-text/COCO_train2014_2.jpg", "question_id": 6, "answers": ["c"]},
{"question": "q4?", "file_path": "coco-text/COCO_train2014_2.jpg", "question_id": 7, "answers": ["d"]},
{"question": "q5?", "file_path": "coco-text/COCO_train2014_3.jpg", "question_id": 8, "answers": ["e"]}]}
EOF
if command -v jq >/dev/null 2>&1; then
    sed -n 's/^;   \(jq .*\)/\1/p' conf/stvqa.ini >"$work/divide.sh"
    (cd "$work/data/stvqa" && sh ../../divide.sh) >"$work/log" 2>&1
    [ "$(grep -c question_id "$work/data/stvqa/train.json") $(grep -c question_id "$work/data/stvqa/held_out.json")" = '4 1' ]
    case_is $? 'the commands of conf/stvqa.ini divide the file by pictures'
else
    cp "$work/data/stvqa/train_task_1.json" "$work/data/stvqa/train.json"
    cp "$work/data/stvqa/train_task_1.json" "$work/data/stvqa/held_out.json"
fi

# ChartQA: no ids.
for n in 1 2 3; do picture $n chartqa/train/png/$n.jpg; done
picture 4 chartqa/test/png/two_col_4.jpg
put chartqa/test/test.json <<EOF
[{"imgname": "two_col_4.jpg", "query": "How many?", "label": "14"}, {"imgname": "two_col_4.jpg", "query": "Which year?", "label": "2019"}]
EOF

# OK-VQA: questions and annotations apart.
for n in 1 2 3; do picture $n okvqa/train2014/COCO_train2014_00000000000$n.jpg; done
picture 4 okvqa/val2014/COCO_val2014_000000000004.jpg
put okvqa/OpenEnded_mscoco_train2014_questions.json <<EOF
{"info": {}, "task_type": "Open-Ended", "data_type": "mscoco", "data_subtype": "train2014", "license": {}, "questions": [
{"image_id": 1, "question": "q?", "question_id": 15}, {"image_id": 2, "question": "q?", "question_id": 25}, {"image_id": 3, "question": "q?", "question_id": 35}]}
EOF
put okvqa/mscoco_train2014_annotations.json <<EOF
{"annotations": [{"image_id": 1, "question_id": 15, "answers": [{"answer_id": 1, "raw_answer": "x", "answer_confidence": "yes", "answer": "x"}]},
{"image_id": 2, "question_id": 25, "answers": [{"answer": "x"}]}, {"image_id": 3, "question_id": 35, "answers": [{"answer": "x"}]}]}
EOF
put okvqa/OpenEnded_mscoco_val2014_questions.json <<EOF
{"data_subtype": "val2014", "questions": [{"image_id": 4, "question": "Which country does this flag belong to?", "question_id": 45}]}
EOF
put okvqa/mscoco_val2014_annotations.json <<EOF
{"annotations": [{"image_id": 4, "question_id": 45, "question_type": "five", "answers": [{"answer": "Germany"}, {"answer": "Germany"}]}]}
EOF

# Pixels and the instruction of the demo's models; twelve epochs of at least one step.
run() { # NAME ANNOTATED ASKED
    "$MPA" run "$work/conf/$1.ini" identify.select=all annotate.prompt="$PWD/ref/prompts/okvqa.txt" image.min_pixels=0 image.max_pixels=0 image.published=no level.recipe=2025-10 level.min_pixels=0 level.max_pixels=0 level.batch=1 \
        level.micro_batch=1 level.epochs=12 >"$work/log" 2>&1
    case_is $? "mpa run conf/$1.ini"
    [ "$(grep -c '"mpa"' "$work/runs/$1/scores.json")" -ge 3 ]
    case_is $? "conf/$1.ini: three models are scored"
    [ "$(grep -c question_id "$work/runs/$1/annotations.json")" = "$2" ]
    case_is $? "conf/$1.ini: $2 pictures are annotated"
    [ "$(grep -c question_id "$work/runs/$1/evaluation/student.json")" = "$3" ]
    case_is $? "conf/$1.ini: $3 questions are asked"
}

run textvqa 2 2
if command -v jq >/dev/null 2>&1; then run stvqa 3 1; else run stvqa 4 5; fi
run chartqa 3 2
run okvqa 3 1
grep -q "instruction .*okvqa.txt: mpa's own of okvqa" "$work/log"
case_is $? 'the instruction is recognised'
grep -q '"question_id": 0,' "$work/runs/chartqa/evaluation/student.json" && grep -q '"ground_truth_answer": "x"' "$work/runs/okvqa/annotations.json"
case_is $? 'ids of ChartQA are counted, answers of OK-VQA are found'

# Every configuration of conf/ was run, but for the demo's.
others=$(ls conf/*.ini | grep -v -e demo -e textvqa -e stvqa -e chartqa -e okvqa)
[ -z "$others" ]
case_is $? "no run of $others"

finish
