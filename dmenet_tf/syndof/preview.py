"""A contact sheet: is near near, and is blur where it should be?"""

import pathlib
from collections.abc import Sequence

import numpy as np

from dmenet_tf import files, optics
from dmenet_tf.syndof import capture, generate, pairs

_COLUMNS = ('image', 'depth (m): bright is near', 'focal plane (coc < 1 px)',
            'defocused', 'sigma (px)')


def write_preview(path: str | pathlib.Path, recipe: generate.Recipe,
                  chosen: Sequence[pairs.Pair | None]) -> None:
    """Writes a picture with one row a scene.

    Args:
        path: .png file.
        recipe: generate.Recipe.
        chosen: List of pairs.Pair, or of None for procedural scenes; row i is
            photographed as image i of the recipe would be.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    figure = Figure(figsize=(20, 3.2 * len(chosen)), layout='constrained')
    axes = figure.subplots(len(chosen), len(_COLUMNS), squeeze=False)
    for index, pair in enumerate(chosen):
        _fill_row(figure, axes[index], recipe, index, pair)
    for ax, title in zip(axes[0], _COLUMNS, strict=True):
        ax.set_title(f'{title}\n{ax.get_title()}', fontsize=9)
    with files.atomic_path(path) as temporary:
        FigureCanvasAgg(figure).print_png(str(temporary))


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
    axes[0].set_ylabel(pair.name[-40:] if pair else generate.PROCEDURAL,
                       fontsize=8)
    axes[3].set_title(f"S1 {settings['S1']:.3g} m, alpha "
                      f"{settings['alpha']:.3g} px, "
                      f"{settings['layers']} layers", fontsize=8)
    for ax in axes:
        ax.set_xticks([])
        ax.set_yticks([])


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
