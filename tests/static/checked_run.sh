#!/bin/sh
# The four stages on the smallest models, watched while they run: by valgrind (make memcheck) or by clang's thread sanitizer (make threadcheck). Any
# finding ends a stage with another status than 0.
#
#   tests/static/checked_run.sh COMMAND...      COMMAND: the program, with what watches it in front
set -u
golden=golden/run-families
work=$(mktemp -d "${TMPDIR:-/tmp}/mpa-checked-XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
failed=0
for stage in annotate identify level evaluate; do
    "$@" "$stage" conf/demo-okvqa.ini run.dir="$work/run" teacher.model=weights/run-teacher student.model=weights/run-student data.task=stvqa \
        data.images=$golden/pictures data.limit=4 annotate.prompt=$golden/prompt.txt annotate.max_new_tokens=48 identify.max_new_tokens=8 \
        identify.select=all level.recipe=2025-10 level.epochs=1 level.batch=2 level.micro_batch=1 level.save_every=1 \
        evaluate.questions=$golden/questions.json evaluate.image_root=$golden/pictures evaluate.models='student aligned teacher' \
        >"$work/out" 2>"$work/log"
    status=$?
    if [ $status = 0 ]; then
        echo "ok      $stage"
    else
        failed=$((failed + 1))
        echo "FAILED  $stage: status $status"
        tail -n 60 "$work/log"
    fi
done
[ $failed = 0 ]
