#!/bin/sh
# Builds sdist and wheel, installs the wheel into a bare environment, and uses
# it from a folder where nothing of the checkout can help:
#
#   BUILD=python-with-build-and-twine PYTHON=python3 sh .ci/wheel.sh
set -eu
cd "$(dirname "$0")/.."
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT

"$BUILD" -m build --outdir "$place/dist" . > "$place/build.log" 2>&1 ||
    { cat "$place/build.log"; exit 1; }
"$BUILD" -m twine check --strict "$place"/dist/*
"$BUILD" - "$place"/dist/*.whl <<'PYTHON'
import sys
import zipfile

names = zipfile.ZipFile(sys.argv[1]).namelist()
for needed in ('dmenet_tf/bundled/small-v1.npz',
               'dmenet_tf/bundled/small-v3.npz',
               'dmenet_tf/bundled/small-v4.npz',
               'dmenet_tf/bundled/base-v1.npz',
               'dmenet_tf/bundled/small-v1.md',
               'dmenet_tf/bundled/WEIGHTS_LICENSE', 'dmenet_tf/py.typed',
               'dmenet_tf/baselines/fitted/park.npz',
               'dmenet_tf/baselines/fitted/park.md',
               'dmenet_tf/tables/disc_to_gaussian.csv',
               'dmenet_tf/tables/cuhk_test.txt', 'licenses/LICENSE'):
    assert any(name.endswith(needed) for name in names), needed
strange = [name for name in names
           if not name.startswith('dmenet_tf') or '/tests/' in name]
assert not strange, strange
print(f'{len(names)} files in the wheel.')
PYTHON

"$PYTHON" -m venv "$place/bare"
"$place/bare/bin/pip" install -q "$place"/dist/*.whl
cp data/samples/photographs/coffee.jpg "$place/photo.jpg"
cd "$place"
PATH="$place/bare/bin:$PATH"
python - <<'PYTHON'
import pathlib

import numpy as np
from PIL import Image

rng = np.random.default_rng(0)
for k in range(1, 3):
    picture = rng.integers(0, 256, (64, 96, 3), np.uint8)
    mask = np.zeros((64, 96), np.uint8)
    picture[:, 48:], mask[:, 48:] = 128, 255
    for folder, array in (
            ('CUHK/image', picture), ('CUHK/gt', mask),
            ('SYNDOF/image', picture),
            ('SYNDOF/sigma', mask.astype(np.uint16) * 20)):
        pathlib.Path(folder).mkdir(parents=True, exist_ok=True)
        Image.fromarray(array).save(f'{folder}/out_of_focus070{k}.png')
PYTHON
set -x
dmenet --version
dmenet predict photo.jpg --output_dir=maps
dmenet evaluate --protocol=cuhk --images=CUHK/image --ground_truth=CUHK/gt \
    --split=all --model=small --output_dir=evaluation
test "$(grep -c out_of_focus evaluation/per_image.csv)" = 2
dmenet train --synthetic=SYNDOF --lambda_S=0 --lambda_adv=0 --vgg19=none \
    --width=4 --refine_blocks=0 --crop=32 --batch=1 --steps=3 --workdir=run
dmenet export --model=run/weights.npz --output_dir=served
test -f maps/photo.npy -a -f run/weights.npz -a -f served/1/saved_model.pb
