#!/bin/sh
# Makes every picture of README.md and of the pages again:
#
#   sh docs/pictures/make.sh
#
# MODEL is what `predict --model` takes, the bundled one unless told; PYTHON
# the interpreter that has dmenet_tf.
set -eu
cd "$(dirname "$0")/../.."
PYTHON=${PYTHON:-python3}
MODEL=${MODEL:-small}
photographs=data/samples/photographs
photograph=$photographs/chelsea.jpg
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

$PYTHON -m dmenet_tf.predict $photographs --model="$MODEL" \
    --output_dir="$work" --format=npy,color,mask
$PYTHON -m dmenet_tf.applications.magnify $photographs --strength=3 \
    --sigma="$work" --output_dir="$work/softer"
$PYTHON -m dmenet_tf.applications.magnify $photograph \
    --strength=3 --focus_on=230,150 \
    --sigma="$work/chelsea.npy" --output_dir="$work"
$PYTHON -m dmenet_tf.applications.deblur $photograph \
    --sigma="$work/chelsea.npy" --output_dir="$work"
$PYTHON -m dmenet_tf.applications.depth $photograph \
    --focus=near --sigma="$work/chelsea.npy" --output_dir="$work" \
    --format=color
$PYTHON -m dmenet_tf.syndof --input_dir=data/samples/rgbd --preview=1 \
    --output_dir="$work"
$PYTHON docs/pictures/inputs.py "$work"
$PYTHON -m dmenet_tf.stack "$work/sweep" --model="$MODEL" --output_dir="$work"
$PYTHON -m dmenet_tf.rank "$work/ranked" --model="$MODEL" --format=jsonl \
    > "$work/ranked.jsonl"
$PYTHON -m dmenet_tf.predict $photograph --model="$MODEL" \
    --output_dir="$work/soft" --format=mask --mask_soft=1,4
$PYTHON docs/pictures/four.py "$work" docs/pictures/four.jpg
$PYTHON docs/pictures/compose.py "$work"
$PYTHON docs/pictures/drawings.py
for badge in 'python 3.10 to 3.13' 'tensorflow 2.15 to 2.21' 'code Apache-2.0'
do
    name=${badge%% *}
    $PYTHON -m anybadge --label="$name" --value="${badge#* }" \
        --color=steelblue --file="docs/pictures/badge_$name.svg" --overwrite
done
