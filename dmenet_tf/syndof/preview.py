"""A contact sheet: is near near, and is blur where it should be?"""

import pathlib
from collections.abc import Sequence

import numpy as np

from dmenet_tf import files, optics
from dmenet_tf.syndof import (
    cameras,
    capture,
    check,
    generate,
    outputs,
    pairs,
)

_COLUMNS = ('image', 'depth (m): bright is near', 'focal plane (coc < 1 px)',
            'defocused', 'sigma (px)')
_OF_PHOTOGRAPHS = ('photograph', 'depth (m): bright is near', 'sigma (px)',
                   'sigma where it counts')


def write_preview(path: str | pathlib.Path, recipe: generate.Recipe,
                  chosen: Sequence[pairs.Pair | None]) -> None:
    """Writes a picture with one row a scene.

    Args:
        path: .png file.
        recipe: generate.Recipe.
        chosen: List of pairs.Pair, or of None for procedural scenes; row i is
            photographed as image i of the recipe would be.
    """
    def fill_row(figure, axes, index):
        _fill_row(figure, axes, recipe, index, chosen[index])
    _write(path, _COLUMNS, len(chosen), fill_row)


def write_photographs(path: str | pathlib.Path, chosen: Sequence[pairs.Pair],
                      taken: Sequence[cameras.Camera]) -> None:
    """Writes a picture with one row a photograph.

    Args:
        path: .png file.
        chosen: Pairs of a photograph and its depth.
        taken: The camera of each.
    """
    def fill_row(figure, axes, index):
        _fill_photograph(figure, axes, chosen[index], taken[index])
    _write(path, _OF_PHOTOGRAPHS, len(chosen), fill_row)


def _write(path, columns, count, fill_row):
    """A sheet of `count` rows, each made by fill_row(figure, axes, index)."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    figure = Figure(figsize=(4 * len(columns), 3.2 * count),
                    layout='constrained')
    axes = figure.subplots(count, len(columns), squeeze=False)
    for index in range(count):
        fill_row(figure, axes[index], index)
        for ax in axes[index]:
            ax.set_xticks([])
            ax.set_yticks([])
    for ax, title in zip(axes[0], columns, strict=True):
        ax.set_title(f'{title}\n{ax.get_title()}', fontsize=9)
    with files.atomic_path(path) as temporary:
        FigureCanvasAgg(figure).print_png(str(temporary))


def _fill_photograph(figure, axes, pair, camera):
    scene = check.read_scene(pair)
    depth_m = cameras.moved(scene.depth_m, camera)
    sigma, valid = cameras.label(scene.depth_m, camera)
    axes[0].imshow(scene.image)
    shown = axes[1].imshow(1 / depth_m, cmap='magma')
    _depth_bar(figure, axes[1], shown, depth_m[~np.isnan(depth_m)])
    for ax, values in zip(axes[2:], (sigma, np.where(valid, sigma, np.nan)),
                          strict=True):
        shown = ax.imshow(values, cmap='viridis', vmin=0,
                          vmax=max(1.0, float(sigma[valid].max(initial=0))))
    figure.colorbar(shown, ax=axes[3])
    axes[0].set_ylabel(pair.name[-40:], fontsize=8)
    axes[2].set_title(f'focus {camera.focus_m:.3g} m, factor '
                      f'{camera.coc_factor_px:.3g} px', fontsize=8)


def _fill_row(figure, axes, recipe, index, pair):
    image, depth_m = generate.load_scene(recipe, index, pair)
    shot = generate.capture_scene(recipe, index, depth_m)
    picture, _ = generate.photograph(image, shot, recipe, index)
    sigma = shot.sigma[shot.layer]
    axes[0].imshow(image)
    # 1 / depth: equal steps of blur are equal steps of colour.
    shown = axes[1].imshow(1 / depth_m, cmap='magma')
    _depth_bar(figure, axes[1], shown, depth_m)
    axes[2].imshow(_marked(image, sigma))
    axes[3].imshow(picture)
    shown = axes[4].imshow(sigma, cmap='viridis', vmin=0,
                           vmax=optics.sigma_from_coc(recipe.max_coc))
    figure.colorbar(shown, ax=axes[4])
    settings = shot.settings
    axes[0].set_ylabel(pair.name[-40:] if pair else outputs.PROCEDURAL,
                       fontsize=8)
    axes[3].set_title(f"S1 {settings['S1']:.3g} m, alpha "
                      f"{settings['alpha']:.3g} px, "
                      f"{settings['layers']} layers", fontsize=8)


def _depth_bar(figure, ax, shown, depth_m):
    near, far = float(depth_m.min()), float(depth_m.max())
    bar = figure.colorbar(shown, ax=ax)
    places = np.linspace(1 / far, 1 / near, 5)
    bar.set_ticks(places, labels=[f'{1 / place:.3g}' for place in places])


def _marked(image, sigma):
    """The image with all that is out of focus faded."""
    sharp = optics.coc_from_sigma(sigma) < capture.SHARP_COC
    grey = 0.75 + 0.15 * image.mean(-1, keepdims=True)
    return np.where(sharp[..., None], image * [1.0, 0.6, 0.6], grey)
