"""From scenes to a SYNDOF folder: which picture is made, and of what.

Image k depends on the recipe and on k alone, so any number of workers, and
any number of interruptions, gives the same bytes. outputs.py keeps them.
"""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from PIL import Image

from dmenet_tf import files, optics
from dmenet_tf.syndof import (
    apertures,
    capture,
    check,
    develop,
    outputs,
    pairs,
    render,
    scenes,
)
from dmenet_tf.syndof.outputs import PROCEDURAL, Record

if TYPE_CHECKING:  # It takes half a second to import.
    from distributed import Client

KERNELS = (*render.KERNELS, 'mixed', *apertures.SHAPES, 'any')


@dataclasses.dataclass(frozen=True)
class Recipe:
    """All that image k is made from, besides k and the scenes.

    The defaults are the paper's; see develop.py for the rest.

    Attributes:
        seed: Of everything that is drawn.
        sampler: One of capture.SAMPLERS.
        max_coc: c_max, px.
        max_size: Longest side, px; larger scenes are made smaller; 0: none is.
        textures: Folder of photographs for procedural scenes, or None.
        shapes: The most in a procedural scene.
        kernel: One of KERNELS, or a file as apertures.read_stack takes it;
            mixed draws Gaussian or disc for each image, any one of all.
        linear_light: Blur in linear light.
        highlights: Most stops that clipped spots are lifted by; each image
            draws its own from [0, highlights]. Linear light only.
        noise: Largest deviation of the noise, codes of 255; each image draws
            its own from [0, noise].
        jpeg_quality: Each image goes through a JPEG of a quality drawn from
            [jpeg_quality, 100]; 0: none does.
    """

    seed: int = 0
    sampler: str = 'paper'
    max_coc: float = optics.MAX_COC
    max_size: int = 1280
    textures: str | None = None
    shapes: int = scenes.SHAPES[1]
    kernel: str = 'gaussian'
    linear_light: bool = False
    noise: float = 0.0
    jpeg_quality: int = 0
    highlights: float = 0.0


def generate(output_dir: str | pathlib.Path, count: int, recipe: Recipe,
             found: Sequence[pairs.Pair] | None = None,
             client: Client | None = None) -> tuple[list[Record], list[str]]:
    """Makes images 0 to count - 1 of a SYNDOF folder.

    Args:
        output_dir: Folder; what it holds of the same recipe is kept.
        count: Images it shall hold in the end.
        recipe: Recipe.
        found: List of pairs.Pair that check.inspect has no problem with, or
            None for procedural scenes.
        client: From cluster.connect, or None to work in this process.

    Returns:
        The records, in order, and the error lines of images that failed.

    Raises:
        ValueError: The folder holds images of another recipe, or more; or
            there are no textures where the recipe wants some.
    """
    if found is None and recipe.textures:
        scenes.find_photographs(recipe.textures)
    output_dir = pathlib.Path(output_dir).absolute()
    tasks = [(recipe, k, _pair_of(recipe, k, found), str(output_dir))
             for k in range(count)]
    return outputs.fill(output_dir, recipe, found, make_image, tasks, client)


def survey(found: Sequence[pairs.Pair],
           client: Client | None = None) -> list[check.Report]:
    """Inspects all pairs.

    Returns:
        List of check.Report, in the order of `found`.
    """
    reports = {}
    tasks = [(pair,) for pair in found]
    with files.progress(total=len(tasks), unit='scene', desc='Check') as bar:
        for report in outputs.unordered(client, check.inspect, tasks):
            bar.update()
            reports[report.name] = report
    return [reports[pair.name] for pair in found]


def thumbnails(found: Sequence[pairs.Pair], client: Client | None = None
               ) -> list[npt.NDArray[np.float32]]:
    """distinct.thumbnail of each pair, in order."""
    from dmenet_tf.syndof import distinct
    tasks = [(pair,) for pair in found]
    made = dict(outputs.unordered(client, distinct.thumbnail, tasks))
    return [made[pair.name] for pair in found]


def make_image(recipe: Recipe, index: int, pair: pairs.Pair | None,
               output_dir: str) -> Record:
    """Makes image `index`: reads or draws, samples, renders, writes.

    Returns:
        Its record, or {'error': line}.
    """
    try:
        image, depth_m = load_scene(recipe, index, pair)
        shot = capture_scene(recipe, index, depth_m)
        picture, settings = photograph(image, shot, recipe, index)
        record = {'name': f'{index:06d}', 'index': index,
                  'seed': recipe.seed, **_origin(index, pair),
                  'sampler': recipe.sampler, **shot.settings, **settings}
        outputs.write_image(pathlib.Path(output_dir), record, picture,
                    shot.sigma[shot.layer])
    except (OSError, ValueError) as error:
        return {'error': f"image {index} ({_origin(index, pair)['scene']}): "
                         f'{error}'}
    return record


def load_scene(recipe: Recipe, index: int, pair: pairs.Pair | None = None
               ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """The sharp image [h, w, 3] in [0, 1] and its depth [h, w] in metres."""
    if pair is None:
        height, width = _limited(scenes.HEIGHT, scenes.WIDTH, recipe.max_size)
        return scenes.draw_scene(scenes.scene_rng(recipe.seed, index),
                                 recipe.textures, height, width, recipe.shapes)
    return shrink(*check.read_pair(pair), recipe.max_size)


def shrink(image: np.ndarray, depth_m: np.ndarray, max_size: int
           ) -> tuple[np.ndarray, np.ndarray]:
    """Makes a scene fit into max_size px a side (0: no limit).

    The image by area, the depth by the nearest pixel: a mean over a depth
    edge would be a depth that nothing has.
    """
    height, width = _limited(*depth_m.shape, max_size)
    if (height, width) == depth_m.shape:
        return image, depth_m
    picture = Image.fromarray(develop.to_bytes(image)).resize(
        (width, height), Image.Resampling.BOX)
    rows = (np.arange(height) + 0.5) * depth_m.shape[0] / height
    columns = (np.arange(width) + 0.5) * depth_m.shape[1] / width
    return (np.asarray(picture, np.float32) / 255,
            depth_m[np.ix_(rows.astype(int), columns.astype(int))])


def capture_scene(recipe: Recipe, index: int,
                  depth_m: np.ndarray) -> capture.Capture:
    """The camera of image `index`, as capture.Capture."""
    return capture.sample(recipe.sampler, depth_m,
                          capture.capture_rng(recipe.seed, index),
                          recipe.max_coc)


def photograph(image: np.ndarray, shot: capture.Capture, recipe: Recipe,
               index: int) -> tuple[npt.NDArray[np.uint8], Record]:
    """Renders what a capture sees.

    Returns:
        uint8 [h, w, 3], and what was drawn, for the manifest.
    """
    rng = develop.develop_rng(recipe.seed, index)
    # All are always drawn, so that one option does not change another's.
    mixed = str(rng.choice(render.KERNELS))
    noise, quality = recipe.noise * rng.uniform(), rng.uniform()
    lens = apertures.aperture_rng(recipe.seed, index)
    stops = recipe.highlights * lens.uniform()
    kind = str(lens.choice((*render.KERNELS, *apertures.SHAPES)))
    kind = {'mixed': mixed, 'any': kind}.get(recipe.kernel, recipe.kernel)
    kernel, drawn = ((kind, {}) if kind in render.KERNELS
                     else apertures.draw(kind, lens))
    light = develop.linear_from_srgb(image) if recipe.linear_light else image
    if stops:
        light = develop.lift_highlights(light, image, stops)
    light = _blend(light, shot, recipe.sampler, kernel)
    if noise:
        light = develop.add_noise(light, noise, rng)
    if recipe.linear_light:
        light = develop.srgb_from_linear(light)
    picture = develop.to_bytes(light)
    if recipe.jpeg_quality:
        quality = round(recipe.jpeg_quality
                        + (100 - recipe.jpeg_quality) * quality)
        picture = develop.through_jpeg(picture, quality)
    return picture, {'kernel': kind, **drawn,
                     'linear_light': recipe.linear_light,
                     'highlights': stops, 'noise': noise,
                     'jpeg_quality': quality if recipe.jpeg_quality else 0}


def _blend(light, shot, sampler, kernel):
    if sampler == 'official':
        return render.blend_filled(light, shot.layer, shot.sigma, shot.front,
                                   kernel)
    return render.blend_layers(light, shot.layer, shot.sigma, kernel)


def _pair_of(recipe, index, found):
    """A random scene for each image [Lee 2019, Section 3.1]."""
    if found is None:
        return None
    rng = np.random.default_rng([recipe.seed, index, 0])
    return found[int(rng.integers(len(found)))]


def _origin(index, pair):
    if pair is None:
        return {'scene': f'{PROCEDURAL}/{index:06d}', 'source': PROCEDURAL}
    return {'scene': pair.name, 'source': pair.source}


def _limited(height, width, max_size):
    if not max_size or max(height, width) <= max_size:
        return height, width
    ratio = max_size / max(height, width)
    return max(1, round(height * ratio)), max(1, round(width * ratio))
