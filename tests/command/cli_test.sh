#!/bin/sh
# The command line from outside: exit statuses, what goes to standard output and what to standard error, help, configuration, messages.
# Where a case fails, read src/main.c and src/command/.
set -u
: "${MPA:=./mpa}"
work=$(mktemp -d "${TMPDIR:-/tmp}/mpa-cli-XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
passed=0
failed=0
model=weights/demo-student
picture=$(find conf/world/okvqa/test -name '*.jpg' | sort | head -n 1)

# expect STATUS TEXT ARGUMENT...: mpa ends with this status, and TEXT (an extended regular expression; "" : nothing asked) stands on standard error,
# or on standard output where the status is 0 and it begins with "out:". Where it fails, standard output must be empty.
expect() {
    wanted=$1
    text=$2
    shift 2
    "$MPA" "$@" >"$work/out" 2>"$work/err" </dev/null
    got=$?
    where=$work/err
    case $text in out:*)
        where=$work/out
        text=${text#out:}
        ;;
    esac
    why=
    [ $got = "$wanted" ] || why="exit status $got, wanted $wanted"
    [ -z "$text" ] || grep -Eq -e "$text" "$where" || why="$why; \"$text\" is not in $(basename "$where")"
    case $wanted in 0 | 6) ;; *) [ ! -s "$work/out" ] || why="$why; something on standard output" ;; esac
    verdict "$why" "mpa $*"
}

verdict() { # WHY NAME
    if [ -z "$1" ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "failed: $2: $1"
        head -n 5 "$work/err" 2>/dev/null
    fi
}

# Help and usage.
expect 0 'out:^mpa [0-9]+\.[0-9]+' --version
expect 0 'out:^JPEG: (libjpeg-turbo|stb_image)$' --version
expect 0 'out:mpa identify' --help
for command in plan run annotate identify level evaluate ask trace compare tokenize inspect bench merge explain report; do
    expect 0 "out:^usage: mpa $command" $command --help
done
expect 2 'a command is needed'
expect 2 'did you mean annotate\?' anotate
expect 2 'unknown command publish' publish x
expect 2 'did you mean --prompt\?' ask --promt x
expect 2 '--model is needed' ask --prompt x
expect 2 'a configuration file is needed' run
expect 2 'wanted an integer' ask --model $model --prompt x --max-new-tokens many

# A wrong command line is answered by how to write one; a wrong configuration, folder or file is not.
usage() { # yes|no ARGUMENT...
    wanted=$1
    shift
    "$MPA" "$@" >"$work/out" 2>"$work/err" </dev/null
    grep -q '^usage: ' "$work/err" && got=yes || got=no
    verdict "$([ $got = "$wanted" ] || echo "a usage line: $got, wanted $wanted")" "mpa $*"
}
usage yes run
usage yes ask --promt x
usage yes inspect a b
printf '[run]\ndir = %s\n' "$work/u" >"$work/u.ini"
usage yes level "$work/u.ini" nonsense
usage no level "$work/u.ini" level.method=lara
usage no level "$work/u.ini" student.model=$model
usage no annotate "$work/u.ini"
usage no run "$work/none.ini"

# Configuration.
cat >"$work/c.ini" <<EOF2
[run]
dir = run
[teacher]
annotations = a.json
answers = t.json
[student]
answers = s.json
EOF2
expect 2 'No such file' identify "$work/none.ini"
expect 2 'unknown key dri in \[run\]; did you mean dir\?' identify "$work/c.ini" run.dri=x
expect 2 'level.method = some: allowed: full lora' level "$work/c.ini" level.method=some
expect 2 'run.dir is needed' identify "$work/c.ini" run.dir=
expect 0 'out:^learning_rate = 3e-4' level "$work/c.ini" level.learning_rate=3e-4 --dump-config
for conf in conf/*.ini; do
    expect 0 'out:^\[evaluate\]' run "$conf" --dump-config
done
cp "$work/out" "$work/dump.ini"
expect 0 'out:^method = full' run "$work/dump.ini" --dump-config

# identify from files loads no model; results on disk, messages on standard error.
row='"question_id":1,"image_path":"p.jpg"'
echo "[{$row,\"predicted_question\":\"q\",\"predicted_answer\":\"a\"}]" >"$work/a.json"
echo "[{$row,\"PA_question\":\"q\",\"PA_answer\":\"a\",\"predictions\":\"x\"}]" >"$work/s.json"
echo "[{$row,\"PA_question\":\"q\",\"PA_answer\":\"a\",\"predictions\":\"A.\"}]" >"$work/t.json"
expect 0 '1 of 1 pairs kept' identify "$work/c.ini"
grep -q '"value": "<image>\\nq"' "$work/run/parity.json"
verdict "$([ $? = 0 ] || echo wrong)" "parity.json"
expect 0 'there already' identify "$work/c.ini"
expect 0 '' --quiet identify "$work/c.ini" run.dir="$work/quiet"
[ -s "$work/err" ] && verdict "something on standard error" "--quiet identify" || verdict "" ""
expect 3 'not a regular file' identify "$work/c.ini" run.dir="$work/o2" student.answers=/dev/null
expect 2 'run .mpa identify. first' level "$work/c.ini" run.dir="$work/o3" student.model=$model
expect 3 'there is no such folder' run "$work/c.ini" run.dir="$work/o4" student.model=nowhere evaluate.questions=x
expect 2 'evaluate.questions is needed' evaluate "$work/c.ini" run.dir="$work/o4" student.model=$model evaluate.holdout=0

# Nothing starts that cannot fit.
expect 4 'needs about [0-9]+ MiB of memory' annotate conf/demo-okvqa.ini run.dir="$work/o5" run.memory=1K data.limit=1
[ -e "$work/o5/annotations.json" ] && verdict "annotations were written" "run.memory=1K" || verdict "" ""
expect 0 'continues because of --force' annotate conf/demo-okvqa.ini run.dir="$work/o5" run.memory=1K data.limit=1 --force

# A plan changes nothing and says what each stage needs; what is too small for any stage is said before the first one.
expect 0 'out:^  annotate +[0-9.]+ (s|min|h) +[0-9]+ MiB +[0-9]+ MiB  12 pictures' plan conf/demo-okvqa.ini run.dir="$work/plan" data.limit=12
grep -Eq '^pictures: 12 can be read, 0 are missing or cannot, 0 have other formats; 0 have the bytes of another, 0 are turned by EXIF' "$work/out" && grep -Eq '^tokens per picture, teacher: 49 at least' "$work/out" &&
    grep -Eq '^  level +[0-9.]+ (s|min|h) .* 6 epochs, [0-9]+ steps of 8, [0-9]+ updates$' "$work/out" && grep -Eq '^  evaluate: aligned +[0-9.]+ (s|min|h)' "$work/out"
verdict "$([ $? = 0 ] || echo "not in the plan: $(cat "$work/out")")" "plan: pictures, tokens, level, evaluate"
[ -e "$work/plan" ] && verdict "the run folder was made" "plan" || verdict "" ""
mkdir "$work/some"
cp conf/world/okvqa/train/COCO_train2014_000000000001.jpg "$work/some/a.jpg"
cp "$work/some/a.jpg" "$work/some/b.jpg"
{ head -c 2 "$work/some/a.jpg" && printf '\377\341\000\042Exif\000\000MM\000\052\000\000\000\010\000\001\001\022\000\003\000\000\000\001\000\006\000\000\000\000\000\000' &&
    tail -c +3 "$work/some/a.jpg"; } >"$work/some/turned.jpg"
echo x >"$work/some/other.webp"
expect 0 'out:^pictures: 3 can be read, 0 are missing or cannot, 1 have other formats; 1 have the bytes of another, 1 are turned by EXIF' \
    plan conf/demo-okvqa.ini run.dir="$work/plan" data.images="$work/some" data.image_root=
"$MPA" annotate conf/demo-okvqa.ini run.dir="$work/plan" data.limit=2 annotate.max_new_tokens=40 >"$work/out" 2>"$work/err"
expect 0 'out:^  identify: teacher +[0-9.]+ (s|min|h) +[0-9]+ MiB +[0-9]+ MiB  2 questions' plan conf/demo-okvqa.ini run.dir="$work/plan" data.limit=2 annotate.max_new_tokens=40
grep -q '^  annotate' "$work/out" && verdict "what is done is planned" "plan after annotate" || verdict "" ""
expect 2 'run.dir is needed' plan "$work/c.ini" run.dir=
expect 0 'out:^refused: evaluate: .*there is no such file' plan conf/demo-okvqa.ini run.dir="$work/plan" data.limit=2 evaluate.questions=none.json
"$MPA" plan conf/demo-okvqa.ini run.dir="$work/plan" data.limit=2 identify.select=all run.memory=20M run.threads=2 >"$work/out" 2>"$work/err"
[ $? = 4 ] && grep -Eq '^  in all ' "$work/out" && grep -Eq 'level needs about [0-9]+ MiB of memory, 20 MiB are available' "$work/err"
verdict "$([ $? = 0 ] || echo "not said, or not with exit status 4")" "plan run.memory=20M"
expect 4 'level needs about [0-9]+ MiB of memory, 20 MiB are available' run conf/demo-okvqa.ini run.dir="$work/o6" data.limit=2 identify.select=all run.memory=20M run.threads=2
[ -e "$work/o6/annotations.json" ] && verdict "annotations were written" "run run.memory=20M" || verdict "" ""

# Models.
expect 0 'out:[A-Za-z]' ask --model $model --image "$picture" --prompt 'What country has this flag?' --max-new-tokens 8
expect 0 'out:"token_ids": \[[0-9, ]+\], "prompt_tokens": [0-9]+, "seconds": ' ask --json --greedy --model=$model --prompt Hello --max-new-tokens 3
expect 3 'none.jpg' ask --model $model --image none.jpg --prompt x
expect 3 'nowhere' ask --model nowhere --prompt x
expect 0 'out:decoder layers' inspect $model
expect 0 'out:pictures of 1 to 4 tiles of 12x12 and a thumbnail, 4 tokens each' inspect weights/tiny-internvl2-a
expect 0 'out:pictures padded to 15x15, 9 tokens each' inspect weights/tiny-tinyllava-a
expect 2 'wanted one checkpoint folder' inspect
# A config.json alone: the same parameters, in no files.
mkdir "$work/shape"
cp weights/tiny-qwen2vl-a/*config.json "$work/shape"
expect 0 'out:decoder layers' inspect weights/tiny-qwen2vl-a
grep -o 'in all .* tensors' "$work/out" >"$work/all"
for shape in "$work/shape" "$work/shape/config.json"; do
    expect 0 'out:there are no weights' inspect "$shape"
    grep -o 'in all .* tensors' "$work/out" | cmp -s - "$work/all" && grep -q 'full fine-tuning' "$work/out"
    verdict "$([ $? = 0 ] || echo 'other parameters')" "inspect $shape"
done
expect 3 'No such file' inspect "$work/none.json"
expect 0 'out:^  vision, 672x448 +[0-9.]+ pictures/s' bench --model weights/tiny-qwen2vl-a --only vision,train
expect 0 'out:^  LoRA step, rank 64 +[0-9.]+ tokens/s' bench --model weights/tiny-qwen2vl-a --only lora
expect 0 'out:"name": "decode, batch 32"' bench --json --threads 1 --only=decode --config weights/tiny-smolvlm-b/config.json
# A picture of more tokens than a training step's text used to have.
printf '{"model_type": "tiny_llava_stablelm", "vocab_size": 500, "hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1,
    "num_attention_heads": 1, "vision_config": {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 2, "num_attention_heads": 1}}' \
    >"$work/config.json"
expect 0 'out:1177 tokens, 729 of a picture, loss on 440' bench --config "$work/config.json" --only train
expect 2 'wanted some of machine, prefill, decode, vision, lora, train, with commas, found visions' bench --model $model --only train,visions
expect 2 'either --model DIR or --config FILE' bench
expect 3 'none.json' bench --config none.json
expect 0 '' trace --model $model --image "$picture" --prompt x --answer y --out "$work/a.safetensors"
expect 0 '' trace --model $model --image "$picture" --prompt z --answer y --out "$work/b.safetensors"
expect 0 'out:no tensor departs' compare "$work/a.safetensors" "$work/a.safetensors"
expect 6 '' compare "$work/a.safetensors" "$work/b.safetensors"
expect 3 'none' compare "$work/a.safetensors" "$work/none"
expect 2 '--answer is needed' trace --model $model --prompt x --grad --out "$work/x"

# Byte for byte through the tokenizer and back, last line end included.
printf 'a\000 b <|im_end|> \303\251\n\n' >"$work/text"
"$MPA" tokenize --model $model <"$work/text" >"$work/ids" 2>"$work/err" && "$MPA" tokenize --model $model --decode <"$work/ids" >"$work/back" 2>"$work/err"
cmp -s "$work/text" "$work/back" && verdict "" "" || verdict "the text is not the same" "tokenize, tokenize --decode"

# A reader that goes away ends it quietly; a full disk does not pass as success.
"$MPA" --help 2>"$work/err" | head -n 1 >/dev/null
[ -s "$work/err" ] && verdict "a message" "closed pipe" || verdict "" ""
if [ -c /dev/full ]; then
    "$MPA" --version >/dev/full 2>"$work/err"
    status=$?
    "$MPA" inspect $model >/dev/full 2>>"$work/err"
    [ $? = 1 ] && [ $status = 1 ] && verdict "" "" || verdict "exit status 0" "standard output that is full"
fi

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
