#!/bin/sh
# The demo's runs and tables.
#
#   conf/demo.sh demo        a student for each task, and one for all tasks together
#   conf/demo.sh cross-task  the student aligned on each task, scored on all four (after demo)
#   conf/demo.sh table       demo's table again
#   conf/demo.sh ablation    which pairs to train on, over SEEDS seeds (5); in build/ablation
#
# Everything is in build/demo and build/ablation; what is interrupted goes on.
set -eu
mpa=${MPA:-./mpa}
out=build/demo
tasks="textvqa stvqa chartqa okvqa"

# The pairs that the runs of all tasks have kept, as one list.
join_pairs() {
    mkdir -p $out/all
    {
        echo '['
        for t in $tasks; do sed "1d;\$d;s/^  }\$/  },/;s|\"image\": \"|&$t/train/|" $out/$t/parity.json; done | sed '$s/,$//'
        echo ']'
    } >$out/all/parity.new
    mv $out/all/parity.new $out/all/parity.json
}

# score MODEL TASK FOLDER: a model's answers to the test questions of a task
score() {
    "$mpa" evaluate conf/demo-$2.ini run.dir="$3" student.model="$1" evaluate.models=student --quiet >/dev/null
}

# mpa accuracy of MODEL in scores.json
accuracy() {
    awk -v model="\"$1\":" '$1 == model { found = 1 } found && $1 == "\"mpa\":" { print $2 + 0; exit }' "$2/scores.json"
}

# What became of the annotations that are wrong, and of those that are right, by what can be asked about the pictures (truth.tsv).
annotations() {
    awk '
        function field(name,   at) {
            at = index($0, "\"" name "\":\"")
            return at ? substr($0, at + length(name) + 4, index(substr($0, at + length(name) + 4), "\"") - 1) : ""
        }
        FNR == NR { split($0, t, "\t"); sub(/\?$/, "", t[2]); truth[t[1] "\t" t[2]] = tolower(t[3]); next }
        {
            n++
            image = field("image_path")
            sub(/.*\//, "", image)
            right = tolower(field("answer")) == truth[image "\t" field("question")] && field("answer") != ""
            reason = field("reason")
            kept += field("decision") == "kept"
            if (!right) {
                wrong++
                if (field("decision") == "kept") through++
                else if (reason ~ /does not confirm/) caught++
            } else if (reason ~ /does not confirm/) lost++
        }
        END { printf "%d %d %d %d %d %d", n, wrong, caught, through, lost, kept }
    ' conf/world/$1/truth.tsv $out/$1/audit.jsonl
}

# Accuracy in percent, of the student, aligned to its own task and to all of them, and of the teacher, and how much of the gap was closed;
# annotations: in all, those kept, those wrong, and of the wrong ones those that the check of the teacher caught and those kept all the same;
# of the right ones those that the check threw away.
table() {
    echo
    echo "| task    | student | aligned | closed | all tasks | closed | teacher | annotated | kept | wrong | caught | kept | lost |"
    echo "|---------|---------|---------|--------|-----------|--------|---------|-----------|------|-------|--------|------|------|"
    for t in $tasks; do
        # shellcheck disable=SC2046
        set -- $t $(accuracy student $out/$t) $(accuracy aligned $out/$t) $(accuracy student $out/all/$t) $(accuracy teacher $out/$t) $(annotations $t)
        awk -v t=$1 -v s=$2 -v a=$3 -v all=$4 -v l=$5 -v n=$6 -v w=$7 -v c=$8 -v p=$9 -v lost=${10} -v kept=${11} 'BEGIN {
            printf "| %-7s | %7.1f | %7.1f | %4.0f %% | %9.1f | %4.0f %% | %7.1f | %9d | %4d | %5d | %6d | %4d | %4d |\n",
                t, s, a, 100 * (a - s) / (l - s), all, 100 * (all - s) / (l - s), l, n, kept, w, c, p, lost }'
    done
}

demo() {
    if [ -f $out/finished ]; then rm -rf $out; fi
    for t in $tasks; do "$mpa" run conf/demo-$t.ini; done
    join_pairs
    "$mpa" level conf/demo-all.ini
    for t in $tasks; do score $out/all/aligned $t $out/all/$t; done
    table
    touch $out/finished
}

cross_task() {
    if [ ! -f $out/finished ]; then echo "first: make demo" >&2 && exit 1; fi
    printf '%-22s' 'student aligned on'
    for t in $tasks; do printf '%9s' $t; done
    echo
    for model in none $tasks; do
        printf '%-22s' $model
        for t in $tasks; do
            if [ $model = none ]; then
                accuracy student $out/$t
            else
                score $out/$model/aligned $t $out/$model/on-$t
                accuracy student $out/$model/on-$t
            fi
        done | awk '{ printf "%9.1f", $1 } END { print "" }'
    done
}

# ablate TASK FOLDER [WORD...]: the demo of a task with other pairs
ablate() {
    task=$1
    folder=$2
    shift 2
    "$mpa" ablate conf/demo-$task.ini run.dir=build/ablation/$folder data.images=conf/world/$task/train.json data.image_root=conf/world/$task/train \
        --seeds "${SEEDS:-5}" "$@"
}

# As many epochs of each selection as the demo takes; and of all pairs so few that it takes as many steps as parity.
ablation() {
    for t in $tasks; do
        echo "$t"
        ablate $t $t --vary identify.select=parity,all,random,unverified,labels
        made=build/ablation/$t
        ablate $t $t-steps teacher.annotations=$made/annotations.json teacher.answers=$made/teacher.json student.answers=$made/student.json \
            --vary identify.select=all --vary level.epochs="$(
                awk '/^epochs = / { epochs = $3 } /"decision":/ { n++; kept += /"decision":"kept"/ } END { printf "%.0f", epochs * kept / n }' \
                    conf/demo-$t.ini $made/audit.jsonl)"
    done
}

case ${1-} in
demo | table | ablation) $1 ;;
cross-task) cross_task ;;
*) echo "usage: conf/demo.sh demo | cross-task | table | ablation" >&2 && exit 2 ;;
esac
