#!/bin/sh
# From the sample scene to the defocus maps of the sample photographs: renders
# SYNDOF images, trains a narrow network on them, maps the photographs.
set -eu
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-python3}

echo 'Step 1 of 3: blur the sample RGB-D scene and random shapes (SYNDOF).'
$PYTHON -m dmenet_tf.syndof --input_dir=data/samples/rgbd \
    --output_dir=demo_output/scenes --count=60 --workers=2
$PYTHON -m dmenet_tf.syndof --source=procedural \
    --output_dir=demo_output/shapes --count=60 --workers=2

echo 'Step 2 of 3: train a narrow network on them for some minutes.'
$PYTHON -m dmenet_tf.train --flagfile=experiments/demo.flags

echo 'Step 3 of 3: map the sample photographs.'
$PYTHON -m dmenet_tf.predict data/samples/photographs --overwrite \
    --model=demo_output/training/best.npz --output_dir=demo_output/maps \
    --format=npy,color,overlay
echo 'Look at the pictures above: bright is blurred, the bar is in px.'
