#!/bin/bash
# Static analysis of src: gcc's -fanalyzer, clang-tidy and cppcheck, each where it is installed, on as many files at a time as there are
# processors (ten minutes of one in all). Every finding is either mended or explained here; one that is not explained is printed, and the exit
# status is 1. STATIC_TOOLS: only those of gcc, cppcheck, clang-tidy.
set -u
cd "$(dirname "$0")/../.." || exit 1
flags="-std=c99 -D_POSIX_C_SOURCE=200809L -D_FILE_OFFSET_BITS=64 -DMPA_VERSION=\"x\" -Isrc $(pkg-config --cflags openblas 2>/dev/null)"
files=$(find src -name '*.c' ! -name 'kernels_a*.c' ! -name stb.c | sort)
log=$(mktemp) || exit 1
loops=$log.h
trap 'rm -f "$log" "$loops"' EXIT

# What clang-tidy is not asked, and why:
#   easily-swappable-parameters      the order of arguments is a rule of the project (outputs, inputs, parameters, sizes)
#   suspicious-string-compare        strcmp as a truth is C
#   implicit-widening-of-...         products of constants
#   sizeof-expression                arrays of pointers are meant
#   mt-unsafe                        strerror, getenv and readdir are called by one thread
#   valist.Uninitialized             clang 14 does not see va_start on x86-64 (LLVM issue 53112)
#   macro-parentheses, err34-c       a type as argument; numbers of /proc
#   err33-c, narrowing, reserved, dcl37, dcl51, DeprecatedOrUnsafeBufferHandling   results of printf to memory; -Wconversion is on; POSIX's own
#   names; C11's *_s functions are not C99
checks='-*,bugprone-*,cert-*,clang-analyzer-*,concurrency-*,-bugprone-easily-swappable-parameters,-bugprone-suspicious-string-compare'
checks+=',-bugprone-implicit-widening-of-multiplication-result,-bugprone-sizeof-expression,-concurrency-mt-unsafe'
checks+=',-clang-analyzer-valist.Uninitialized,-bugprone-macro-parentheses,-cert-err34-c,-cert-err33-c,-bugprone-narrowing-conversions'
checks+=',-bugprone-reserved-identifier,-cert-dcl37-c,-cert-dcl51-cpp,-clang-analyzer-security.insecureAPI.DeprecatedOrUnsafeBufferHandling'

# FILE CHECK: explained. The usual reason is the rule of errors: a pointer is NULL only where the Error has failed, and then the line is not
# reached; the analysers do not know that a failed Error stays failed through a call.
explained='
base/file.c clang-analyzer-core.NonNullParamChecker
base/file.c -Wanalyzer-null-argument
base/table.c clang-analyzer-unix.Malloc
base/memory.c -Wanalyzer-malloc-leak
config/set.c clang-analyzer-core.CallAndMessage
image/resize.c clang-analyzer-core.NullDereference
image/resize.c clang-analyzer-core.NonNullParamChecker
job/answerer.c clang-analyzer-core.NullDereference
model/adapter_peft.c clang-analyzer-core.NonNullParamChecker
model/adapter_peft.c clang-analyzer-core.NullDereference
model/adapter_peft.c -Wanalyzer-null-argument
model/adapter_peft.c -Wanalyzer-null-dereference
model/block/transformer.c clang-analyzer-core.NullDereference
text/unicode.c clang-analyzer-core.NullDereference
text/unicode.c -Wanalyzer-null-dereference
mpa/kept.c clang-analyzer-core.NullDereference
report/heat.c clang-analyzer-core.NullDereference
train/loop.c clang-analyzer-core.NullDereference
command/bench.c -Wanalyzer-null-argument
kernel/kernels.c -Wanalyzer-null-dereference
'
# Other reasons. sha256: the first 16 words do not depend on others. cross_entropy: written by the call. progress: a piece of a line, used by its
# length. sample: there is a question; that the loop asks for one more makes it look otherwise. rope, siglip, picture, heat_draw: the quotient is
# meant to be whole. internvl2: a product of small numbers. checkpoint_param: the room is that of the name and its end. safetensors: "]" and its end
# are two bytes. gemm: y is written by the call before, through a table of functions. tape: the result is arena memory; only the context of the call
# is on the stack. resize, the last of bench: as above.
explained+='
base/sha256.c uninitvar
base/progress.c bugprone-not-null-terminated-result
model/picture.c bugprone-integer-division
report/heat_draw.c bugprone-integer-division
model/sample.c clang-analyzer-core.NullDereference
layer/cross_entropy.c legacyUninitvar
layer/rope.c bugprone-integer-division
model/block/siglip.c bugprone-integer-division
model/family/internvl2/internvl2.c bugprone-misplaced-widening-cast
model/family/smolvlm/smolvlm.c bugprone-misplaced-widening-cast
tensor/checkpoint_param.c clang-analyzer-security.insecureAPI.strcpy
tensor/safetensors.c bugprone-not-null-terminated-result
tensor/gemm.c -Wanalyzer-use-of-uninitialized-value
tensor/tape.c returnDanglingLifetime
'

# Lines of "FILE:LINE:COLUMN: warning: TEXT [CHECK...]" that nothing explains.
unexplained() {
    sed -nE 's|^(.*/)?src/([^:]+):([0-9]+):[0-9]+: (warning\|error\|style): (.*) \[([^],]*)[^]]*\]$|\2 \6 \3 \5|p' "$1" |
        sed -E 's/^([^ ]+) ([^ ]+)/\1 \2/' | while read -r file check line text; do
        grep -qxF "$file $check" <<<"$explained" || echo "src/$file:$line: $text [$check]"
    done
}

found=0
report() { # TOOL
    local lines
    lines=$(unexplained "$log" | sort -u)
    if [ -n "$lines" ]; then
        found=$((found + $(wc -l <<<"$lines")))
        printf '%s:\n%s\n' "$1" "$lines"
    else
        echo "$1: nothing that is not explained ($(grep -cE ': (warning|error|style): ' "$log") explained)"
    fi
}

asked() { # TOOL: whether it is asked for and there
    case " ${STATIC_TOOLS:-gcc cppcheck clang-tidy} " in *" $1 "*) command -v "$1" >/dev/null ;; *) false ;; esac
}

# COMMAND... for each file, several at a time, {} in it being the file; what each says comes in one piece.
each_file() {
    xargs -P "$(nproc)" -I '{}' sh -c 'said=$("$@" 2>&1) || said="$said
$0:1:1: error: is not analysed [compile]"; printf "%s\n" "$said"' '{}' "$@" <<<"$files" >"$log"
}

# Words of flags and files are split on purpose.
# shellcheck disable=SC2086
{
    if asked gcc && gcc -fanalyzer -E -x c /dev/null >/dev/null 2>&1; then
        each_file gcc $flags -DKERNELS_X86 -O1 -fanalyzer -c -o /dev/null '{}'
        sed -i 's/ \[CWE-[0-9]*\]//' "$log" # numbers of weaknesses stand in a bracket of their own
        report 'gcc -fanalyzer'
    fi
    if asked cppcheck; then
        # It does not read the system's headers: Jansson's loops, as they are.
        printf '#define %s\n' 'json_array_foreach(a, i, v) for (i = 0; i < json_array_size(a) && (v = json_array_get(a, i)); i++)' \
            'json_object_foreach(o, k, v) for (k = first(o); k && (v = json_object_get(o, k)); k = next(o, k))' >"$loops"
        cppcheck -q -j"$(nproc)" --enable=warning,performance,portability --std=c99 --template='{file}:{line}:{column}: {severity}: {message} [{id}]' \
            --suppress=missingIncludeSystem --include="$loops" -Isrc $files >"$log" 2>&1
        report cppcheck
    fi
    if asked clang-tidy; then
        each_file clang-tidy --quiet --checks="$checks" '{}' -- $flags
        report clang-tidy
    fi
}
[ $found = 0 ]
