#!/bin/sh
# Is there what src/, tests/ and ref/ name? Each path below src, tests, ref or golden; each function named with a source file, as in
# `src/a/b.c (one, two)` and `read one in src/a/b.c`; each file by its name alone (x.c, x.h, x.py, x.sh, X.md); each test NAME_test. So a failing test that says which file to read names a file that is there.
# Prints each that is missing; exit status 1 where there is one.
#
# In a path capitals (NAME, CASE), * and %s stand for anything. A golden may be named without its ending.
#
#   tests/whole/paths.sh [ROOT]      ROOT: another folder than the project's (used by paths_test.sh)
set -u
cd "${1:-$(dirname "$0")/../..}" || exit 1

# What is not ours, or is wrong on purpose in a test of a message about it.
other='src/layer/laier.h golden/model/none.png tests/NAME/nothing_test.c src/libImaging/Resample.c src/tensor.rs src/x src/main.o nothing_test draw_test
built_in_the_test cmocka_unit_test http.md image_transforms.py PI.py
png.c weight_map.c'

list=$(find . -name build -prune -o -name .git -prune -o -print | sed 's|^\./||') || exit 1
readers=$(find src tests ref \( -name '*.[ch]' -o -name '*.sh' -o -name '*.py' \) ! -path 'tests/whole/paths*' \
    ! -path 'tests/pages/*' ! -path tests/run_test.sh 2>/dev/null | sort)

{
    echo "$list"
    echo "-- $other" | tr '\n' ' '
    echo
} | awk -v readers="$readers" '
    function missing(what) { print file ": names " what ", which is not there"; broken++ }
    # The whole text of a file, lines of a comment or of a C string joined.
    function text_of(path,   line, text) {
        text = ""
        while ((getline line < path) > 0) {
            sub(/^[ \t]*(\*|#|\/\/)?[ \t]*/, "", line)
            if (line ~ /^"/ && text ~ /"$/) {
                sub(/"$/, "", text)
                text = text substr(line, 2)
            } else
                text = text " " line
        }
        close(path)
        return text " "
    }
    function matches(path,   pattern, name) {
        gsub(/%[a-z]*|\*|[A-Z][A-Z]+/, "@", path)
        if (!index(path, "@")) return 0
        pattern = path
        gsub(/\./, "\\.", pattern)
        gsub(/@+/, ".*", pattern)
        for (name in there) if (name ~ "^" pattern "$") return 1
        return 0
    }
    function is_there(path) {
        sub(/\/$/, "", path)
        return path in there || path in other || (path ~ /^golden\// && path in stem) || matches(path)
    }
    function check_function(path, name) {
        if (!(path in body)) body[path] = text_of(path)
        if (body[path] !~ "[^a-z0-9_]" name "[^a-z0-9_]") missing(name " in " path)
    }
    # `one in a.c`, `a.c (two, three)`: the functions stand in the file.
    function check_functions(before, path, rest,   inside, list, n, i) {
        if (path !~ /\.c$/ || !(path in there)) return
        if (match(before, /[a-z0-9]+(_[a-z0-9]+)+ in $/)) check_function(path, substr(before, RSTART, RLENGTH - 4))
        if (!match(rest, /^ \([a-z0-9_]+(, [a-z0-9_]+)*\)/)) return
        inside = substr(rest, 3, RLENGTH - 3)
        n = split(inside, list, ", ")
        for (i = 1; i <= n; i++) check_function(path, list[i])
    }
    function check(file,   rest, before, path) {
        rest = text_of(file)
        while (match(rest, /(src|tests|ref|golden)\/[A-Za-z0-9_.\/*%-]*[A-Za-z0-9_\/*%]/)) {
            before = substr(rest, 1, RSTART - 1)
            path = substr(rest, RSTART, RLENGTH)
            rest = substr(rest, RSTART + RLENGTH)
            if (before ~ /[A-Za-z0-9_\/.$}-]$/) continue
            if (!is_there(path)) missing(path)
            check_functions(before, path, rest)
        }
        rest = text_of(file)
        while (match(rest, /[A-Za-z0-9_]+(\.md|\.[ch]|\.py|\.sh|_test)[^A-Za-z0-9_]/)) {
            before = substr(rest, RSTART - 1, 1)
            path = substr(rest, RSTART, RLENGTH - 1)
            rest = substr(rest, RSTART + RLENGTH - 1)
            if (before !~ /[<\/.*%$}-]/ && !(path in base) && !(path in other) && path !~ /NAME|^.\./) missing(path)
        }
    }
    /^-- / {
        for (i = 2; i <= NF; i++) other[$i]
        next
    }
    {
        there[$0]
        name = $0
        sub(/\.[a-z]+$/, "", name)
        stem[name]
        sub(/.*\//, "", name)
        base[name]
        name = $0
        sub(/.*\//, "", name)
        base[name]
    }
    END {
        count = split(readers, list, "\n")
        for (i = 1; i <= count; i++) {
            file = list[i]
            check(file)
        }
        if (!count) {
            print "there is no file to read"
            exit 1
        }
        exit broken > 0
    }'
