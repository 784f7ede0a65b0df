"""Procedural scenes: planes and shapes at random depths, for ever.

Dead leaves: a background plane, and in front of it overlapping ellipses,
polygons and bars, sizes by a power law, each slanted and at its own depth.
What is nearer hides what is farther, pixel by pixel, so shapes also cut
through each other. A plane is linear in 1 / depth, as a pinhole sees it.
Textures are crops of photographs, or noise with the 1/f spectrum of photographs
in a random palette, part of it cut into flat regions with sharp edges.
Without shapes the background is a gently uneven surface: one whole photograph,
blurred here more and there less.
"""

import functools
import pathlib

import numpy as np
import numpy.typing as npt
from scipy import fft, ndimage

from dmenet_tf import images
from dmenet_tf.syndof import rgbd

HEIGHT, WIDTH = 480, 640
NEAR_M = 1.0  # the nearest point of every scene
FAR_M = (2.5, 20.0)  # the farthest is drawn from here, uniform in 1 / depth
SHAPES = (20, 90)
UNEVEN = 0.1  # deviation of 1 / depth of a background without shapes
SIZES_PX = (16.0, 240.0)  # radii, density ~ r^-2
MAX_SLANT = 0.6  # change of 1 / depth over the frame, of its whole range
_PALETTES = 4  # textures a scene


def scene_rng(seed: int, index: int) -> np.random.Generator:
    """The random numbers that scene `index` is drawn from."""
    return np.random.default_rng([seed, index, 3])


def draw_scene(rng: np.random.Generator,
               textures: str | pathlib.Path | None = None,
               height: int = HEIGHT, width: int = WIDTH,
               shapes: int = SHAPES[1]
               ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Draws one scene.

    Args:
        rng: np.random.Generator.
        textures: Folder of photographs, or None for noise.
        height, width: px.
        shapes: The most; 0: the background alone, which is then uneven.

    Returns:
        image [h, w, 3], float32 in [0, 1]; depth_m [h, w], float32 > 0.

    Raises:
        ValueError: The folder holds no photograph.
    """
    sheets = [_texture(rng, textures, height, width) for _ in range(_PALETTES)]
    far_inverse = rng.uniform(1 / FAR_M[1], 1 / FAR_M[0])
    span = 1 / NEAR_M - far_inverse
    image = sheets[0].copy()
    # 0 = farthest, 1 = nearest, linear in 1 / depth.
    place = _plane(rng, height, width, 0.0, slant=0.3)
    if not shapes:
        place += UNEVEN * _waves(rng, height, width, 3.0)
    fewest = min(SHAPES[0], shapes)
    for _ in range(int(rng.integers(fewest, shapes, endpoint=True))):
        _draw_shape(rng, image, place, sheets)
    place -= place.min()
    place /= place.max()
    return image, (1 / (far_inverse + span * place)).astype(np.float32)


def _draw_shape(rng, image, place, sheets):
    """Puts one shape into image and place, where it is the nearest."""
    height, width = place.shape
    low, high = SIZES_PX
    radius = 1 / rng.uniform(1 / high, 1 / low)
    y, x = rng.uniform(0, height), rng.uniform(0, width)
    top, bottom = max(int(y - radius), 0), min(int(y + radius) + 1, height)
    left, right = max(int(x - radius), 0), min(int(x + radius) + 1, width)
    box = np.s_[top:bottom, left:right]
    rows, columns = np.mgrid[box]
    inside = _inside(rng, (rows - y) / radius, (columns - x) / radius)
    depth = _plane(rng, height, width, rng.uniform(0.0, 1.0), MAX_SLANT)[box]
    shown = inside & (depth > place[box])
    place[box][shown] = depth[shown]
    image[box][shown] = _patch(rng, sheets, *shown.shape)[shown]


def _inside(rng, v, u):
    """One of three shapes within the unit circle, rotated by any angle."""
    angle = rng.uniform(0, np.pi)
    u, v = (u * np.cos(angle) + v * np.sin(angle),
            v * np.cos(angle) - u * np.sin(angle))
    kind, thin = rng.integers(3), rng.uniform(0.15, 1.0)
    if kind == 0:
        return u**2 + (v / thin) ** 2 < 1
    if kind == 1:
        return (np.abs(u) < 0.95) & (np.abs(v) < 0.3 * thin)
    # A convex polygon: the common side of some lines.
    sides = rng.uniform(0, 2 * np.pi, int(rng.integers(4, 8)))
    reach = rng.uniform(0.4, 0.9, len(sides))
    inside = u**2 + v**2 < 1
    for side, edge in zip(sides, reach, strict=True):
        inside &= u * np.cos(side) + v * np.sin(side) < edge
    return inside


def _plane(rng, height, width, centre, slant):
    """1 / depth of a slanted plane, in units of the scene's range."""
    slope_y, slope_x = rng.uniform(-slant, slant, 2) / 2
    rows = np.linspace(-slope_y, slope_y, height)[:, None]
    return centre + rows + np.linspace(-slope_x, slope_x, width)


def _patch(rng, sheets, height, width):
    """A crop of one of the textures, flipped and tinted by chance."""
    sheet = sheets[int(rng.integers(len(sheets)))]
    y = int(rng.integers(sheet.shape[0] - height + 1))
    x = int(rng.integers(sheet.shape[1] - width + 1))
    patch = sheet[y:y + height, x:x + width][:, ::rng.choice([-1, 1])]
    gain = rng.uniform(0.4, 1.1) * rng.uniform(0.8, 1.2, 3)
    shift = rng.uniform(-0.1, 0.3)
    return np.clip(patch * gain + shift, 0, 1).astype(np.float32)


def _texture(rng, textures, height, width):
    if textures is None:
        return _noise(rng, height, width)
    paths = find_photographs(str(textures))
    photo = _photograph(paths[int(rng.integers(len(paths)))])
    photo = photo[:, ::rng.choice([-1, 1])]
    # Repeated by mirrors where it is smaller than the frame.
    pad = [(0, max(0, height - photo.shape[0])),
           (0, max(0, width - photo.shape[1])), (0, 0)]
    photo = np.pad(photo, pad, mode='symmetric')
    y = int(rng.integers(photo.shape[0] - height + 1))
    x = int(rng.integers(photo.shape[1] - width + 1))
    return photo[y:y + height, x:x + width]


def _noise(rng, height, width):
    """1/f^b noise around a colour; half of them with flat regions.

    Brightness varies most, colours less, as in photographs.
    """
    bright = _waves(rng, height, width)[..., None]
    tint = _waves(rng, height, width)[..., None] * rng.normal(size=3)
    if rng.uniform() < 0.5:
        # Level sets of smooth noise: flat colours, sharp edges.
        smooth = _waves(rng, height, width, 1.8)
        cells = np.floor(smooth * rng.uniform(1.5, 5.0))[..., None]
        tint = 2 * np.sin(cells * rng.uniform(1, 9, 3))
        bright = 0.4 * bright + np.sin(cells * rng.uniform(1, 9))
    colours = (rng.uniform(0.2, 0.8, 3) + rng.uniform(0.06, 0.2) * bright
               + rng.uniform(0.0, 0.06) * tint)
    return np.clip(colours, 0, 1).astype(np.float32)


def _waves(rng, height, width, power=None):
    """Gaussian noise of spectrum 1 / f^power, float32, mean 0, deviation 1."""
    power = rng.uniform(0.7, 1.3) if power is None else power
    frequency = _frequencies(height, width)
    waves = rng.standard_normal((*frequency.shape, 2), np.float32)
    spectrum = waves.view(np.complex64)[..., 0] / frequency**np.float32(power)
    noise = fft.irfft2(spectrum, s=(height, width))
    return noise / noise.std()


@functools.lru_cache(maxsize=2)
def _frequencies(height, width):
    frequency = np.hypot(fft.fftfreq(height)[:, None], fft.rfftfreq(width))
    frequency[0, 0] = np.inf
    return frequency.astype(np.float32)


@functools.cache
def find_photographs(folder: str | pathlib.Path) -> list[pathlib.Path]:
    """The textures of procedural scenes: paths, of this folder and below.

    Raises:
        ValueError: It holds none.
    """
    paths = images.find_images(folder, recursive=True,
                               suffixes=rgbd.IMAGE_SUFFIXES)
    if not paths or not pathlib.Path(folder).is_dir():
        raise ValueError(f'There is no photograph in {folder}.')
    return paths


@functools.lru_cache(maxsize=32)
def _photograph(path):
    """Half as large: a photograph is rarely sharp to the pixel."""
    image = rgbd.read_image(path)
    if min(image.shape[:2]) < 2 * HEIGHT:
        return image
    return ndimage.zoom(ndimage.uniform_filter(image, (2, 2, 0)),
                        (0.5, 0.5, 1), order=1)
