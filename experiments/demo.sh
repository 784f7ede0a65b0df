#!/bin/sh
# From the sample photographs to their defocus maps, and to the picture of
# README.md.
set -eu
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-python3}

echo 'Step 1 of 3: map the sample photographs.'
$PYTHON -m dmenet_tf.predict data/samples/photographs --overwrite \
    --output_dir=demo_output --format=npy,color,mask

echo 'Step 2 of 3: blur what is out of focus three times as much.'
$PYTHON -m dmenet_tf.applications.magnify \
    data/samples/photographs/chelsea.jpg --strength=3 --focus_on=230,150 \
    --sigma=demo_output/chelsea.npy --output_dir=demo_output

echo 'Step 3 of 3: one picture of it.'
$PYTHON docs/pictures/four.py demo_output demo_output/four.jpg

echo 'Open demo_output/four.jpg: the map is bright where the photograph is' \
    'blurred, its bar is in px.'
echo "Your own: $PYTHON -m dmenet_tf.predict photo.jpg"
