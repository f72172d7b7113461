#!/bin/sh
# The pages (README.md, src/*.md, SECURITY.md) say what is there. Each of these is looked up, and what is missing is printed:
#
#   files      paths below src, tests, conf, ref, golden or weights, or in a room of src; source files called `name.c` or `name.h`
#   links      [text](path), from the page's own folder
#   functions  C functions `name()`
#   tensors    of the checkpoints in weights
#   commands   `mpa NAME`, and options `--name` of mpa
#   targets    `make NAME`
#   keys       section.key of the configuration
#   rooms      the map (src/README.md) has a row for each folder of src, and no other
#   traces     each `mpa trace`, `mpa ask` and `mpa tokenize` of a code block of src/MODEL.md runs; a line "# NAME [SHAPE], ..." below a
#              trace names tensors of its file, a line "# [...]" is what was printed
#   layers     src/MODEL.md has an example of each layer of src/layer/layer.h
#
# And the other way round: src/MODEL.md names every tensor of the checkpoints; README.md is one screen; the INI file in it is accepted.
# The numbers of src/MODEL.md are judged by numbers_test.c.
#
# A tensor is written as `model.layers.N.self_attn.{q,k}_proj.weight`: N stands for any number, {a,b} for a and b, NAME in front for `model` and
# `model.text_model`. A name may end where a part of a tensor's name does (`visual.merger`), or be a string of src/model (`model.visual.`).
# In a path NAME stands for anything: some such file must be there.
set -u
cd "$(dirname "$0")/../.." || exit 1
mpa=${MPA:-./mpa}
pages='README.md src/README.md src/MODEL.md src/PORTING.md src/SPEED.md SECURITY.md'
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

for file in weights/*/*.safetensors; do tensors_of "$file"; done | sort -u >"$dir/tensors"

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

# "LINE TEXT" of each code span, and of each line of a code block (indented by four, or fenced).
code_of() { # DOC
    awk '
        /^```/ { fenced = !fenced; next }
        fenced || /^    / { print NR, $0; next }
        { n = split($0, part, "`"); for (i = 2; i <= n; i += 2) print NR, part[i] }' "$1"
}

# Prints the lines "LINE NAME" of standard input whose NAME is not in FILE, as "DOC:LINE: WHAT NAME".
not_in() { # FILE DOC WHAT
    awk -v doc="$2" -v what="$3" 'NR == FNR { there[$1]; next } !($2 in there) { print doc ":" $1 ": " what " " $2 }' "$1" -
}

ls src >"$dir/rooms"

missing_files() { # DOC
    awk -v rooms="$(tr '\n' ' ' <"$dir/rooms")" '
        BEGIN { n = split(rooms, list, " "); for (i = 1; i <= n; i++) if (list[i] !~ /\./) room[list[i]] }
        {
            gsub(/[^A-Za-z0-9_.\/*-]/, " ")
            for (i = 1; i <= NF; i++) {
                sub(/^\.\//, "", $i)
                sub(/\.+$/, "", $i)
                first = $i
                sub(/\/.*/, "", first)
                if ($i ~ /^(src|tests|conf|ref|golden|weights|\.ci)\//) print NR, $i, $i
                else if ($i ~ /\// && first in room) print NR, $i, "src/" $i
            }
        }' "$1" | while read -r line path real; do
        for found in $(echo "$real" | sed 's/NAME/*/g'); do
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

missing_links() { # DOC
    awk '{ while (match($0, /\]\([^)]*\)/)) { print NR, substr($0, RSTART + 2, RLENGTH - 3); $0 = substr($0, RSTART + RLENGTH) } }' "$1" |
        while read -r line path; do
            [ -e "$(dirname "$1")/$path" ] || echo "$1:$line: there is no $path"
        done
}

"$mpa" --help | sed -n 's/^  mpa \([a-z]*\) .*/\1/p' >"$dir/commands"
{
    "$mpa" --help
    while read -r command; do "$mpa" "$command" --help; done <"$dir/commands"
} | grep -o -e '--[a-z][a-z-]*' | sort -u >"$dir/options"
# Targets stand before a colon at the start of a line, or are .PHONY.
sed -n 's/^\([a-z][a-z -]*\):.*/\1/p' Makefile | tr ' ' '\n' >"$dir/targets"
"$mpa" run conf/demo-okvqa.ini --dump-config | awk '/^\[/ { section = substr($0, 2, length($0) - 2) }
    /^[a-z_0-9]+ *=/ { sub(/ *=.*/, ""); print section "." $0 }' | sort -u >"$dir/keys"
sed 's/\..*//' "$dir/keys" | sort -u >"$dir/sections"

missing_commands() { # DOC
    code_of "$1" | awk '{
        for (i = 2; i <= NF; i++)
            if ($i ~ /^([^ ]*\/)?mpa$/ && $(i + 1) ~ /^[a-z]+$/ && (i == 2 || $i != "mpa")) print $1, $(i + 1)
    }' | not_in "$dir/commands" "$1" 'mpa has no command'
    code_of "$1" | awk '{ for (i = 2; i <= NF; i++) if ($i ~ /^--[a-z]/) { sub(/=.*/, "", $i); gsub(/[^a-z-]/, "", $i); print $1, $i } }' |
        not_in "$dir/options" "$1" 'mpa has no option'
}

missing_targets() { # DOC
    code_of "$1" | awk '{ for (i = 2; i < NF; i++) if ($i == "make" && $(i + 1) ~ /^[a-z-]+$/) print $1, $(i + 1) }' |
        not_in "$dir/targets" "$1" 'make has no target'
}

missing_keys() { # DOC
    awk -v sections="$(tr '\n' ' ' <"$dir/sections")" '
        BEGIN { n = split(sections, list, " "); for (i = 1; i <= n; i++) section[list[i]] }
        {
            gsub(/[^A-Za-z0-9_.\/*()-]/, " ")
            for (i = 1; i <= NF; i++)
                if ($i ~ /^[a-z]+\.[a-z_0-9]+\.?$/ && $i !~ /\.(c|h|json|jsonl|md|ini|safetensors|journal)\.?$/) {
                    sub(/\.$/, "", $i)
                    if (substr($i, 1, index($i, ".") - 1) in section) print NR, $i
                }
        }' "$1" | not_in "$dir/keys" "$1" 'there is no key'
}

# The rooms of the map: `room/` alone in the first cell of a row.
missing_rooms() { # DOC
    sed -n 's/^| `\([a-z/]*\)\/` |.*/\1/p' "$1" | sort >"$dir/mapped"
    (cd src && find . -mindepth 1 -type d ! -path './model/family/*') | sed 's|^\./||' | sort >"$dir/folders"
    comm -13 "$dir/mapped" "$dir/folders" | sed "s|^|$1: has no row for src/|"
    comm -23 "$dir/mapped" "$dir/folders" | sed "s|^|$1: has a row for a room that is not there: |"
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
        NF == 2 && $2 ~ /^(NAME|model|visual|lm_head|vision_model|mlp1|language_model|vision_tower|connector)\.[A-Za-z0-9_.{},]*$/ && $2 !~ /\.(safetensors|json)$/ {
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
    tensor_names "$1" | awk -v doc="$1" -v tensors="$dir/tensors" "$pattern"'
        NR == FNR { string[$0]; next }
        BEGIN { while ((getline name < tensors) > 0) there[++count] = name }
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

# Runs the commands of the code blocks, and compares what a trace holds with the line below it.
missing_traces() { # DOC
    traced=0
    awk '
        line { text = text substr($0, 5) }
        !line && /^    (printf .*\|)? *\.\/mpa (trace|ask|tokenize)|^    # .*\[.*\]/ { line = NR; text = substr($0, 5) }
        line && !sub(/\\$/, "", text) { print line, text; line = 0 }' "$1" >"$dir/commands_of_page"
    while read -r line command; do
        case $command in
        '# ['*)
            [ "${command#\# }" = "$(cat "$dir/said")" ] || echo "$1:$line: the command above says $(cat "$dir/said")"
            ;;
        '#'*)
            echo "${command#\#}" | awk '{ gsub(/\], */, "]\n"); print }' | while read -r name shape; do
                grep -q "^$name  *[A-Z0-9]*$(echo "$shape" | sed 's/[][]/\\&/g') " "$dir/traced" || echo "$1:$line: the trace above has no $name $shape"
            done
            ;;
        *)
            rm -f "$dir/t.safetensors"
            command=$(echo "$command" | sed "s|\./mpa|$mpa|; s|t\.safetensors|$dir/t.safetensors|")
            sh -c "$command" >"$dir/said" 2>&1 </dev/null || { echo "$1:$line: $command" && cat "$dir/said"; }
            if [ -f "$dir/t.safetensors" ]; then
                "$mpa" compare "$dir/t.safetensors" "$dir/t.safetensors" >"$dir/traced"
                traced=$((traced + 1))
            fi
            ;;
        esac
    done <"$dir/commands_of_page"
    [ "$traced" -gt 0 ] || echo "$1: no trace is shown"
}

missing_layers() { # DOC
    sed -n 's/^[A-Za-z].*[ *]\([a-z_]*\)(Run \*run, .*/\1/p' src/layer/layer.h | grep -v '^rope_table' | sort >"$dir/layers"
    [ -s "$dir/layers" ] || echo 'src/layer/layer.h has no layer'
    while read -r layer; do
        grep -q "^    $layer: " "$1" || echo "$1: has no example of $layer"
    done <"$dir/layers"
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

for doc in $pages; do
    for what in files links functions tensors commands targets keys; do
        "missing_$what" "$doc" >"$dir/out" 2>&1
        [ ! -s "$dir/out" ]
        verdict "$doc, $what" $?
    done
done
for list in commands options targets keys rooms sources functions strings; do
    [ -s "$dir/$list" ] || { echo "there are no $list to look up" && failed=$((failed + 1)); }
done
missing_mentions src/MODEL.md >"$dir/out" 2>&1
[ -s "$dir/tensors" ] && [ ! -s "$dir/out" ]
verdict 'src/MODEL.md, every tensor' $?
missing_traces src/MODEL.md >"$dir/out" 2>&1
[ ! -s "$dir/out" ]
verdict 'src/MODEL.md, its commands' $?
missing_layers src/MODEL.md >"$dir/out" 2>&1
[ ! -s "$dir/out" ]
verdict 'src/MODEL.md, every layer' $?
missing_rooms src/README.md >"$dir/out" 2>&1
[ ! -s "$dir/out" ]
verdict 'src/README.md, rooms' $?

# No room holds more than a sixth of the program, as the map says. A room with a row of its own inside another counts for itself.
sed -n 's/^| `\([a-z/]*\)\/` |.*/\1/p' src/README.md >"$dir/rows"
find src -name '*.[ch]' -exec wc -l {} + | awk -v rows="$(tr '\n' ' ' <"$dir/rows")" '
    BEGIN { n = split(rows, room, " ") }
    $2 == "total" { next }
    { best = ""; for (i = 1; i <= n; i++) if (index($2, "src/" room[i] "/") == 1 && length(room[i]) > length(best)) best = room[i]
      lines[best] += $1; all += $1 }
    END { for (r in lines) if (r != "" && lines[r] * 6 > all) print "src/" r ": " lines[r] " lines of " all }' >"$dir/out"
[ ! -s "$dir/out" ]
verdict 'src/README.md, a sixth' $?

# One screen: 80 lines of 120 columns, tables and links aside; with the rows of its tables, 110.
awk '!/^\|/ && !/\]\(/ && length($0) > 120 { print FILENAME ":" FNR ": " length($0) " columns" }
    { all++ }
    !/^\|/ { lines++ }
    END { if (lines > 80 || all > 110) print FILENAME ": " lines " lines and " all - lines " of tables, wanted at most 80, 110 in all" }' README.md >"$dir/out"
[ ! -s "$dir/out" ]
verdict 'README.md, one screen' $?

# What it shows of the demo is the demo's table.
awk '/It ends with:$/ { inside = 1; next } inside && /^\|/ { print; exit }' README.md >"$dir/said"
[ -s "$dir/said" ] && grep -qFf "$dir/said" conf/demo.sh
verdict 'README.md, what the demo prints' $?

# Its INI file, with the paths that it names.
awk '/^    \[run\]/ { inside = 1 } !/^    / { inside = 0 } inside && NF' README.md | sed 's/^    //' >"$dir/first.ini"
"$mpa" run "$dir/first.ini" --dump-config >"$dir/out" 2>&1 && grep -q 'images = .*pictures' "$dir/out"
verdict 'README.md, the INI file' $?

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
expect files     'Begin with `layer/layer.h`, `model/family/NAME/picture.c`.' ''
expect files     'Begin with `layer/layers.h`.'                               layer/layers.h
expect files     'A row in tests/NAME/nothing_test.c.'                        tests/NAME/nothing_test.c
expect links     'See [this](page) and [that](http.md).'                      http.md
expect commands  'Run `mpa trace --grad`; `./mpa --version`; mpa sings.'      ''
expect commands  'Run `./mpa sing`.'                                          sing
expect commands  '    ./mpa run first.ini; build/x/mpa runs'                  runs
expect commands  'With `--batch-size=3`.'                                     --batch-size
expect targets   'By `make test SAN=address` or `make`; make of it what you will.' ''
expect targets   '    make demmo        # a demo'                             demmo
expect keys      'With run.dir, level.batch. And `level.c`, level.state/x.'   ''
expect keys      'With `data.limit=20 level.epoch=5`.'                        level.epoch
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
expect tensors   '`NAME.norm.weight`, `model.connector`'                      ''
expect tensors   '`NAME.layers.N.self_attn.q_proj.bias`'                      model.text_model.layers.N.self_attn.q_proj.bias

# Of a trace one tensor has another shape, and one is not there; a model is not there.
trace='    ./mpa trace --model weights/tiny-qwen2vl-a --prompt hello --out t.safetensors'
printf '%s\n    # logits [1,2,3], model.norm [1,28,60], model.nord [1]\n%s\n' "$trace" "$(echo "$trace" | sed s/-a/-z/)" >"$dir/page"
missing_traces "$dir/page" >"$dir/out"
[ "$(grep -c 'the trace above has no' "$dir/out")" = 2 ] && ! grep -q 'no model.norm' "$dir/out" && grep -q "^$dir/page:3: " "$dir/out"
verdict 'a page of wrong traces' $?

# A map of a room that is not there, without the others.
printf '| `base/` |\n| `cellar/` | wine |\n' >"$dir/page"
missing_rooms "$dir/page" >"$dir/out"
[ "$(grep -c 'has no row' "$dir/out")" = "$(($(grep -c . "$dir/folders") - 1))" ] && grep -q 'not there: cellar$' "$dir/out"
verdict 'a map with a wrong room' $?

# Of two tensors the page names one.
printf 'a.0.weight\nmodel.12.weight\n' >"$dir/tensors"
printf '`model.N.weight`\n' >"$dir/page"
missing_mentions "$dir/page" >"$dir/out"
[ "$(cat "$dir/out")" = "$dir/page: does not name tensor a.0.weight" ]
verdict 'a page that names one of two tensors' $?

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
