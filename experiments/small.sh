#!/bin/sh
# The bundled network `small`, from raw pictures to weights:
#
#   RGBD=SCENES SHARP=KODAK PHOTOGRAPHS=BSDS500 sh experiments/small.sh
#
# RGBD: RGB-D scenes with a scenes.json that marks them train or val. SHARP
# and PHOTOGRAPHS: folders of photographs, the textures of drawn shapes.
# Everything goes to runs/small; the same call goes on after an interruption.
# A trial: PART=50 renders a fiftieth, STEPS=100 ends the first stage there
# and each later one after a tenth of it.
set -eu
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-python3}
count() { echo "--count=$(($1 / ${PART:-1}))"; }
syndof="$PYTHON -m dmenet_tf.syndof --workers=2 --max_size=640 --kernel=mixed"

$syndof --source=procedural --textures="$SHARP" --linear_light \
    $(count 350) --seed=1 --output_dir=runs/small/leaves_linear
$syndof --input_dir="$RGBD" --split=train $(count 450) --seed=2 \
    --output_dir=runs/small/rooms
$syndof --input_dir="$RGBD" --split=train --linear_light $(count 350) \
    --seed=3 --output_dir=runs/small/rooms_linear
$syndof --source=procedural --textures="$SHARP" --sampler=official \
    $(count 350) --seed=4 --output_dir=runs/small/leaves_official
$syndof --input_dir="$RGBD" --split=val $(count 60) --seed=5 \
    --output_dir=runs/small/val
$syndof --source=procedural --textures="$PHOTOGRAPHS" $(count 350) --seed=6 \
    --output_dir=runs/small/leaves_bsds
steps=${STEPS:-}
train() {
    for stage in "$@"; do
        $PYTHON -m dmenet_tf.train --flagfile="experiments/$stage.flags" \
            ${steps:+--steps="$steps"}
        steps=${STEPS:+$((STEPS / 10))}
    done
}
train small small_2 small_3 small_4 small_5 small_6 small_7

# Whole photographs too, the sharpest 716 of 1000 in the eyes of what there is.
$PYTHON -m dmenet_tf.export --model=runs/small/b6/weights.npz \
    --average=runs/small/b7/weights.npz --npz=runs/small/b67.npz
$PYTHON -m dmenet_tf.predict --model=runs/small/b67.npz \
    --output_dir=runs/small/maps --format=npy \
    --summary=runs/small/sharpness.csv "$PHOTOGRAPHS"
rm -rf runs/small/sharp
mkdir runs/small/sharp
$PYTHON -c '
import csv, pathlib
with open("runs/small/sharpness.csv", newline="") as file:
    rows = sorted(csv.DictReader(file),
                  key=lambda row: float(row["mean_sigma_px"]))
for row in rows[:len(rows) * 716 // 1000]:
    path = pathlib.Path(row["photograph"]).resolve()
    pathlib.Path("runs/small/sharp", path.name).symlink_to(path)'
$syndof --source=procedural --textures=runs/small/sharp --shapes=0 \
    --linear_light $(count 500) --seed=8 --output_dir=runs/small/photographs
train small_8 small_9 small_10 small_11 small_12
last=runs/small/b12/weights.npz
$PYTHON -m dmenet_tf.export --model=runs/small/b8/weights.npz \
    --average=$last,$last,$last --npz=dmenet_tf/bundled/small.npz
