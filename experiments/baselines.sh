#!/bin/sh
# Makes again what the baselines learnt: the files of
# dmenet_tf/baselines/fitted/.
#
#   DATA=/data WORK=/fitted sh experiments/baselines.sh [METHOD]...
#
# METHOD is tang, xu, jnb, shi, dandres or park; without a word all of them.
# What is there is not made again. Minutes on one core each.
#
# DATA holds these; each may lie elsewhere, as its own variable says.
# docs/data.md tells whose they are.
#   TEXTURES  $DATA/textures/sharp  photographs in focus
#   CUHK      $DATA/cuhk/train      CUHK's training part: image/ and gt/; the
#                                   54 of cuhk_set_aside.txt are left out
# WORK gets METHOD.npz. Default: runs/baselines.
# PYTHON is an interpreter with the extra `fit`.
set -eu

# shellcheck source=experiments/places.sh
. "$(dirname "$0")/places.sh"
WORK=$(absolute "${WORK:-runs/baselines}")
TEXTURES=$(absolute "${TEXTURES:-$DATA/textures/sharp}")
CUHK=$(absolute "${CUHK:-$DATA/cuhk/train}")

fit() {  # METHOD NAME FOLDER
    if [ ! -d "$3" ]; then
        echo "error: $3: no such folder. Set DATA, or $2 alone: the head of" \
            "experiments/baselines.sh says what they hold." >&2
        exit 1
    fi
    [ -f "$1.npz" ] && return
    echo "Fitting $1."
    "$python" "$root/experiments/baselines.py" "$1" "$3" "$1.npz"
}

[ $# -gt 0 ] || set -- tang xu jnb shi dandres park
mkdir -p "$WORK"
cd "$WORK"
for method; do
    case $method in
        tang | xu | jnb | dandres | park) fit "$method" TEXTURES "$TEXTURES" ;;
        shi) fit shi CUHK "$CUHK" ;;
        *)
            echo "error: $method: not one of tang, xu, jnb, shi, dandres," \
                "park." >&2
            exit 1
            ;;
    esac
done
