"""Any photograph in, RGB out; and which files a folder holds."""

import io
import os
import pathlib
from collections.abc import Collection

import numpy as np
from absl import logging
from PIL import ExifTags, Image, ImageCms, UnidentifiedImageError

from dmenet_tf import deep_images, raw_files

try:
    import pillow_heif
    pillow_heif.register_heif_opener()
except ImportError:  # An extra; _what_it_is says so where it is missed.
    pillow_heif = None

_HEIC = frozenset({'.heic', '.heif', '.hif'})
_AVIF = frozenset({'.avif', '.avifs'})  # Pillow's from 11.3 on.
# What Pillow calls a picture and is none: numbers, films, programs, and what
# it knows the name of only.
_NO_PICTURES = frozenset({'BUFR', 'EPS', 'FITS', 'FLI', 'GRIB', 'HDF5', 'IPTC',
                          'MPEG', 'WMF'})
_DRAWINGS = ('EPS', 'WMF')


def _suffixes():
    Image.init()
    return frozenset(
        suffix for suffix, kind in Image.registered_extensions().items()
        if kind in Image.OPEN and kind not in _NO_PICTURES
        and suffix != '.pfm') | _HEIC | _AVIF | {'.mpo'} | (
            raw_files.SUFFIXES if raw_files.installed() else set())


# What a folder is searched for, lower case.
SUFFIXES = _suffixes()
# 8 bits, or grey of 16: what the formats of these modes mean by white.
_WHITE = {'I;16': 65535, 'I;16B': 65535, 'I;16L': 65535, 'I;16N': 65535}
# Of 255. A float picture that ends at 1 might as well be one in [0, 1]
# (arrays.check_image); this is above what a picture in [0, 1] may end at.
_NEARLY_BLACK = 1.5
# Of EXIF's first part, what tells of the photograph.
_KEPT = (ExifTags.Base.ImageDescription, ExifTags.Base.Make,
         ExifTags.Base.Model, ExifTags.Base.DateTime, ExifTags.Base.Artist,
         ExifTags.Base.Copyright)
# HDR of AVIF and HEIF: transfer characteristics of ITU-T H.273.
_HDR = {16: 'PQ', 18: 'HLG'}


def read_image(path: str | pathlib.Path,
               value_range: tuple[float, float] | None = None,
               page: int = 0, develop: bool = False) -> np.ndarray:
    """Reads one photograph as RGB, upright, in sRGB.

    Grey, palette, RGBA (alpha is dropped), CMYK and files of 10 to 16 bits
    are converted; EXIF orientation is applied.

    Args:
        path: A file.
        value_range: (low, high), the codes of black and white, for files
            whose type has no range of its own (floats, integers of 32 bits
            or with a sign) or that do not say how many bits they use. It
            changes no picture of 8 bits.
        page: Of an animation, or of a TIFF of several pictures, which one, 0
            being the first; see pages.
        develop: Of a raw file, read what the sensor measured in place of the
            preview that the camera made of it; see raw_files.

    Returns:
        [h, w, 3] in [0, 255]: uint8, or float32 for files of more bits. What
        is nearly black, nowhere above 1.5, is uint8 always, so that its range
        is clear.

    Raises:
        FileNotFoundError, ValueError, OSError: One line that names the file
            and the reason.
    """
    return _checked(pathlib.Path(path), value_range, False, page, develop)[0]


def read_in_own_colors(path: str | pathlib.Path,
                       value_range: tuple[float, float] | None = None,
                       develop: bool = False
                       ) -> tuple[np.ndarray, bytes | None]:
    """read_image, without conversion to sRGB where the file is RGB itself.

    So nothing is lost of what a profile has beyond sRGB.

    Args:
        path, value_range, develop: As of read_image.

    Returns:
        [h, w, 3] as of read_image; the ICC profile that it is in, None for
        sRGB.

    Raises:
        FileNotFoundError, ValueError, OSError: As read_image.
    """
    return _checked(pathlib.Path(path), value_range, True, 0, develop)


def read_exif(path: str | pathlib.Path) -> Image.Exif:
    """What EXIF says of a photograph that is upright now, and processed.

    Camera, lens, time, place, author: not how the file is stored, which way
    it is turned, or its small picture.

    Args:
        path: Of the photograph.

    Returns:
        Exif; empty where there is none, or a malformed one.
    """
    kept = Image.Exif()
    try:
        with Image.open(path) as picture:
            found = picture.getexif()
            kept.update({tag: found[tag] for tag in _KEPT if tag in found})
            for part in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo):
                if found.get_ifd(part):
                    kept.get_ifd(part).update(found.get_ifd(part))
                    kept[part] = kept.get_ifd(part)
        kept.tobytes()  # What cannot be written is malformed, too.
    except Exception:  # Pillow does not know the file, or its EXIF is odd.
        return Image.Exif()
    return kept


def _checked(path, value_range, own, page, develop):
    """(image, ICC profile), or one line that says what is wrong."""
    if path.is_dir():
        raise IsADirectoryError(f'{path}: is a folder, not a picture.')
    try:
        if path.suffix.lower() in raw_files.SUFFIXES:
            return _read_raw(path, value_range, own, develop)
        return _read(path, value_range, own, page)
    except FileNotFoundError:
        raise FileNotFoundError(f'{path}: no such file.') from None
    except PermissionError:
        raise PermissionError(f'{path}: not readable (permission).') from None
    except MemoryError:
        raise ValueError(f'{path}: takes more memory than there is.') from None
    except UnidentifiedImageError:
        raise ValueError(f'{path}: {_what_it_is(path)}.') from None
    except (Image.DecompressionBombError, deep_images.NoPicture) as error:
        raise ValueError(f'{path}: {one_line(error)}.') from None
    except Exception as error:  # Whatever a decoder throws at a damaged file.
        raise ValueError(
            f'{path}: damaged picture: {one_line(error)}.') from error


def pages(path: str | pathlib.Path) -> list[int]:
    """The pages of a file with pictures of their own; [0] of a damaged one."""
    try:
        if deep_images.is_tiff(path):
            return deep_images.pages(path)
        with Image.open(path) as picture:
            return list(range(getattr(picture, 'n_frames', 1)))
    except Exception:  # read_image will say why.
        return [0]


def _read(path, value_range, own, page):
    deep = None
    if deep_images.is_tiff(path):
        deep = deep_images.read_tiff(path, value_range is None, page)
    deep_images.check_png(path)
    if deep is None:
        with Image.open(path) as picture:
            if page:
                picture.seek(page)
            if picture.format in _DRAWINGS:
                raise deep_images.NoPicture(
                    f'a drawing ({picture.format}), no photograph')
            if deep_images.is_deep_png(path):
                deep = _of_deep_png(picture, path)
            elif picture.mode in ('I', 'F') or picture.mode in _WHITE:
                deep = _of_grey(picture)
            else:
                return _of_eight_bits(picture, path, own)
    return _of_deep(deep, value_range, own)


def _read_raw(path, value_range, own, develop):
    found = raw_files.read(path, develop)
    if isinstance(found, Image.Image):
        return _of_eight_bits(found, path, own)
    return _of_deep(deep_images.Picture(found, 65535), value_range, own)


def _of_deep(deep, value_range, own):
    profile = _own_profile(deep.profile, deep.codes.ndim == 3) if own else None
    image = _to_rgb(deep, value_range, profile is None)
    return _upright(image, deep.orientation), profile


def _own_profile(profile, colored):
    """The profile, if it is one of RGB and the picture is in colour."""
    rgb = colored and profile and profile[16:20] == b'RGB '
    return profile if rgb else None


def one_line(error: BaseException) -> str:
    """What an error says, in one line; its type if it says nothing."""
    return ' '.join(str(error).split()).rstrip('.') or type(error).__name__


def _of_deep_png(picture, path):
    codes = deep_images.read_deep_png(path)
    codes = codes[..., 0] if codes.shape[-1] == 2 else codes[..., :3]
    return deep_images.Picture(codes, 65535, _orientation(picture),
                               picture.info.get('icc_profile'))


def _of_grey(picture):
    """A picture of one channel of more than 8 bits."""
    white = _WHITE.get(picture.mode)
    if picture.mode == 'I' and picture.format in ('PNG', 'PPM'):
        white = 65535  # Pillow's way to hold 16 bits of these.
    return deep_images.Picture(np.asarray(picture), white,
                               _orientation(picture))


def _to_rgb(deep, value_range, srgb):
    """deep_images.Picture -> RGB, float32 in [0, 255]."""
    codes = np.ascontiguousarray(deep.codes)
    if value_range is None and deep.white is None:
        raise deep_images.NoPicture(
            f'{codes.dtype} codes have no defined range; pass '
            '--range=LOW,HIGH, the codes of black and white')
    if (srgb and deep.profile and codes.dtype == np.uint16
            and codes.ndim == 3):
        codes = _profile_to_srgb(codes, deep.profile)
    if codes.ndim == 2:
        codes = np.repeat(codes[..., None], 3, axis=-1)
    black, white = (value_range if value_range and codes.dtype != np.uint8
                    else (0, deep.white))
    return _scaled(codes, (white, black) if deep.inverted else (black, white))


def _scaled(codes, ends):
    """By the codes of black and of white."""
    black, white = ends
    values = (codes.astype(np.float32) - black) * np.float32(
        255 / (white - black))
    if not np.isfinite(values).all():
        raise deep_images.NoPicture('some of its pixels are not finite')
    values = np.clip(values, 0, 255)
    if values.max() < _NEARLY_BLACK:
        return np.rint(values).astype(np.uint8)
    return values


def _profile_to_srgb(codes, profile):
    """uint16 RGB by an ICC profile; as it is where the profile is broken."""
    import imagecodecs
    try:
        return imagecodecs.cms_transform(
            codes, profile, imagecodecs.cms_profile('srgb'), colorspace='rgb',
            outcolorspace='rgb')
    except RuntimeError:
        return codes


def _orientation(picture):
    """EXIF's, 1 to 8; nothing else of EXIF is looked at, for it may be odd."""
    try:
        found = picture.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # A malformed block; the picture is not.
        return 1
    return found if found in range(1, 9) else 1


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
    if path.suffix.lower() in _AVIF and 'AVIF' not in Image.OPEN:
        return ('AVIF needs Pillow 11.3 or newer: pip install --upgrade '
                'pillow')
    return 'not a picture in a format that can be read here'


def _of_eight_bits(picture, path, own):
    """uint8 RGB of what Pillow reads without loss, and its ICC profile."""
    # First: of TIFF Pillow then turns the picture and drops the tag; and what
    # getexif() has failed to load, the next call takes for loaded.
    picture.load()
    orientation = _orientation(picture)
    if picture.format in ('AVIF', 'HEIF'):
        _warn_of_hdr(path)
    profile = _own_profile(picture.info.get('icc_profile'),
                           picture.mode in ('RGB', 'RGBA')) if own else None
    rgb = picture.convert('RGB') if profile else _to_srgb(picture)
    return _upright(np.asarray(rgb, np.uint8), orientation), profile


def _warn_of_hdr(path):
    with open(path, 'rb') as file:
        head = file.read(1 << 16)
    place = head.find(b'colrnclx')
    if place >= 0:
        kind = _HDR.get(int.from_bytes(head[place + 10:place + 12], 'big'))
        if kind:
            logging.warning('%s: HDR (%s) is read as if it were sRGB; export '
                            'it as an SDR picture for a map to act on.', path,
                            kind)


def _to_srgb(picture):
    """Converts by the embedded ICC profile, or plainly without a usable one."""
    profile = picture.info.get('icc_profile')
    if picture.mode == 'La':
        picture = picture.convert('LA')
    if picture.mode in ('P', 'PA', 'LA', 'RGBa', '1'):
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
    So are raw files beside a picture of the same name.

    Args:
        path: Of a file or folder.
        recursive: Whether to look into folders of folders.
        suffixes: Lower case; what counts as a picture.
    """
    path = pathlib.Path(path)
    if not path.is_dir():
        return [path]
    found = sorted(file for file in _files(path, recursive)
                   if file.suffix.lower() in suffixes)
    return raw_files.without_doubles(found)


def _files(folder, recursive):
    """Visible files; linked folders are followed, each folder once."""
    seen = set()
    for root, folders, names in os.walk(folder, followlinks=True):
        if recursive:
            seen.add(os.path.realpath(root))
        folders[:] = [
            name for name in sorted(folders) if recursive
            and not name.startswith('.')
            and os.path.realpath(os.path.join(root, name)) not in seen]
        for name in names:
            path = pathlib.Path(root, name)
            if not name.startswith('.') and path.is_file():
                yield path


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
