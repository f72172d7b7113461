#!/bin/sh
# What README.md and src/MODEL.md name is there: each path below src, tests, conf, ref, golden or weights, each file `name.c` or `name.h`,
# each C function `name()`, each tensor. And the other way round: src/MODEL.md names every tensor of the checkpoints. Prints what is missing.
#
# A tensor is written as `model.layers.N.self_attn.{q,k}_proj.weight`: N stands for any number, {a,b} for a and b, NAME in front for `model` and
# `model.text_model`. A name may end where a part of a tensor's name does (`visual.merger`), or be a string of src/model (`model.visual.`).
set -u
cd "$(dirname "$0")/../.." || exit 1
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
passed=0
failed=0

# The names in the header of FILE.safetensors, which follows its length in 8 bytes, the lowest first.
tensors_of() { # FILE
    size=$(od -An -tu1 -N8 "$1" | awk '{ for (i = 8; i > 0; i--) n = n * 256 + $i; print n }')
    dd if="$1" bs=8 skip=1 count=$(((size + 7) / 8)) 2>/dev/null | LC_ALL=C tr ',{' '\n\n' |
        LC_ALL=C sed -n 's/^ *"\([A-Za-z0-9_.]*\)" *: *$/\1/p' | grep -v '^__metadata__$'
}

for file in weights/tiny-qwen2vl-*/*.safetensors weights/tiny-smolvlm-*/*.safetensors weights/demo-*/*.safetensors; do
    [ ! -f "$file" ] || tensors_of "$file"
done | sort -u >"$dir/tensors"
smolvlm=no
for folder in weights/tiny-smolvlm-*; do
    [ ! -d "$folder" ] || smolvlm=yes
done

find src tests -name '*.[ch]' | sed 's|.*/||' | sort -u >"$dir/sources"
# A function is declared or defined at the start of a line; calls are indented.
find src -name '*.[ch]' -exec cat {} + |
    awk '/^[A-Za-z_].*[ *][A-Za-z_0-9]+\(/ {
        match($0, /[A-Za-z_][A-Za-z_0-9]*\(/)
        print substr($0, RSTART, RLENGTH - 1)
    }' | sort -u >"$dir/functions"
awk -F '"' '{ for (i = 2; i <= NF; i += 2) { gsub(/%lld/, "N", $i); print $i } }' src/model/*.c src/model/*/*.c src/model/*/*/*.c | sort -u >"$dir/strings"

# "LINE SPAN" of each `SPAN`.
spans() { # DOC
    awk -F '`' '{ for (i = 2; i <= NF; i += 2) print NR, $i }' "$1"
}

missing_files() { # DOC
    awk '{
        gsub(/[^A-Za-z0-9_.\/*-]/, " ")
        for (i = 1; i <= NF; i++) {
            sub(/^\.\//, "", $i)
            sub(/\.+$/, "", $i)
            if ($i ~ /^(src|tests|conf|ref|golden|weights|\.ci)\//) print NR, $i
        }
    }' "$1" | while read -r line path; do
        for found in $path; do
            [ -e "$found" ] || echo "$1:$line: there is no $path"
            break
        done
    done
    spans "$1" | awk -v doc="$1" '
        NR == FNR { there[$1]; next }
        {
            for (i = 2; i <= NF; i++)
                if ($i ~ /^[A-Za-z_0-9]+\.[ch]$/ && !($i in there)) print doc ":" $1 ": no source file is called " $i
        }' "$dir/sources" -
}

missing_functions() { # DOC
    spans "$1" | awk -v doc="$1" '
        NR == FNR { there[$1]; next }
        {
            line = $1
            for (text = $0; match(text, /[A-Za-z_][A-Za-z_0-9]*\(\)/); text = substr(text, RSTART + RLENGTH)) {
                name = substr(text, RSTART, RLENGTH - 2)
                if (!(name in there)) print doc ":" line ": src has no function " name "()"
            }
        }' "$dir/functions" -
}

# "LINE NAME" of each tensor that DOC writes of, written out.
tensor_names() { # DOC
    spans "$1" | awk '
        function expand(line, text,   open, close_, n, part, i) {
            open = index(text, "{")
            close_ = index(text, "}")
            if (!open || close_ < open) {
                print line, text
                return
            }
            n = split(substr(text, open + 1, close_ - open - 1), part, ",")
            for (i = 1; i <= n; i++) expand(line, substr(text, 1, open - 1) part[i] substr(text, close_ + 1))
        }
        NF == 2 && $2 ~ /^(NAME|model|visual|lm_head)\.[A-Za-z0-9_.{},]*$/ && $2 !~ /\.(safetensors|json)$/ {
            if (sub(/^NAME\./, "", $2)) $2 = "{model,model.text_model}." $2
            expand($1, $2)
        }'
}

# For both directions: names with N as regular expressions.
pattern='
    function pattern(name,   n, part, i, out) {
        n = split(name, part, ".")
        for (i = 1; i <= n; i++) out = out (i > 1 ? "\\." : "") (part[i] == "N" ? "[0-9]+" : part[i])
        return out
    }'

missing_tensors() { # DOC
    tensor_names "$1" | awk -v doc="$1" -v smolvlm="$smolvlm" -v tensors="$dir/tensors" "$pattern"'
        NR == FNR { string[$0]; next }
        BEGIN { while ((getline name < tensors) > 0) there[++count] = name }
        smolvlm == "no" && $2 ~ /^model\.(vision_model|connector|text_model)(\.|$)/ { next }
        {
            if ($2 in string) next
            known = 0
            for (i = 1; i <= count && !known; i++) known = there[i] ~ ("^" pattern($2) "(\\.|$)")
            if (!known) print doc ":" $1 ": no checkpoint in weights has a tensor " $2
        }' "$dir/strings" -
}

missing_mentions() { # DOC
    tensor_names "$1" | awk -v doc="$1" -v tensors="$dir/tensors" "$pattern"'
        { named[++count] = "^" pattern($2) "$" }
        END {
            while ((getline name < tensors) > 0) {
                known = 0
                for (i = 1; i <= count && !known; i++) known = name ~ named[i]
                if (!known) print doc ": does not name tensor " name
            }
        }'
}

verdict() { # NAME STATUS
    if [ "$2" = 0 ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "$1:"
        cat "$dir/out"
    fi
}

for doc in README.md src/MODEL.md; do
    for what in files functions tensors; do
        "missing_$what" "$doc" >"$dir/out" 2>&1
        [ ! -s "$dir/out" ]
        verdict "$doc, $what" $?
    done
done
missing_mentions src/MODEL.md >"$dir/out" 2>&1
[ -s "$dir/tensors" ] && [ ! -s "$dir/out" ]
verdict 'src/MODEL.md, every tensor' $?

# expect KIND TEXT WORD: of a page of this text, KIND prints one line that ends in WORD; '': it prints nothing
expect() {
    printf 'A page.\n%s\n' "$2" >"$dir/page"
    "missing_$1" "$dir/page" >"$dir/out" 2>&1
    if [ -z "$3" ]; then
        [ ! -s "$dir/out" ]
    else
        [ "$(grep -c '' "$dir/out")" = 1 ] && grep -q "^$dir/page:2: .* $3\$" "$dir/out"
    fi
    verdict "a page of '$2' ($1), wanted '$3'" $?
}

expect files     'Read `src/layer/layer.h`, `src/layer/*.c` and conf/.'       ''
expect files     'Read `layer.h`, not `config.json`; `/usr/src/x`.'           ''
expect files     'Read src/layer/laier.h first.'                              src/layer/laier.h
expect files     'Run `./mpa run conf/demmo.ini`.'                            conf/demmo.ini
expect files     'See `src/layers/*.c`.'                                      'src/layers/\*.c'
expect files     'Then `rmsnorms.c`.'                                         rmsnorms.c
expect functions '`rope_table()`, `run_backward()`; f(x)'                      ''
expect functions 'By `rope_tables()`.'                                         'rope_tables()'
expect functions 'By `memcpy()`, which is only called.'                       'memcpy()'
expect tensors   '`model.layers.N.self_attn.q_proj.weight` and `visual.merger`' ''
expect tensors   '`model.layers.N.self_attn.{q,k,v}_proj.{weight,bias}`'      ''
expect tensors   '`model.layers.7000.norm.weight`'                            model.layers.7000.norm.weight
expect tensors   '`model.layers.N.self_attn.{q,x}_proj.weight`'               model.layers.N.self_attn.x_proj.weight
expect tensors   '`model.layers.N.self_attn.o_proj.bias`'                     model.layers.N.self_attn.o_proj.bias
expect tensors   '`visual.merge`'                                             visual.merge
expect tensors   '`model.safetensors`, `model.visual.` and `visual.blocks.N`' ''
expect tensors   '`visual.blocks.N.weight`'                                   visual.blocks.N.weight
if [ $smolvlm = yes ]; then
    expect tensors '`NAME.norm.weight`, `model.connector`'                    ''
    expect tensors '`NAME.layers.N.self_attn.q_proj.bias`'                    model.text_model.layers.N.self_attn.q_proj.bias
else
    expect tensors '`model.vision_model.not.known.yet`'                       ''
fi

# Of two tensors the page names one.
printf 'a.0.weight\nmodel.12.weight\n' >"$dir/tensors"
printf '`model.N.weight`\n' >"$dir/page"
missing_mentions "$dir/page" >"$dir/out"
[ "$(cat "$dir/out")" = "$dir/page: does not name tensor a.0.weight" ]
verdict 'a page that names one of two tensors' $?

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
