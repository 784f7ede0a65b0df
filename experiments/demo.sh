#!/bin/sh
# From the sample photographs to their defocus maps, and to what one is for.
set -eu
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-python3}

echo 'Step 1 of 2: map the sample photographs.'
$PYTHON -m dmenet_tf.predict data/samples/photographs --overwrite \
    --output_dir=demo_output/maps --format=npy,color,overlay

echo 'Step 2 of 2: blur what is out of focus three times as much.'
$PYTHON -m dmenet_tf.applications.magnify \
    data/samples/photographs/chelsea.jpg --strength=3 --focus_on=230,150 \
    --sigma=demo_output/maps/chelsea.npy --output_dir=demo_output/refocused

echo 'Open demo_output/maps/chelsea_sigma.png: bright is blurred, the bar is' \
    'in px; and demo_output/refocused/chelsea_magnified_before_after.jpg.'
echo "Your own: $PYTHON -m dmenet_tf.predict photo.jpg"
