#!/bin/sh
# Every baseline and every bundled model on every set at hand, with intervals:
# one table, WORK/all/results.md, of which docs/results.md is a copy.
#
#   DATA=/data WORK=/models sh experiments/models.sh data
#   DATA=/data WORK=/models sh experiments/evaluate_all.sh [SET]...
#
# Without a word it scores all sets: cuhk54, rtf, cmu, onera_val_f28 and
# onera_val_f8. What is scored already is not scored again, and what was
# interrupted goes on: run the same command again.
#
# DATA, WORK, PYTHON  as of models.sh. DATA holds these; each may lie elsewhere:
#   RTF  $DATA/rtf         image_05.png, map_05.mat, ...
#   CMU  $DATA/cmu_pixel4  image/ and gt/
# MODELS     bundled names or files, relative to WORK. Default: every version
#            of every bundled model
# BASELINES  Default: all of dmenet_tf.baselines
# FLAGS      further flags of every evaluation, such as --workers=2
set -eu

# shellcheck source=experiments/places.sh
. "$(dirname "$0")/places.sh"
RTF=$(absolute "${RTF:-$DATA/rtf}")
CMU=$(absolute "${CMU:-$DATA/cmu_pixel4}")
cd "${WORK:-runs/models}"

[ -n "${BASELINES+set}" ] || BASELINES=$("$python" -c '
from dmenet_tf import baselines
print(*baselines.NAMES)')
[ -n "${MODELS+set}" ] || MODELS=$("$python" -c '
from dmenet_tf import model_files
print(*(name for name in model_files.bundled_models() if "-v" in name))')
methods=
for name in $BASELINES; do methods="$methods --baseline=$name"; done
for name in $MODELS; do methods="$methods --model=$name"; done

score() {  # NAME IMAGES TRUTHS FLAGS...
    name=$1 images=$2 truths=$3
    shift 3
    echo "Scoring $name."
    # A file that cannot be scored is told of in the report.
    # shellcheck disable=SC2086
    "$python" -m dmenet_tf.evaluate --images="$images" \
        --ground_truth="$truths" --split=all $methods "$@" \
        --output_dir="all/$name" ${FLAGS:-} ||
        [ -f "all/$name/results.json" ]
}

[ $# -gt 0 ] || set -- cuhk54 rtf cmu onera_val_f28 onera_val_f8
for set; do
    case $set in
        cuhk54) score "$set" "$set/image" "$set/gt" --protocol=cuhk ;;
        rtf) score "$set" "$RTF" "$RTF" --protocol=rtf --noise=0 ;;
        cmu)
            score "$set" "$CMU/image" "$CMU/gt" --protocol=sigma \
                --truth_scale=0.0149 --truth_offset=0.17 --unknown_code=0
            ;;
        onera_val_f28 | onera_val_f8)
            score "$set" "$set/image" "$set/sigma" --protocol=sigma
            ;;
        *)
            echo "error: $set: not one of cuhk54, rtf, cmu, onera_val_f28," \
                "onera_val_f8." >&2
            exit 1
            ;;
    esac
done
"$python" "$root/experiments/results.py" all all/results.md
