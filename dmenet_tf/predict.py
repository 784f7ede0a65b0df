"""Maps the blur of photographs: files in, maps out, named after their inputs.

    python -m dmenet_tf.predict photo.jpg holiday/ --output_dir=maps

writes for each photograph
    maps/photo.npy         sigma, float32 [h, w], px of the photograph
    maps/photo_sigma.png   the same in colour, with a bar in px

A photograph that cannot be read costs one line on the terminal; the others
are still mapped, and the exit status is 1.
"""

import pathlib
import sys

import imageio.v3 as iio
import numpy as np
from absl import app, flags

from dmenet_tf import files, images

_MODEL = flags.DEFINE_string(
    'model', 'small', 'A bundled model, a weights file (.npz) made by '
    "dmenet_tf.train, or the authors' checkpoint DMENet_BDCS.npz.")
_OUTPUT_DIR = flags.DEFINE_string(
    'output_dir', 'defocus_maps', 'Folder for the maps; made if missing.')
_MAX_SIGMA = flags.DEFINE_float(
    'max_sigma', None, 'sigma in px at the bright end of the coloured maps. '
    "By default each map's own largest value, at least 1 px.", lower_bound=0.1)


def output_stems(paths):
    """Gives each photograph the name of its maps, or the reason why not.

    Args:
        paths: Photographs.

    Returns:
        Dict path -> stem, and dict path -> reason, for those whose maps would
        overwrite another photograph's.
    """
    owners, refused = {}, {}
    for path in dict.fromkeys(paths):
        owner = owners.setdefault(path.stem, path)
        if owner != path:
            refused[path] = (f'{path}: its maps would overwrite those of '
                             f'{owner}; map it into another --output_dir.')
    return {path: stem for stem, path in owners.items()}, refused


def write_maps(sigma, output_dir, stem, max_sigma=None):
    """Writes <stem>.npy and <stem>_sigma.png; returns their paths.

    Args:
        sigma: [h, w] px.
        output_dir: pathlib.Path.
        stem: Name without suffix.
        max_sigma: px at the bright end; None: this map's own maximum.
    """
    if max_sigma is None:
        max_sigma = max(float(np.max(sigma)), 1.0)
    array = output_dir / f'{stem}.npy'
    with files.atomic_path(array) as temporary, temporary.open('wb') as file:
        np.save(file, sigma.astype(np.float32))
    colored = output_dir / f'{stem}_sigma.png'
    picture = images.color_sigma(sigma, max_sigma)
    with files.atomic_path(colored) as temporary:
        iio.imwrite(temporary, images.with_color_bar(picture, max_sigma))
    return array, colored


def map_photographs(paths, model, output_dir, max_sigma=None):
    """Maps each photograph; a bad one costs one line and no other its map.

    Args:
        paths: Files and folders of pictures.
        model: A public model, see weights.load_model.
        output_dir: Where the maps go.
        max_sigma: See write_maps.

    Returns:
        (written, failed): paths of the maps; one line per failure.
    """
    from dmenet_tf import estimation
    found = [file for path in paths for file in images.find_images(path)]
    failed = [f'{path}: a folder without pictures.' for path in paths
              if not images.find_images(path)]
    stems, refused = output_stems(found)
    failed += refused.values()
    for line in failed:
        files.complain(line)
    written = []
    for path, stem in files.progress(stems.items(), unit='photo'):
        try:
            sigma = estimation.estimate(images.read_image(path), model)
            written += write_maps(sigma, output_dir, stem, max_sigma)
        except (ValueError, OSError) as error:
            failed.append(str(error))
            files.complain(error)
    return written, failed


def main(argv):
    paths = [pathlib.Path(argument) for argument in argv[1:]]
    if not paths:
        raise app.UsageError('Name at least one photograph or folder.')
    from dmenet_tf import weights  # TensorFlow takes seconds: --help must not.
    try:
        model = weights.load_model(_MODEL.value)
    except (ValueError, OSError) as error:
        sys.exit(f'error: {error}')
    output_dir = pathlib.Path(_OUTPUT_DIR.value)
    written, failed = map_photographs(paths, model, output_dir,
                                      _MAX_SIGMA.value)
    count = len(written) // 2
    print(f'{count} photograph{"" if count == 1 else "s"} mapped into '
          f'{output_dir}' + (f', {len(failed)} failed.' if failed else '.'))
    sys.exit(1 if failed else 0)


if __name__ == '__main__':
    app.run(main)
