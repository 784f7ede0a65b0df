"""What the tab `Make data` does, without the page: a scene in, files out."""

import functools
import pathlib
import tempfile

import numpy as np
import numpy.typing as npt

from dmenet_tf import jobs, maps, optics
from dmenet_tf.applications import inputs
from dmenet_tf.demo import work
from dmenet_tf.syndof import capture, check, develop, generate, pairs, render

SIDE = 640  # px; renders in a fraction of a second
SHAPES = 'Drawn shapes'
# An image [h, w, 3] in [0, 1] and its depth [h, w], m.
Scene = tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]
_SAMPLES = pathlib.Path(__file__).parents[2] / 'data' / 'samples'


def sample_scenes() -> dict[str, pairs.Pair | None]:
    """RGB-D scenes by name: those of the repository; one that is drawn."""
    folder = _SAMPLES / 'rgbd'
    found = pairs.find_pairs(folder)[0] if folder.is_dir() else []
    return {**{pair.name.capitalize(): pair for pair in found}, SHAPES: None}


@functools.lru_cache(maxsize=4)
def load_scene(pair: pairs.Pair | None = None,
               max_pixels: int | None = None) -> Scene:
    """A scene small enough to be rendered while a slider moves.

    Args:
        pair: pairs.Pair, or None for drawn shapes.
        max_pixels: The largest image taken, or None.

    Returns:
        image [h, w, 3] in [0, 1]; depth [h, w], m.

    Raises:
        ValueError: One line that says what is wrong with the files.
    """
    if pair is None:
        return generate.load_scene(generate.Recipe(max_size=SIDE), 0)
    for path in map(pathlib.Path, (pair.image, pair.depth)):
        work.check_pixels(path, max_pixels)
    try:
        return generate.shrink(*check.read_pair(pair), SIDE)
    except (ValueError, OSError) as error:
        names = {path: pathlib.Path(path).name
                 for path in (pair.image, pair.depth)}
        problem = str(error)
        for path, name in names.items():
            problem = problem.replace(path, name)
        raise ValueError(problem) from None


def defocus_scene(scene: Scene, focus_m: float, max_sigma: float
                  ) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
    """Photographs a scene.

    Args:
        scene: Of load_scene.
        focus_m: S1, m, within the scene.
        max_sigma: px, of what is blurred most: the aperture.

    Returns:
        picture, uint8 [h, w, 3]; sigma [h, w], px, exact.
    """
    image, depth_m = scene
    layer, depths = capture.depth_layers(depth_m)
    focus_m = np.clip(focus_m, depths.min(), depths.max())
    alpha = optics.alpha_upper_bound(
        depths.min(), depths.max(), focus_m, optics.coc_from_sigma(max_sigma))
    sigma = optics.sigma_from_coc(
        optics.circle_of_confusion(depths, focus_m, alpha)).astype(np.float32)
    picture = render.blend_layers(image, layer, sigma)
    return develop.to_bytes(picture), sigma[layer]


def color_scene(sigma: np.ndarray) -> npt.NDArray[np.uint8]:
    """The exact map in colours that stay the same while sliders move."""
    return maps.with_color_bar(maps.color_sigma(sigma, optics.MAX_SIGMA),
                               optics.MAX_SIGMA)


def write_scene(picture: npt.NDArray[np.uint8],
                sigma: npt.NDArray[np.float32],
                folder: pathlib.Path) -> list[str]:
    """Writes image and maps; returns their paths."""
    image = pathlib.Path(tempfile.mkdtemp(dir=folder)) / 'defocused.png'
    inputs.write_picture(picture, image, inputs.Kept())
    job = jobs.Job(image, image.with_suffix(''))
    kinds = ('npy', 'png16', 'color')
    return [str(image), *work.write_sigma(job, sigma, kinds)]
