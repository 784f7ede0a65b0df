#!/bin/sh
# Figure 3 at a smaller scale: what each network and L_aux are worth, from the
# same start, in as many steps, on the same pictures, at a small width.
#
#   DATA=/data WORK=/models sh experiments/models.sh data
#   DATA=/data WORK=/models sh experiments/ablation.sh
#
# The rows b, bd, bdc, bdcs_no_aux and bdcs have the paper's losses and weights,
# photographs_b and photographs_bds those of --preset=photographs, which leaves
# C out; gaussian, linear and highlights are b on the same scenes rendered
# otherwise. Rows whose spread is measured are trained with two seeds: NAME_1 and
# NAME_2. A row that is there is not trained again; one that was interrupted
# goes on: run the same command again. ablation.py writes the table.
#
# DATA, RGBD, WORK, PYTHON, RENDER, TRAIN  as of models.sh.
# REAL         D_R besides CUHK: absolute paths, separated by commas. Default:
#              $DATA/real/shallow,$DATA/real/bsds500
# RTF          a folder of RTF to score on. Default: $DATA/rtf
# VGG          C's weights, as of --vgg19. Default: hed
# WIDTH        of B. Default: 32
# START_STEPS  of B alone, that all rows go on from. Default: 500
# STEPS        of each row. Default: 1000
set -eu

# shellcheck source=experiments/places.sh
. "$(dirname "$0")/places.sh"
RTF=$(absolute "${RTF:-$DATA/rtf}")
real=${REAL:-$DATA/real/shallow,$DATA/real/bsds500},cuhk450/image
vgg=${VGG:-hed}
cd "${WORK:-runs/models}"

train() {  # NAME FLAGS...
    name=$1
    shift
    [ -f "ablation/$name/weights.npz" ] && return
    echo "Training $name."
    # shellcheck disable=SC2086
    "$python" -m dmenet_tf.train --flagfile="$root/experiments/ablation.flags" \
        --workdir="ablation/$name" "$@" ${TRAIN:-}
}

row() {  # NAME FLAGS...
    name=$1
    shift
    train "$name" --init_weights=ablation/start/weights.npz --real="$real" \
        --steps="${STEPS:-1000}" "$@"
}

two_seeds() {  # NAME FLAGS...
    both=$1
    shift
    row "${both}_1" --seed=1 "$@"
    row "${both}_2" --seed=2 "$@"
}

rendered() {  # NAME FLAGS...
    name=$1
    shift
    render "$name" --input_dir="$RGBD" --split=train --count=450 --seed=2 "$@"
    row "${name}_1" --seed=1 --lambda_adv=0 --lambda_C=0 --lambda_S=0 \
        --synthetic="$name"
}

train start --preset=photographs --width="${WIDTH:-32}" --refine_blocks=1 --lambda_S=0 \
    --lambda_adv=0 --steps="${START_STEPS:-500}"
two_seeds b --lambda_adv=0 --lambda_C=0 --lambda_S=0
row bd_1 --seed=1 --lambda_C=0 --lambda_S=0
row bdc_1 --seed=1 --vgg19="$vgg" --lambda_C=1e-4 --lambda_S=0
row bdcs_no_aux_1 --seed=1 --vgg19="$vgg" --lambda_C=1e-4 --lambda_aux=0
two_seeds bdcs --vgg19="$vgg" --lambda_C=1e-4
two_seeds photographs_b --preset=photographs --lambda_adv=0 --lambda_S=0
two_seeds photographs_bds --preset=photographs
rendered gaussian --kernel=gaussian
rendered linear --linear_light
rendered highlights --linear_light --highlights=6
"$python" "$root/experiments/ablation.py" . "$RTF"
