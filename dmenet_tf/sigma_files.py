"""Every file form of a sigma map and of a blur mask, read and written.

    NAME.npy            float, px
    NAME_sigma.tiff     float32, px
    NAME_sigma.exr      float32, px: the channels of EXR_CHANNELS
    NAME_sigma16.png    uint16, sigma = code / 1000 px, said in its text; also
                        a SYNDOF folder's sigma/NAME.png
    blur_map/NAME.png   the authors': 10 sigma, or 10 (2 sigma + 1)
    mask                two codes, 0 and a larger one; the larger is blurred
    valid/NAME.png      where sigma/NAME.png counts: 0 = left out

This is the only module that knows what a code of a file is worth. A file that
does not say what its numbers are is refused, by its name: a wrong unit would
train or score without any other sign.
"""

import contextlib
import pathlib
import re

import numpy as np
import numpy.typing as npt
import tifffile
from PIL import Image

from dmenet_tf import (
    budgets,
    deep_images,
    exr_files,
    files,
    images,
    made_with,
    optics,
)

CODES_PER_PX = 1000  # of a 16-bit file: sigma = code / 1000 px
MAX_CODE = 65534  # so 65.534 px is the largest sigma of a 16-bit file
LEFT_OUT = 65535  # among labels: this pixel's sigma is not known
# Of an .exr: layer and channel, and how many times sigma it holds.
EXR_CHANNELS = {'defocus.sigma': 1.0,
                'defocus.coc': optics.COC_PER_SIGMA}
_AUTHORS_CODES_PER_PX = 10
# Of the authors' shared files: 10 (2 sigma + 1) = 150 d, see optics.legacy15.
_AUTHORS_CODES_OF_ONE = 150


def codes_from_sigma(sigma: npt.ArrayLike) -> npt.NDArray[np.uint16]:
    """sigma, px -> the codes of a 16-bit file, thousandths of a px.

    Args:
        sigma: px, >= 0; what is above 65.534 px becomes MAX_CODE, NaN
            LEFT_OUT.
    """
    sigma = np.asarray(sigma, np.float64)
    codes = np.clip(np.rint(sigma * CODES_PER_PX), 0, MAX_CODE)
    return np.where(np.isnan(sigma), LEFT_OUT, codes).astype(np.uint16)


def sigma_from_codes(codes: npt.ArrayLike) -> npt.NDArray[np.float32]:
    """The codes of a label -> sigma, px; inverts codes_from_sigma."""
    codes = np.asarray(codes)
    sigma = codes.astype(np.float32) / np.float32(CODES_PER_PX)
    return np.where(codes == LEFT_OUT, np.float32(np.nan), sigma)


def write_npy(path: str | pathlib.Path, sigma: np.ndarray,
              said: str | None = None) -> None:
    """Writes a map as float32 px, [h, w]; whole or not at all.

    Args:
        path: Of the file.
        sigma: [h, w] px.
        said: What it was made with, see made_with.
    """
    with files.atomic_path(path) as temporary:
        files.save_npy(temporary, sigma, said)


def write_tiff(path: str | pathlib.Path, sigma: np.ndarray,
               said: str | None = None) -> None:
    """Writes a map as float32 px, described in its tag; see write_npy."""
    with files.atomic_path(path) as temporary:
        tifffile.imwrite(temporary, sigma, description='sigma, px',
                         metadata={'unit': 'px'}, compression='zlib',
                         predictor=True, software=said)


def write_exr(path: str | pathlib.Path, sigma: np.ndarray,
              said: str | None = None) -> None:
    """Writes a map for compositing programs; see write_npy.

    The layer `defocus` has two channels, float32, px of the photograph:
    `defocus.sigma`, and `defocus.coc`, the diameter of the circle of confusion,
    which is 4 sigma.

    Args:
        path: Of the .exr.
        sigma: [h, w] px.
        said: What it was made with, see made_with.

    Raises:
        ImportError: OpenEXR, of the extra `exr`, is not installed.
    """
    import OpenEXR
    header = {'type': OpenEXR.scanlineimage,
              'compression': OpenEXR.ZIP_COMPRESSION,
              'comments': 'px of the photograph; coc is a diameter',
              **({'software': said} if said else {})}
    channels = {name: np.float32(times) * sigma
                for name, times in EXR_CHANNELS.items()}
    with files.atomic_path(path) as temporary:
        OpenEXR.File(header, channels).write(str(temporary))


def write_png(path: str | pathlib.Path, sigma: np.ndarray,
              compress_level: int = 6, said: str | None = None) -> None:
    """Writes a map as 16-bit codes that say their unit; see write_npy.

    Args:
        path: Of the .png.
        sigma: [h, w] px; above 65.534 px it is cut.
        compress_level: Of zlib.
        said: What it was made with, see made_with.
    """
    info = made_with.png_info(said,
                              sigma=f'sigma in px = code / {CODES_PER_PX}')
    picture = Image.fromarray(codes_from_sigma(sigma))
    with files.atomic_path(path) as temporary:
        picture.save(temporary, pnginfo=info, compress_level=compress_level)


def read_sigma(path: str | pathlib.Path) -> npt.NDArray[np.float32]:
    """Reads a sigma map in any form that this library writes.

    Args:
        path: Float .npy, .tiff or .exr: px. uint16 .png or .tiff: by the unit
            that its text tells, else thousandths of a px.

    Returns:
        [h, w] px, finite, >= 0.

    Raises:
        FileNotFoundError, ValueError: One line that names the file: 8 bits
            and colours have no unit, integers of other sizes neither.
    """
    sigma = sigma_of(path, read_grey(path))
    try:
        check_values(sigma)
    except ValueError as error:
        raise ValueError(f'{path}: {error}') from None
    return sigma


def check_values(sigma: npt.NDArray[np.float32]) -> None:
    """Raises ValueError unless all of a map, in px, is finite and >= 0."""
    bad = ~(sigma >= 0) | ~np.isfinite(sigma)
    if bad.any():
        raise ValueError(
            f'sigma must be finite and not negative; {bad.sum()} pixels are '
            f'not, the first of them {sigma[bad][0]}.')


def sigma_of(path: str | pathlib.Path,
             values: np.ndarray) -> npt.NDArray[np.float32]:
    """What the numbers of a file are worth, px; NaN stays NaN.

    Args:
        path: Of the file.
        values: Of read_grey(path).

    Raises:
        ValueError: One line that names the file: they have no unit.
    """
    if values.dtype.kind == 'f':
        return values.astype(np.float32)
    if values.dtype == np.uint16:
        return values.astype(np.float32) / np.float32(_codes_per_px(path))
    raise ValueError(
        f'{path}: not a sigma map: {values.dtype} codes have no unit. A '
        'sigma map is float px (.npy, .tiff) or 16-bit codes, sigma = '
        f'code / {CODES_PER_PX} px (.png).')


def _codes_per_px(path):
    """What the file itself says of its codes, else CODES_PER_PX."""
    if pathlib.Path(path).suffix.lower() != '.png':
        return CODES_PER_PX
    with Image.open(path) as picture:
        said = re.search(r'code / ([\d.]+)', str(picture.info.get('sigma')))
    return float(said[1]) if said else CODES_PER_PX


def read_authors_label(path: str | pathlib.Path,
                       convention: str) -> npt.NDArray[np.float32]:
    """Reads a blur_map/NAME.png of the authors.

    Their later generator stores 10 sigma (`sigma7`); their shared SYNDOF.zip
    stores 10 (2 sigma + 1), 150 times the map of `legacy15`. Nothing in the
    files says which.

    Args:
        path: 8- or 16-bit PNG.
        convention: 'sigma7' or 'legacy15'.

    Returns:
        sigma [h, w], px.

    Raises:
        FileNotFoundError, ValueError: One line that names the file.
    """
    return sigma_from_authors_codes(read_grey(path), convention)


def sigma_from_authors_codes(codes: npt.ArrayLike,
                             convention: str) -> npt.NDArray[np.float32]:
    """The codes of a blur_map/NAME.png -> sigma, px; see read_authors_label.
    """
    codes = np.asarray(codes, np.float32)
    if convention == 'sigma7':
        return codes / np.float32(_AUTHORS_CODES_PER_PX)
    return optics.sigma_from_defocus(
        codes / np.float32(_AUTHORS_CODES_OF_ONE), convention)


def read_mask(path: str | pathlib.Path) -> npt.NDArray[np.bool_]:
    """Reads a binary blur map: the larger of its two codes is blurred.

    Args:
        path: Grey, or RGB(A) with equal channels and constant alpha, as some
            of CUHK's are; codes 0 and 1, 0 and 255, or 0 and 65535.

    Returns:
        [h, w]: True where blurred, False where sharp.

    Raises:
        FileNotFoundError, ValueError: One line that names the file: more
            than two codes, colours, or transparency that varies.
    """
    codes = _grey(path, read_array(path))
    high = codes.max()
    levels = (codes == 0) | (codes == high)
    if not levels.all():
        raise ValueError(f'{path}: not a binary mask: it has '
                         f'{len(np.unique(codes))} levels, not two, 0 and '
                         'another.')
    if high == 0:
        return np.zeros(codes.shape, bool)
    return codes == high


def write_valid(path: str | pathlib.Path, valid: np.ndarray,
                compress_level: int = 6) -> None:
    """Writes where a sigma map counts: 255, and 0 where it is left out.

    Args:
        path: Of the .png.
        valid: [h, w], bool.
        compress_level: Of zlib.
    """
    picture = Image.fromarray(np.where(valid, 255, 0).astype(np.uint8))
    with files.atomic_path(path) as temporary:
        picture.save(temporary, compress_level=compress_level)


def read_valid(path: str | pathlib.Path,
               shape: tuple[int, ...]) -> npt.NDArray[np.bool_]:
    """Reads where a sigma map counts: where this file is not 0.

    Args:
        path: A grey picture, or RGB(A) as read_mask takes it.
        shape: (h, w) of the map.

    Returns:
        [h, w].

    Raises:
        FileNotFoundError, ValueError: One line that names the file: colours,
            or another size than the map's.
    """
    codes = read_grey(path)
    if codes.shape != shape:
        (h, w), (height, width) = codes.shape, shape
        raise ValueError(f'{path}: it is {w} x {h} px, its sigma map {width} x '
                         f'{height} px.')
    return codes != 0


def read_array(path: str | pathlib.Path) -> np.ndarray:
    """Reads the numbers of a file as they are, without any conversion.

    Args:
        path: .npy, .npz with one array, .mat with one 2-D array or one named
            blurMap, or a picture.

    Returns:
        [h, w] or [h, w, c], of the file's own type.

    Raises:
        FileNotFoundError, ValueError: One line that names the file.
    """
    path = pathlib.Path(path)
    if not path.is_file():
        raise FileNotFoundError(f'{path}: no such file.')
    try:
        values = _READERS.get(path.suffix.lower(), _read_picture)(path)
    except Exception as error:  # Whatever a decoder throws at a damaged file.
        reason = images.one_line(error)
        raise ValueError(f'{path}: not a readable map: {reason}') from error
    values = np.asarray(values)
    if values.ndim not in (2, 3) or not values.size or (
            values.dtype.kind not in 'buif'):
        raise ValueError(f'{path}: not a map [h, w] of numbers; its shape is '
                         f'{values.shape}, its type {values.dtype}.')
    return values


def read_grey(path: str | pathlib.Path) -> np.ndarray:
    """read_array, and channels that say the same thing become one, [h, w].

    Raises:
        FileNotFoundError, ValueError: Also: colours, varying transparency.
    """
    return _grey(path, read_array(path))


def _grey(path, values):
    """[h, w] of an array whose channels agree and whose alpha is constant."""
    if values.ndim == 2:
        return values
    if values.ndim != 3 or (channels := values.shape[-1]) > 4:
        raise ValueError(f'{path}: a map is [h, w]. Received: {values.shape}.')
    if channels in (2, 4):
        alpha, values = values[..., -1], values[..., :-1]
        if alpha.min() != alpha.max():
            raise ValueError(f'{path}: its transparency varies; a map or mask '
                             'is one grey picture.')
    if (values != values[..., :1]).any():
        raise ValueError(f'{path}: a coloured picture is no map: its colours '
                         'have no unit.')
    return values[..., 0]


def _read_picture(path):
    if path.suffix.lower() in ('.tif', '.tiff'):
        return _read_tiff(path)
    deep_images.check_png(path)
    if deep_images.is_deep_png(path):
        return deep_images.read_deep_png(path)
    with Image.open(path) as picture:
        if picture.mode == 'P':
            picture = picture.convert(
                'RGBA' if 'transparency' in picture.info else 'RGB')
        values = np.asarray(picture)
        # Pillow opens some 16-bit files as 32-bit integers.
        sixteen = values.dtype.kind == 'i' and path.suffix.lower() == '.png'
    return values.astype(np.uint16) if sixteen else values


def _read_tiff(path):
    """The only page, or the first where others are previews of it.

    Not tifffile's series: where a damaged file's pages lead in a circle it
    goes through millions of them.
    """
    with tifffile.TiffFile(path) as file:
        page = file.pages[0]
        with contextlib.suppress(IndexError):
            if file.pages[1].shape == page.shape:
                raise ValueError('holds several pictures, not one')
        values = deep_images.pixels(page, path)
    return np.moveaxis(values, 0, -1) if page.axes == 'SYX' else values


def _read_npz(path):
    with budgets.open_npz(path) as archive:
        if len(archive.files) != 1:
            raise ValueError(f'holds {len(archive.files)} arrays, not one')
        return archive[archive.files[0]]


def _read_mat(path):
    found = {name: value for name, value in budgets.read_mat(path).items()
             if not name.startswith('__') and np.ndim(value) == 2}
    if 'blurMap' in found:
        return found['blurMap']
    if len(found) != 1:
        raise ValueError(f'holds {len(found)} matrices, not one: '
                         f'{", ".join(sorted(found))}')
    return found.popitem()[1]


def _read_exr(path):
    for part in exr_files.read_parts(path):
        if 'defocus.sigma' in part:
            return part['defocus.sigma']
    raise ValueError('holds no channel defocus.sigma')


_READERS = {'.npz': _read_npz, '.mat': _read_mat, '.exr': _read_exr,
            '.npy': budgets.read_npy}
