"""Any photograph in, RGB out; and which files a folder holds."""

import contextlib
import io
import pathlib
from collections.abc import Collection

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image, ImageCms, ImageOps, UnidentifiedImageError

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


def read_image(path: str | pathlib.Path) -> np.ndarray:
    """Reads one photograph as RGB, upright, in sRGB.

    Grey, palette, RGBA (alpha is dropped), CMYK and 16-bit files are
    converted; EXIF orientation is applied; of an animation the first frame
    is taken.

    Args:
        path: A file.

    Returns:
        [h, w, 3] in [0, 255]: uint8, or float32 for files of 16 bits.

    Raises:
        FileNotFoundError, ValueError, OSError: One line that names the file
            and the reason.
    """
    path = pathlib.Path(path)
    if path.is_dir():
        raise IsADirectoryError(f'{path}: is a folder, not a picture.')
    try:
        with Image.open(path) as picture:
            if is_deep_png(path):
                return _sixteen_bits(picture, read_deep_png(path))
            return _to_rgb(picture)
    except FileNotFoundError:
        raise FileNotFoundError(f'{path}: no such file.') from None
    except PermissionError:
        raise PermissionError(f'{path}: not readable (permission).') from None
    except UnidentifiedImageError:
        raise ValueError(f'{path}: {_what_it_is(path)}.') from None
    except Image.DecompressionBombError as error:
        raise ValueError(f'{path}: {error}') from None
    except Exception as error:  # Whatever a decoder throws at a damaged file.
        raise ValueError(
            f'{path}: damaged picture: {one_line(error)}.') from error


def one_line(error: BaseException) -> str:
    """What an error says, in one line; its type if it says nothing."""
    return ' '.join(str(error).split()).rstrip('.') or type(error).__name__


def is_deep_png(path: str | pathlib.Path) -> bool:
    """Whether a file is a PNG of 16 bits in several channels.

    Pillow, and imageio through it, keep the high bytes of those alone.
    """
    with open(path, 'rb') as file:
        head = file.read(26)
    # Byte 24 of the header is the depth, byte 25 the colour type (2: RGB, 4:
    # grey and alpha, 6: RGBA).
    return (head[:8] == b'\x89PNG\r\n\x1a\n' and len(head) == 26
            and head[24] == 16 and head[25] in (2, 4, 6))


def read_deep_png(path: str | pathlib.Path) -> npt.NDArray[np.uint16]:
    """Reads the codes of a PNG of which is_deep_png is true, [h, w, c].

    Raises:
        ValueError: It is damaged.
    """
    import imagecodecs
    try:
        return imagecodecs.png_decode(pathlib.Path(path).read_bytes())
    except RuntimeError as error:
        raise ValueError(f'{path}: damaged PNG: {one_line(error)}.') from error


def _sixteen_bits(picture, codes):
    """Codes of a deep PNG -> RGB in sRGB, upright, float32 in [0, 255]."""
    import imagecodecs
    codes = codes[..., [0, 0, 0]] if codes.shape[-1] == 2 else codes[..., :3]
    codes = np.ascontiguousarray(codes)
    profile = picture.info.get('icc_profile')
    if profile:
        # A broken or misfitting profile: the plain values are used.
        with contextlib.suppress(RuntimeError):
            codes = imagecodecs.cms_transform(
                codes, profile, imagecodecs.cms_profile('srgb'),
                colorspace='rgb', outcolorspace='rgb')
    orientation = picture.getexif().get(ExifTags.Base.Orientation, 1)
    return _upright(codes, orientation).astype(np.float32) / np.float32(257)


def _upright(array, orientation):
    """Turns [h, w, ...] as EXIF orientation 1 to 8 says."""
    if orientation in (5, 6, 7, 8):
        array = np.swapaxes(array, 0, 1)
    if orientation in (2, 3, 6, 7):
        array = array[:, ::-1]
    if orientation in (3, 4, 7, 8):
        array = array[::-1]
    return array


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


def find_images(path: str | pathlib.Path, recursive: bool = False,
                suffixes: Collection[str] = SUFFIXES) -> list[pathlib.Path]:
    """Files that a path stands for: itself, or a folder's pictures, sorted.

    Names that begin with a dot are left out, and what lies in such folders:
    they are not the user's (`._photo.jpg` of macOS, what was half-written).

    Args:
        path: Of a file or folder.
        recursive: Whether to look into folders of folders.
        suffixes: Lower case; what counts as a picture.
    """
    path = pathlib.Path(path)
    if not path.is_dir():
        return [path]
    return sorted(
        file for file in path.glob('**/*' if recursive else '*')
        if file.suffix.lower() in suffixes and file.is_file()
        and not any(part.startswith('.')
                    for part in file.relative_to(path).parts))


def images_by_stem(folder: str | pathlib.Path) -> dict[str, pathlib.Path]:
    """The pictures of a folder by their names without suffix.

    Raises:
        FileNotFoundError: There is no such folder, or it has no pictures.
        ValueError: Two pictures have one name; both are named.
    """
    folder = pathlib.Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f'{folder}: no such folder.')
    found = {}
    for path in find_images(folder):
        other = found.setdefault(path.stem, path)
        if other != path:
            raise ValueError(f'{other} and {path.name} have the same name; '
                             'remove or rename one of them.')
    if not found:
        raise FileNotFoundError(f'{folder}: has no pictures.')
    return found
