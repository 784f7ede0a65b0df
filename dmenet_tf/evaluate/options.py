"""What an evaluation is asked for: plain values, without flags or TensorFlow.
"""

import dataclasses
import math
import pathlib
from collections.abc import Sequence

from dmenet_tf import metrics, optics

MASKS = ('cuhk', 'detection')  # Protocols whose truth is blurred or not.
PROTOCOLS = (*MASKS, 'rtf', 'syndof', 'sigma', 'uniform')
# Of foreign maps.
UNITS = ('px', 'disc_radius', *optics.CONVENTIONS, 'score')
BLURS = (0.0, 1.0, 2.0, 4.0, 6.0)  # px, of uniform
DATASETS = ('cuhk', 'dut', 'ctcug', 'ebd')  # Of detection
# Those whose larger code is sharp, as the code of D-DFFNet reads them.
_BRIGHT_IS_SHARP = ('dut', 'ebd')
_OF_FOREIGN_MAPS = ('prediction_unit', 'prediction_scale', 'sharp_is_bright')
_METHODS = ('model', 'predictions', 'baseline')


@dataclasses.dataclass(frozen=True, kw_only=True)
class Files:
    """What truths and foreign maps hold, and what is asked of each pair.

    Attributes:
        masks_sharp_is_bright: The larger code of a mask is sharp.
        structure: E- and S-measure too; MASKS only (evaluate/structure.py).
        truth_scale, truth_offset: sigma in px = scale x code + offset, of
            truths in picture files and arrays; scale None: what the file
            says (sigma_files).
        unknown_code: Code of truth pixels without a value; None: none but
            NaN and infinity.
        convention: Of truths in the authors' blur_map folders, or None.
        prediction_unit: One of UNITS, of foreign maps.
        prediction_scale: px per code, for units px and disc_radius.
        sharp_is_bright: Foreign maps are the other way round.
    """
    masks_sharp_is_bright: bool = False
    structure: bool = False
    truth_scale: float | None = None
    truth_offset: float = 0.0
    unknown_code: float | None = None
    convention: str | None = None
    prediction_unit: str = 'px'
    prediction_scale: float | None = None
    sharp_is_bright: bool = False


@dataclasses.dataclass(frozen=True)
class Settings(Files):
    """What decides a score besides the files.

    Attributes:
        protocol: One of PROTOCOLS.
        noise: Added to photographs, standard deviation on [0, 255].
        blur: sigma of the Gaussian that uniform blurs photographs with, px.
    """
    protocol: str
    noise: float = 0.0
    blur: float = 0.0


@dataclasses.dataclass(frozen=True)
class Options(Files):
    """An evaluation. At least one of the three kinds of methods is needed.

    Attributes:
        protocol: One of PROTOCOLS.
        output_dir: Folder to write.
        ground_truth: Folder of the truths, named after the photographs (RTF:
            map_05.mat and image_05.png); uniform has none.
        images: Folder of the photographs; `predictions` alone need none.
        model: Weights, each a bundled name, a file or LABEL=FILE.
        baseline: Names of dmenet_tf.baselines; 'all': every one, of uniform
            every one in px.
        predictions: Folders of other tools' maps, each FOLDER or
            LABEL=FOLDER.
        dataset: One of DATASETS: whose masks detection is given. It says
            which code is sharp, and which published figures stand beside.
        split: 'test' or 'train' (dmenet_tf/tables), 'all', or a text file
            with one name a line; None: test for CUHK's masks, else all.
        noise: Standard deviations of the noise added to photographs, on
            [0, 255]; None: 0, and for rtf 0, 1.0 and 1.6.
        blurs: sigma of the Gaussians that uniform blurs each photograph
            with, px, 0: as it is; None: BLURS.
        sigma_threshold: px, one for all photographs: where a map in px calls
            a pixel blurred. None: the one that is best on these photographs.
            To the nearest 0.01 px. MASKS only.
        sheet_images: Rows of the side-by-side sheet.
        workers: Processes of baselines and predictions. With more than one,
            a script must call evaluate() below `if __name__ == '__main__'`.

    The others are those of Files.

    Raises:
        ValueError: A value that there is not; no method; a method that makes
            maps without `images`; what the protocol has no use for.
    """
    protocol: str
    output_dir: str | pathlib.Path
    ground_truth: str | pathlib.Path | None = None
    images: str | pathlib.Path | None = None
    model: Sequence[str] = ()
    baseline: Sequence[str] = ()
    predictions: Sequence[str] = ()
    dataset: str = 'cuhk'
    split: str | None = None
    noise: Sequence[float] | None = None
    blurs: Sequence[float] | None = None
    sigma_threshold: float | None = None
    sheet_images: int = 4
    workers: int = 1

    def __post_init__(self):
        for name, values in (('protocol', PROTOCOLS),
                             ('prediction_unit', UNITS),
                             ('dataset', DATASETS),
                             ('convention', (None, *optics.CONVENTIONS))):
            if getattr(self, name) not in values:
                raise ValueError(f'{name} must be one of {values}. Received: '
                                 f'{getattr(self, name)!r}.')
        self._check_methods()
        self._check_protocol()

    def _check_methods(self):
        for name in _METHODS:
            if isinstance(getattr(self, name), str):
                raise ValueError(f'{name} must be a sequence of strings. '
                                 f'Received: {getattr(self, name)!r}.')
        if not any(getattr(self, name) for name in _METHODS):
            raise ValueError('Name at least one of model, predictions and '
                             'baseline.')
        if self.images is None and (self.model or self.baseline):
            raise ValueError('images is missing: a model or a baseline makes '
                             'its maps from photographs.')

    def _check_protocol(self):
        uniform = self.protocol == 'uniform'
        if uniform and (self.ground_truth is not None or self.predictions):
            raise ValueError('uniform blurs the photographs itself: it takes '
                             'neither ground_truth nor predictions.')
        if not uniform and self.ground_truth is None:
            raise ValueError('ground_truth is missing.')
        if self.dataset != 'cuhk' and self.protocol != 'detection':
            raise ValueError(f'dataset is of detection, not of {self.protocol}.'
                             )
        for name, user in (('blurs', ('uniform',)), ('sigma_threshold', MASKS),
                           ('masks_sharp_is_bright', MASKS),
                           ('structure', MASKS)):
            if self.protocol not in user and getattr(self, name):
                raise ValueError(f'{name} is of {" and ".join(user)}, not of '
                                 f'{self.protocol}.')
        if self.sharp_is_bright and (
                self.foreign_unit() == 'px'
                and self.prediction_unit not in optics.CONVENTIONS):
            raise ValueError('sharp_is_bright is of scores, of masks and of '
                             'network maps; what grows with sharpness is not '
                             'in px.')
        for name in ('blurs', 'noise'):
            levels = getattr(self, name)
            if not all(0 <= level < math.inf for level in levels or ()):
                raise ValueError(f'{name} must be finite and not negative. '
                                 f'Received: {levels}.')
            if levels and len(set(levels)) < len(levels):
                raise ValueError(f'{name}: one level is there twice. Received: '
                                 f'{levels}.')
        limit = metrics.PX_STEP * (metrics.PX_LEVELS - 1)
        threshold = self.sigma_threshold
        if threshold is not None and not 0 < threshold <= limit:
            raise ValueError(f'sigma_threshold must be in (0, {limit:g}] px. '
                             f'Received: {threshold}.')

    def blur_levels(self) -> Sequence[float]:
        """Levels of uniform; of other protocols one, 0."""
        if self.protocol != 'uniform':
            return (0.0,)
        return BLURS if self.blurs is None else self.blurs

    def foreign_unit(self) -> str:
        """Of `predictions`: 'px' or 'score', which only ranks pixels.

        Masks need no unit, so that maps of none are the rule there.
        """
        said = (self.prediction_unit != 'px'
                or self.prediction_scale is not None)
        if self.prediction_unit == 'score' or self.protocol in MASKS and (
                self.sharp_is_bright or not said):
            return 'score'
        return 'px'

    def settings(self, noise: float, blur: float, foreign: bool) -> Settings:
        """Settings of a method at one level of noise and blur.

        Args:
            noise, blur: Levels.
            foreign: Whether the maps come from files. What is said of them
                does not outdate the scores of others.
        """
        said = {field.name: getattr(self, field.name)
                for field in dataclasses.fields(Files)
                if foreign or field.name not in _OF_FOREIGN_MAPS}
        said['masks_sharp_is_bright'] |= self.dataset in _BRIGHT_IS_SHARP
        return Settings(self.protocol, noise, blur, **said)
