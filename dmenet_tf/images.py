"""Any photograph in, RGB out; maps out as arrays and pictures."""

import io
import pathlib

import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

# What a folder is searched for, lower case.
SUFFIXES = ('.jpg', '.jpeg', '.png', '.tif', '.tiff', '.webp', '.bmp', '.gif')
_SIXTEEN_BIT_MODES = ('I', 'I;16', 'I;16B', 'I;16L', 'I;16N')


def read_image(path):
    """Reads one photograph as RGB, upright, in sRGB.

    Grey, palette, RGBA (alpha is dropped), CMYK and 16-bit files are
    converted; EXIF orientation is applied; of an animation the first frame
    is taken.

    Args:
        path: A file.

    Returns:
        [h, w, 3] in [0, 255]: uint8, or float32 for 16-bit grey files.

    Raises:
        ValueError, OSError: One line that names the file and the reason.
    """
    path = pathlib.Path(path)
    if path.is_dir():
        raise IsADirectoryError(f'{path}: is a folder, not a picture.')
    try:
        with Image.open(path) as picture:
            return _to_rgb(picture)
    except FileNotFoundError:
        raise FileNotFoundError(f'{path}: no such file.') from None
    except PermissionError:
        raise PermissionError(f'{path}: not readable (permission).') from None
    except UnidentifiedImageError:
        raise ValueError(f'{path}: {_what_it_is(path)}.') from None
    except Image.DecompressionBombError as error:
        raise ValueError(f'{path}: {error}') from None
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        # Pillow's word for a file that ends too early or lies about itself.
        raise ValueError(f'{path}: damaged picture: {error}.') from error


def _what_it_is(path):
    if path.stat().st_size == 0:
        return 'the file is empty'
    return 'not a picture in a format that can be read here'


def _to_rgb(picture):
    picture.load()
    picture = ImageOps.exif_transpose(picture)
    if picture.mode in _SIXTEEN_BIT_MODES:
        grey = np.asarray(picture, dtype=np.float32) / 257.0  # 65535 -> 255
        return np.repeat(np.clip(grey, 0, 255)[..., None], 3, axis=-1)
    if picture.mode == 'F':
        raise ValueError('floating-point pictures have no defined range')
    return np.asarray(_to_srgb(picture), dtype=np.uint8)


def _to_srgb(picture):
    """Converts by the embedded ICC profile, or plainly without a usable one."""
    profile = picture.info.get('icc_profile')
    if picture.mode in ('P', 'PA', 'LA', 'La', 'RGBa', '1'):
        picture = picture.convert('RGBA' if 'P' in picture.mode else 'RGB')
    if profile and picture.mode in ('RGB', 'RGBA', 'CMYK', 'L'):
        try:
            embedded = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            if picture.mode == 'RGBA':
                picture = picture.convert('RGB')
            return ImageCms.profileToProfile(
                picture, embedded, ImageCms.createProfile('sRGB'),
                outputMode='RGB')
        except (ImageCms.PyCMSError, OSError):
            pass  # A broken or misfitting profile: the plain values are used.
    return picture.convert('RGB')


def find_images(path):
    """Files that a path stands for: itself, or a folder's pictures, sorted."""
    path = pathlib.Path(path)
    if not path.is_dir():
        return [path]
    return sorted(file for file in path.iterdir()
                  if file.suffix.lower() in SUFFIXES and file.is_file())


def color_sigma(sigma, max_sigma):
    """Colours a map: 0 dark violet, max_sigma and above yellow.

    Args:
        sigma: [h, w] px.
        max_sigma: px, > 0.

    Returns:
        uint8 [h, w, 3], perceptually uniform ('viridis').
    """
    import matplotlib
    colors = matplotlib.colormaps['viridis'](np.arange(256) / 255.0)[:, :3]
    table = np.round(colors * 255).astype(np.uint8)
    codes = np.clip(sigma / max_sigma * 255 + 0.5, 0, 255).astype(np.uint8)
    return table[codes]


def with_color_bar(picture, max_sigma):
    """Adds a bar with ticks in px at the right of a picture of color_sigma.

    Args:
        picture: uint8 [h, w, 3]; its pixels stay as they are.
        max_sigma: px at the bar's upper end.

    Returns:
        uint8 [max(h, 200), w + bar, 3]; below a lower picture it is white.
    """
    height = max(len(picture), 200)
    bar = _color_bar(height, max_sigma)
    white = np.full((height - len(picture), picture.shape[1], 3), 255,
                    np.uint8)
    return np.hstack([np.vstack([picture, white]), bar])


def _color_bar(height, max_sigma):
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize
    from matplotlib.figure import Figure
    scale = max(height / 600, 0.75)  # Text grows with the picture.
    width = round(85 * scale)
    figure = Figure(figsize=(width / 100, height / 100), dpi=100)
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_axes([0.15, 0.04, 0.2, 0.92])
    bar = figure.colorbar(
        ScalarMappable(Normalize(0, max_sigma), 'viridis'), cax=axes)
    bar.set_label('sigma (px)', size=10 * scale)
    bar.ax.tick_params(labelsize=9 * scale)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3]
