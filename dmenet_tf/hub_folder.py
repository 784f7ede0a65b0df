"""A model as a folder that the Hugging Face hub takes as it is.

    README.md        the model card, with the metadata that the hub reads
    config.json      what weights.describe tells
    model.npz        the weights file, unchanged
    WEIGHTS_LICENSE  if it lies beside the weights file

hub reads the model from there: load_model('hf://owner/name').
"""

import json
import pathlib
import re
import shutil

from dmenet_tf import files, hub, model_files, weights

_CARD = '''---
library_name: dmenet_tf
pipeline_tag: image-to-image
tags:
- defocus
- blur
- depth-of-field
- keras
- tensorflow
{licence}---

# Defocus maps

Photograph to blur of each pixel: sigma, the standard deviation in px of the
Gaussian that blurred it. The network is DMENet's (Lee, Lee, Cho and Lee, "Deep
Defocus Map Estimation using Domain Adaptation", CVPR 2019), as `dmenet_tf`
trains and runs it.

```python
import dmenet_tf

model = dmenet_tf.load_model('hf://OWNER/NAME')
photo = dmenet_tf.read_image('photo.jpg')
sigma = dmenet_tf.estimate(photo, model)    # [h, w] float32, px
```

It needs `pip install 'dmenet_tf[hub]'`. `config.json` has what the weights file
knows of itself: convention, architecture, how it was trained.

{known}'''


def write(source: str | pathlib.Path, folder: str | pathlib.Path) -> None:
    """Writes the folder of a model.

    Args:
        source: As of weights.load_model.
        folder: Must not exist; appears when it is complete.

    Raises:
        FileExistsError: The folder is there already.
        FileNotFoundError, ValueError: See weights.describe.
    """
    path = model_files.find(source)
    described = {**weights.describe(path), 'file': hub.WEIGHTS}
    with files.new_folder(folder) as made:
        shutil.copyfile(path, made / hub.WEIGHTS)
        model_files.copy_licence(path, made)
        (made / 'config.json').write_text(
            json.dumps(described, indent=2) + '\n')
        (made / 'README.md').write_text(_CARD.format(
            licence=_licence(described.get('licence'),
                             (made / 'WEIGHTS_LICENSE').exists()),
            known=_known(path)))


def _licence(said, has_file):
    """The metadata's lines: 'other' is how the hub calls those of one's own.
    """
    if said is None:
        return ''
    name = re.sub('[^a-z0-9.]+', '-', said.partition(';')[0].lower())
    link = 'license_link: WEIGHTS_LICENSE\n' if has_file else ''
    return f'license: other\nlicense_name: {name.strip("-")}\n{link}'


def _known(path):
    """The card beside the weights file: of a bundled model, or a training."""
    for card in (path.with_suffix('.md'), path.with_name('model_card.md')):
        if card.is_file():
            return re.sub('^#', '##', card.read_text(), flags=re.MULTILINE)
    return 'Its weights file came without a card.\n'
