"""What a camera does around the blur: linear light, highlights, noise, JPEG.

None of it is in the paper, whose images are blurred as stored; each brings
renders nearer to photographs. Blur happens in light, before the sRGB curve;
noise and compression come after, and no lens blurs them.
"""

import io

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage

KNEE = 0.95  # of [0, 1], as stored; above it a pixel may be clipped
WINDOW = 65  # px, of what is around a spot


def develop_rng(seed: int, index: int) -> np.random.Generator:
    """The random numbers of the kernel, noise and quality of image `index`."""
    return np.random.default_rng([seed, index, 2])


def linear_from_srgb(image: npt.ArrayLike) -> npt.NDArray[np.float32]:
    """Stored values -> light, both in [0, 1]. [IEC 61966-2-1]"""
    image = np.asarray(image, np.float32)
    return np.where(image <= 0.04045, image / 12.92,
                    ((image + 0.055) / 1.055) ** 2.4).astype(np.float32)


def srgb_from_linear(light: npt.ArrayLike) -> npt.NDArray[np.float32]:
    """Light -> stored values; the inverse."""
    light = np.clip(np.asarray(light, np.float32), 0, 1)
    return np.where(light <= 0.0031308, light * 12.92,
                    1.055 * light ** (1 / 2.4) - 0.055).astype(np.float32)


def lift_highlights(light: np.ndarray, image: np.ndarray, stops: float
                    ) -> npt.NDArray[np.float32]:
    """Gives clipped spots a radiance beyond white.

    A defocused lamp is a disc because it is far brighter than white, which a
    sharp picture cannot tell. How much is clipped goes from nothing at KNEE to
    all at 1 in the brightest channel [Eilertsen 2017, "HDR image reconstruction
    from a single exposure", Section 3]. A lamp or a reflection is small amid
    what is darker; sky, paper and the threads of a white cloth are hardly
    brighter than white. So the gain over 1 falls with (1 - m)^4, where m is
    the mean light in a square of WINDOW px.

    Args:
        light: [h, w, 3], linear.
        image: [h, w, 3], the same as stored, [0, 1].
        stops: log2 of the gain of a spot in the dark.

    Returns:
        [h, w, 3], float32, not clipped.
    """
    clipped = np.clip((image.max(-1) - KNEE) / (1 - KNEE), 0, 1)
    around = ndimage.uniform_filter(light.max(-1).astype(np.float64), WINDOW)
    share = (1 - np.clip(around, 0, 1))**4
    gain = 1 + (2.0**stops - 1) * share * clipped
    return (light * gain[..., None]).astype(np.float32)


def add_noise(image: np.ndarray, deviation: float,
              rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Adds sensor noise: half of its variance constant, half as the signal.

    Args:
        image: [h, w, 3] in [0, 1], light or stored values.
        deviation: Of the noise where image = 1, in codes of 255.
        rng: np.random.Generator.

    Returns:
        [h, w, 3], float32, not clipped.
    """
    spread = deviation / 255 * np.sqrt(0.5 + 0.5 * np.clip(image, 0, 1))
    noise = rng.standard_normal(image.shape, np.float32)
    return (image + spread * noise).astype(np.float32)


def to_bytes(image: np.ndarray) -> npt.NDArray[np.uint8]:
    """[0, 1] -> uint8, to the nearest code."""
    return np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)


def through_jpeg(picture: npt.NDArray[np.uint8],
                 quality: int) -> npt.NDArray[np.uint8]:
    """What a JPEG file of this quality keeps of a uint8 RGB picture."""
    with io.BytesIO() as file:
        Image.fromarray(picture).save(file, 'JPEG', quality=int(quality))
        file.seek(0)
        with Image.open(file) as image:
            return np.asarray(image.convert('RGB'))
