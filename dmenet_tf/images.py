"""Any photograph in, RGB out."""

import io
import pathlib

import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

try:
    import pillow_heif
    pillow_heif.register_heif_opener()
except ImportError:  # An extra; _what_it_is says so where it is missed.
    pillow_heif = None

_HEIC = ('.heic', '.heif')
# What a folder is searched for, lower case.
SUFFIXES = ('.jpg', '.jpeg', '.png', '.tif', '.tiff', '.webp', '.bmp', '.gif',
            *_HEIC)
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
    if path.suffix.lower() in _HEIC and pillow_heif is None:
        return "HEIC needs an extra: pip install 'dmenet_tf[heic]'"
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


def find_images(path, recursive=False):
    """Files that a path stands for: itself, or a folder's pictures, sorted."""
    path = pathlib.Path(path)
    if not path.is_dir():
        return [path]
    return sorted(file for file in path.glob('**/*' if recursive else '*')
                  if file.suffix.lower() in SUFFIXES and file.is_file())
