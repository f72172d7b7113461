#!/bin/sh
# LoRA from outside: adapters are trained, killed and resumed, merged, asked, evaluated, and trained on.
set -u
mpa=${MPA:-./mpa}
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
passed=0
failed=0
model=$PWD/weights/demo-student
picture=$(find golden/run/pictures -name '*.*' | sort | head -n 1)

verdict() { # NAME
    if [ $? = 0 ]; then passed=$((passed + 1)); else
        failed=$((failed + 1))
        echo "failed: $1"
        tail -n 2 "$work/err"
    fi
}

# expect STATUS TEXT ARGUMENT...: mpa ends with this status, and TEXT stands on standard error.
expect() {
    wanted=$1
    text=$2
    shift 2
    "$mpa" "$@" >"$work/out" 2>"$work/err" </dev/null
    got=$?
    [ $got = "$wanted" ] && { [ -z "$text" ] || grep -Eq -e "$text" "$work/err"; }
    verdict "exit status $got, wanted $wanted with \"$text\": mpa $*"
}

cat >"$work/run.ini" <<EOF
[student]
model = $model
[data]
task = okvqa
image_root = $PWD/golden/run/pictures
[level]
method = lora
lora_rank = 4
lora_dropout = 0.1
lora_target = q_proj fc1 proj
epochs = 6
batch = 4
micro_batch = 2
learning_rate = 1e-3
save_every = 1
[evaluate]
questions = $work/questions.json
image_root = $PWD/conf/world/okvqa/test
models = student
EOF
# The labelled set is cut to its first questions, one object of the list per few lines.
tests/fixture/questions.sh 1 6 >"$work/questions.json"
for run in whole killed more wrong; do mkdir "$work/$run" && cp golden/run/parity.json "$work/$run/"; done

expect 0 'LoRA on [0-9]+ modules, rank 4, alpha 4, dropout 0.1' level "$work/run.ini" run.dir="$work/whole"
kills=0
while [ $kills -lt 5 ]; do
    "$mpa" level "$work/run.ini" run.dir="$work/killed" >"$work/out" 2>"$work/err" &
    pid=$!
    sleep "0.$((kills % 5 + 2))"
    kill -9 $pid 2>/dev/null || break
    wait $pid 2>/dev/null
    kills=$((kills + 1))
done
expect 0 '' level "$work/run.ini" run.dir="$work/killed"
rm -f "$work"/whole/timings.jsonl "$work"/killed/timings.jsonl "$work"/whole/costs.jsonl "$work"/killed/costs.jsonl
diff -r "$work/whole" "$work/killed" >"$work/err"
verdict "the same files after $kills kills"

# aligned/ is the merged model; what mpa merge makes of the two parts is the same, file by file.
adapter=$work/whole/aligned/adapter
expect 0 '' merge --model "$model" --adapter "$adapter" --out "$work/merged"
rm -rf "$work/aligned" && cp -r "$work/whole/aligned" "$work/aligned" && rm -r "$work/aligned/adapter"
diff -r "$work/aligned" "$work/merged" >"$work/err" && ! cmp -s "$work/merged/model.safetensors" "$model/model.safetensors"
verdict "mpa merge gives aligned/"
expect 2 'is there already' merge --model "$model" --adapter "$adapter" --out "$work/merged"
expect 2 'wanted float32 or bfloat16' merge --model "$model" --adapter "$adapter" --out "$work/m2" --dtype int8
expect 2 '--adapter is needed' merge --model "$model" --out "$work/m2"
expect 3 'adapter_config.json' merge --model "$model" --adapter "$model" --out "$work/m2"
[ ! -e "$work/m2" ]
verdict "nothing is written where merging fails"

# Not merged: the same answers; a trace has the gradients of the adapter alone.
prompt='What is in the picture?'
"$mpa" ask --greedy --model "$work/merged" --image "$picture" --prompt "$prompt" >"$work/a" 2>"$work/err" &&
    "$mpa" ask --greedy --model "$model" --adapter "$adapter" --image "$picture" --prompt "$prompt" >"$work/b" 2>"$work/err" &&
    cmp -s "$work/a" "$work/b"
verdict "mpa ask --adapter"
expect 0 '' trace --model "$model" --adapter "$adapter" --image "$picture" --prompt "$prompt" --answer yes --grad --out "$work/t"
tr ',{' '\n\n' <"$work/t" | LC_ALL=C grep -a '^"grad\.' >"$work/names"
grep -q '"grad.base_model.model.model.text_model.layers.0.self_attn.q_proj.lora_B.weight"' "$work/names" &&
    ! grep -qv 'lora_[AB].weight"' "$work/names"
verdict "mpa trace --adapter --grad"
expect 0 '' evaluate "$work/run.ini" run.dir="$work/e1" --adapter "$adapter"
expect 0 '' evaluate "$work/run.ini" run.dir="$work/e2" student.model="$work/merged"
cmp -s "$work/e1/evaluation/student.json" "$work/e2/evaluation/student.json"
verdict "mpa evaluate --adapter"

# Training goes on from an adapter, whose settings count where none are given.
expect 0 'rank 4, alpha 4' level "$work/run.ini" run.dir="$work/more" level.lora_init="$adapter" level.lora_rank=0 level.lora_target= level.epochs=1 --force
expect 2 'lora_rank = 5, but the adapter in level.lora_init has rank 4' level "$work/run.ini" run.dir="$work/wrong" level.lora_init="$adapter" level.lora_rank=5
expect 2 'lora_alpha = 5, but' level "$work/run.ini" run.dir="$work/wrong" level.lora_init="$adapter" level.lora_alpha=5
expect 2 'these are not the [0-9]+ modules' level "$work/run.ini" run.dir="$work/wrong" level.lora_init="$adapter" level.lora_target=q_proj
expect 2 'no module that is trained has such a name' level "$work/run.ini" run.dir="$work/wrong" level.lora_target=nothing
expect 2 'put the adapter into it first' level "$work/run.ini" run.dir="$work/wrong" student.adapter="$adapter"
expect 0 'no module is called: nothing' level "$work/run.ini" run.dir="$work/wrong" level.lora_target='q_proj, nothing' level.epochs=1 --force

echo "$passed passed, $failed failed"
[ $failed = 0 ]
