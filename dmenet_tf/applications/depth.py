"""Turns blur into depth.

    python -m dmenet_tf.applications.depth photo.jpg --focus=near
    python -m dmenet_tf.applications.depth photo.jpg --focus=near \\
        --focal_length_mm=50 --f_number=1.8 --focus_distance_m=1.2

Blur says how far a point is from the focal plane, not on which side. So the
scene must lie on one side of it: focused at its near end, or at its far end
[Lee 2019, Section 5.4]. Then depth grows, or falls, with sigma. Without the
camera that is all that can be known: a pseudo-depth in [0, 1]. With it, Eq. 1
is inverted, and depth is in metres. What the flags leave out is read from the
photograph's EXIF.

Writes, of the formats asked for: photo_depth.npy (float32), photo_depth16.png
(16 bits; millimetres, or 65535 times the pseudo-depth), photo_depth.png (in
colour, near bright) and photo_depth.ply (coloured points).
"""

import dataclasses
import itertools
import pathlib
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from absl import flags
from PIL import ExifTags, Image

from dmenet_tf import command, files, made_with, maps, optics
from dmenet_tf.applications import inputs

FOCUS = ('near', 'far')
FORMATS = {'npy': '_depth.npy', 'png16': '_depth16.png',
           'color': '_depth.png', 'ply': '_depth.ply'}
FULL_FRAME_MM = 36.0  # wide
_FULL_FRAME_DIAGONAL_MM = 43.27
POINTS = 1_000_000  # 15 MB of .ply
PSEUDO_RANGE = (1.0, 3.0)  # Where points of pseudo-depth 0 and 1 are put.


@dataclasses.dataclass(frozen=True)
class Camera:
    """What Eq. 1 needs to know of a camera.

    Attributes:
        focal_length_mm: F.
        f_number: N.
        focus_distance_m: S1, from the lens to what is in focus.
        sensor_width_mm: Along the photograph's width.
    """

    focal_length_mm: float
    f_number: float
    focus_distance_m: float
    sensor_width_mm: float

    def __post_init__(self):
        for field, value in dataclasses.asdict(self).items():
            if not 0 < value < np.inf:
                raise ValueError(f'{field} must be above 0 and finite. '
                                 f'Received: {value}.')

    def alpha(self, width: int) -> float:
        """alpha of Eq. 1, px of an image `width` px wide."""
        return optics.aperture_constant(
            self.focal_length_mm, self.f_number, 1000 * self.focus_distance_m,
            self.sensor_width_mm, width)


def depth(sigma: npt.ArrayLike, focus: str = 'near',
          camera: Camera | None = None) -> npt.NDArray[np.float32]:
    """Depth of each pixel from its blur.

    With a camera, Eq. 1 inverted on one side of S1, c = 4 sigma [Lee 2019,
    Sections 3.2, 3.3]:
        near: x = S1 / (1 - c / alpha)    far: x = S1 / (1 + c / alpha)
    Without, pseudo-depth: sigma over its largest value, or 1 less that.

    Args:
        sigma: [h, w] px.
        focus: 'near' if what is in focus is the scene's near end, 'far' if it
            is its far end.
        camera: Camera, or None.

    Returns:
        [h, w], float32: metres, infinity where blur exceeds that of the
        horizon; or in [0, 1], 0 nearest. Both grow with distance.

    Raises:
        ValueError: An argument is not as above.
    """
    if focus not in FOCUS:
        raise ValueError(f'focus must be one of {FOCUS}. Received: {focus!r}.')
    sigma = inputs.check_sigma(sigma)
    if camera is not None:
        coc = optics.coc_from_sigma(sigma.astype(np.float64))
        return optics.depth_from_coc(
            coc, camera.focus_distance_m, camera.alpha(sigma.shape[1]),
            behind=focus == 'near').astype(np.float32)
    share = sigma / max(float(sigma.max()), 1e-6)
    return share if focus == 'near' else 1 - share


def read_exif(path: str | pathlib.Path) -> dict[str, float]:
    """What a photograph's EXIF says of its camera.

    The sensor's width follows from the focal length and its equivalent for
    35 mm film, whose diagonal is that of 36 x 24 mm.

    Args:
        path: Of the photograph.

    Returns:
        Dict of some of Camera's fields: those that are there.
    """
    try:
        tags, (width, height) = _exif_and_size(path)
    except Exception:  # Pillow does not know it, or its EXIF is malformed.
        return {}
    found = {'focal_length_mm': _number(tags, ExifTags.Base.FocalLength),
             'f_number': _number(tags, ExifTags.Base.FNumber),
             'focus_distance_m': _number(tags, ExifTags.Base.SubjectDistance)}
    equivalent = _number(tags, ExifTags.Base.FocalLengthIn35mmFilm)
    if found['focal_length_mm'] and equivalent:
        diagonal = (_FULL_FRAME_DIAGONAL_MM * found['focal_length_mm']
                    / equivalent)
        found['sensor_width_mm'] = diagonal * width / np.hypot(width, height)
    return {field: value for field, value in found.items() if value}


def _exif_and_size(path):
    with Image.open(path) as picture:
        tags = picture.getexif().get_ifd(ExifTags.IFD.Exif)
        width, height = picture.size
        if picture.getexif().get(ExifTags.Base.Orientation, 1) >= 5:
            width, height = height, width
    return tags, (width, height)


def _number(tags, tag):
    """A positive finite number, or None: 0 and infinity mean unknown."""
    try:
        value = float(tags[tag])
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
    return value if 0 < value < 0xFFFFFFFF else None


def camera_of(path: str | pathlib.Path,
              given: Mapping[str, float]) -> Camera | None:
    """The camera by what is given, and EXIF for the rest.

    Args:
        path: Of the photograph.
        given: Dict of some of Camera's fields.

    Returns:
        Camera, or None where nothing is given and EXIF is incomplete.

    Raises:
        ValueError: Something is given, but not enough.
    """
    known = {**read_exif(path), **given}
    missing = [field.name for field in dataclasses.fields(Camera)
               if field.name not in known]
    if not missing:
        return Camera(**known)
    if not given:
        return None
    raise ValueError('metric depth also needs --' + ', --'.join(missing)
                     + ': EXIF does not say.')


def write(values: npt.NDArray[np.float32], kind: str,
          path: str | pathlib.Path, metric: bool,
          image: np.ndarray | None = None,
          camera: Camera | None = None, said: str | None = None,
          points: int = POINTS) -> None:
    """Writes a depth map in one format, whole or not at all.

    Args:
        values: [h, w], of depth().
        kind: One of FORMATS.
        path: Of the file.
        metric: Whether values are metres.
        image: [h, w, 3] in [0, 255], for `ply`.
        camera: Camera, for `ply`; without, it is taken to see 50 degrees.
        said: What it was made with, see made_with.
        points: Of `ply`, the most.
    """
    with files.atomic_path(path) as temporary:
        if kind == 'npy':
            files.save_npy(temporary, values, said)
        elif kind == 'png16':
            _write_png16(values, temporary, metric, said)
        elif kind == 'color':
            ends = near_and_far(values)
            barred = maps.with_color_bar(
                color_depth(values, *ends), *ends,
                'depth (m)' if metric else 'pseudo-depth, 0 is near')
            Image.fromarray(barred).save(temporary,
                                         pnginfo=made_with.png_info(said))
        else:
            cloud = point_cloud(values, metric, image, camera, points)
            _write_ply(cloud, temporary, said)


def _write_png16(values, path, metric, said):
    codes = values * (1000 if metric else 65535)
    codes = np.where(np.isfinite(codes), np.clip(codes, 0, 65535), 65535)
    info = made_with.png_info(said, depth='mm, 65535 = farther' if metric
                              else 'pseudo-depth = code / 65535')
    Image.fromarray(np.round(codes).astype(np.uint16)).save(path, pnginfo=info)


def color_depth(values: np.ndarray, near: float,
                far: float) -> npt.NDArray[np.uint8]:
    """Colours depth: nearest yellow, farthest dark violet.

    Args:
        values: [h, w] depth.
        near, far: Ends of the scale, see near_and_far.

    Returns:
        uint8 [h, w, 3].
    """
    near_first = np.clip((far - np.where(np.isfinite(values), values, far))
                         / (far - near), 0, 1)
    return maps.color_sigma(near_first, 1.0)


def near_and_far(values: np.ndarray) -> tuple[float, float]:
    """The ends of a scale of colours for depth.

    It ends at the 98th percentile, so that one far pixel does not take all
    colours.
    """
    finite = values[np.isfinite(values)]
    if not finite.size:
        return 0.0, 1.0
    near = float(finite.min())
    return near, max(float(np.quantile(finite, 0.98)), near + 1e-6)


def _write_ply(points, path, said):
    """Binary PLY: x right, y down, z forward, and colour."""
    header = ['ply', 'format binary_little_endian 1.0',
              *([f'comment {said}'] if said else []),
              f'element vertex {len(points)}']
    header += [f'property float {name}' for name in 'xyz']
    header += [f'property uchar {name}' for name in ('red', 'green', 'blue')]
    with path.open('wb') as file:
        file.write('\n'.join([*header, 'end_header', '']).encode('ascii'))
        file.write(points.tobytes())


def point_cloud(values: np.ndarray, metric: bool, image: np.ndarray,
                camera: Camera | None = None,
                points: int = POINTS) -> np.ndarray:
    """Back-projects pixels through a pinhole.

    Of more pixels than `points`, every k-th of every k-th row: a mean over
    the border of two surfaces would be a point in the air between them.

    Args:
        values: [h, w], of depth(); infinite ones are left out.
        metric: Whether values are metres; if not, pseudo-depth is spread over
            PSEUDO_RANGE.
        image: [h, w, 3] in [0, 255].
        camera: Camera, or None: 50 degrees wide.
        points: The most.

    Returns:
        [n], structured: x, y, z float32; red, green, blue uint8.
    """
    height, width = values.shape
    step = next(k for k in itertools.count(1)
                if -(-height // k) * -(-width // k) <= points)
    values, image = values[::step, ::step], image[::step, ::step]
    focal_px = width / (2 * np.tan(np.radians(25)))
    if camera is not None:
        focal_px = width * camera.focal_length_mm / camera.sensor_width_mm
    near, far = PSEUDO_RANGE
    z = values if metric else near + (far - near) * values
    seen = np.isfinite(z)
    rows, columns = np.nonzero(seen)
    cloud = np.empty(len(rows), [(name, '<f4') for name in 'xyz'] + [
        (name, 'u1') for name in ('red', 'green', 'blue')])
    cloud['z'] = z[seen]
    cloud['x'] = (step * columns + 0.5 - width / 2) / focal_px * z[seen]
    cloud['y'] = (step * rows + 0.5 - height / 2) / focal_px * z[seen]
    colors = np.round(np.clip(image[seen], 0, 255)).astype(np.uint8)
    for c, name in enumerate(('red', 'green', 'blue')):
        cloud[name] = colors[:, c]
    return cloud


def define_flags() -> None:
    """Defines the flags of this command."""
    inputs.define_flags('depth')
    flags.DEFINE_enum('focus', None, FOCUS, 'Which end of the scene is in '
                      'focus: the blur does not say.')
    flags.DEFINE_list('format', ['npy', 'png16', 'color'], 'Of '
                      f'{", ".join(FORMATS)}.')
    flags.register_validator(
        'format', lambda kinds: bool(kinds) and set(kinds) <= set(FORMATS),
        f'must be of {", ".join(FORMATS)}, separated by commas.')
    flags.DEFINE_integer('points', POINTS, 'Of ply, the most: of more pixels '
                         'every k-th of every k-th row.', lower_bound=1)
    for field, meaning in (
            ('focal_length_mm', 'F.'), ('f_number', 'N, such as 1.8.'),
            ('focus_distance_m', 'From the lens to what is in focus.'),
            ('sensor_width_mm', f'{FULL_FRAME_MM:.0f} for full frame.')):
        flags.DEFINE_float(field, None, meaning, lower_bound=0)


def main(arguments: list[str]) -> int:
    """Depth of what the command line names; returns the exit status."""
    flag = flags.FLAGS
    if flag.focus is None:
        raise command.UsageError(
            'Say which end of the scene is sharp, --focus=near or '
            '--focus=far: the blur does not tell.')
    fields = [field.name for field in dataclasses.fields(Camera)]
    given = {field: flag[field].value for field in fields
             if flag[field].value is not None}

    def work(photograph):
        camera = camera_of(photograph.path, given)
        values = depth(photograph.sigma, flag.focus, camera)
        return values, photograph.image, camera

    def write_all(job, result):
        values, image, camera = result
        paths = [job.path(FORMATS[kind]) for kind in flag.format]
        for kind, path in zip(flag.format, paths, strict=True):
            write(values, kind, path, camera is not None, image, camera,
                  job.settings, flag.points)
        return f'{paths[-1]} ({"metres" if camera else "pseudo-depth"})'

    suffixes = [FORMATS[kind] for kind in flag.format]
    return inputs.run(arguments, lambda job: suffixes, work, write_all,
                      ['focus', 'points', *fields], FORMATS.values())


if __name__ == '__main__':
    command.run(main, define_flags, __doc__)
