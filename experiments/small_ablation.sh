#!/bin/sh
# Figure 3's ablation for a small network, from the weights of small_7.flags:
#
#   PHOTOGRAPHS=BSDS500,LOW_DOF MASKS=CUHK/train VGG19=vgg19.npz \
#       sh experiments/small_ablation.sh
#
# PHOTOGRAPHS: unlabelled ones. MASKS: a folder with image/ and gt/; VGG19: its
# first five convolutions are enough. Then the cross-validation of all four
# networks on MASKS: in ablation/fold_0 to fold_2 each third photograph is
# left out, and scored. Everything goes to runs/small.
set -eu
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-python3}
row() {
    name=$1
    shift
    $PYTHON -m dmenet_tf.train --flagfile=experiments/small_ablation.flags \
        --workdir="runs/small/ablation/$name" "$@"
}
score() {
    $PYTHON -m dmenet_tf.evaluate --protocol=cuhk --images="$MASKS/image" \
        --ground_truth="$MASKS/gt" "$@"
}
real="--real=$PHOTOGRAPHS --binary=$MASKS"

row b --lambda_adv=0 --lambda_S=0 --vgg19=none
row bd --lambda_S=0 --vgg19=none $real
row bdc --lambda_S=0 --vgg19="$VGG19" $real
row bdcs --vgg19="$VGG19" $real
row bdcs_no_aux --lambda_aux=0 --vgg19="$VGG19" $real
score --split=all --sheet_images=12 --output_dir=runs/small/ablation/scores \
    $(for name in b bd bdc bdcs bdcs_no_aux; do
          echo "--model=$name=runs/small/ablation/$name/weights.npz"
      done)

for name in b bd bdc bdcs bdcs_no_aux; do
    $PYTHON -m dmenet_tf.predict data/samples/photographs/chelsea.jpg \
        --model="runs/small/ablation/$name/weights.npz" --format=normalized \
        --output_dir="runs/small/ablation/maps/$name"
done

for fold in 0 1 2; do
    folder=runs/small/ablation/fold_$fold
    rm -rf "$folder/masks"
    mkdir -p "$folder/masks/image" "$folder/masks/gt"
    : > "$folder/left_out.txt"
    place=0
    for image in "$MASKS"/image/*; do
        name=$(basename "$image")
        if [ $((place % 3)) = $fold ]; then
            echo "${name%.*}" >> "$folder/left_out.txt"
        else
            mask=$(ls "$MASKS/gt/${name%.*}".*)
            ln -s "$(realpath "$image")" "$folder/masks/image/"
            ln -s "$(realpath "$mask")" "$folder/masks/gt/"
        fi
        place=$((place + 1))
    done
    row fold_$fold/bdcs --vgg19="$VGG19" --real="$PHOTOGRAPHS" \
        --binary="$folder/masks"
    score --split="$folder/left_out.txt" \
        --model=small=runs/small/b7/weights.npz \
        --model="BDCS=$folder/bdcs/weights.npz" \
        --output_dir="$folder/scores"
done
