"""What an evaluation is asked for: plain values, without flags or TensorFlow.
"""

import dataclasses
import pathlib
from collections.abc import Sequence

from dmenet_tf import optics

MASKS = ('cuhk', 'detection')  # Protocols whose truth is blurred or not.
PROTOCOLS = (*MASKS, 'rtf', 'syndof', 'sigma')
UNITS = ('px', *optics.CONVENTIONS, 'score')  # Of foreign maps.
_METHODS = ('model', 'predictions', 'baseline')


@dataclasses.dataclass(frozen=True)
class Settings:
    """What decides a score besides the files.

    Attributes:
        protocol: One of PROTOCOLS.
        truth_scale, truth_offset: sigma in px = scale x code + offset, of
            truths in picture files and arrays; scale None: what the file
            says (sigma_files).
        unknown_code: Code of truth pixels without a value; None: none but
            NaN and infinity.
        convention: Of truths in the authors' blur_map folders, or None.
        prediction_unit: One of UNITS, of foreign maps.
        prediction_scale: px per code, for unit px.
        sharp_is_bright: Foreign maps are the other way round.
        noise: Added to photographs, standard deviation on [0, 255].
    """
    protocol: str
    truth_scale: float | None = None
    truth_offset: float = 0.0
    unknown_code: float | None = None
    convention: str | None = None
    prediction_unit: str = 'px'
    prediction_scale: float | None = None
    sharp_is_bright: bool = False
    noise: float = 0.0


@dataclasses.dataclass(frozen=True)
class Options:
    """An evaluation. At least one of the three kinds of methods is needed.

    Attributes:
        protocol: One of PROTOCOLS.
        ground_truth: Folder of the truths, named after the photographs (RTF:
            map_05.mat and image_05.png).
        output_dir: Folder to write.
        images: Folder of the photographs; `predictions` alone need none.
        model: Weights, each a bundled name, a file or LABEL=FILE.
        baseline: Names of classical methods, see dmenet_tf.baselines.
        predictions: Folders of other tools' maps, each FOLDER or
            LABEL=FOLDER.
        split: 'test' or 'train' (dmenet_tf/tables), 'all', or a text file
            with one name a line; None: test for MASKS, else all.
        noise: Standard deviations of the noise added to photographs, on
            [0, 255]; None: 0, and for rtf 0, 1.0 and 1.6.
        truth_scale, truth_offset, unknown_code, convention: See Settings.
        prediction_unit, prediction_scale, sharp_is_bright: See Settings.
        sheet_images: Rows of the side-by-side sheet.
        workers: Processes of baselines and predictions. With more than one,
            a script must call evaluate() below `if __name__ == '__main__'`.

    Raises:
        ValueError: A value that there is not; no method; a method that makes
            maps without `images`.
    """
    protocol: str
    ground_truth: str | pathlib.Path
    output_dir: str | pathlib.Path
    images: str | pathlib.Path | None = None
    model: Sequence[str] = ()
    baseline: Sequence[str] = ()
    predictions: Sequence[str] = ()
    split: str | None = None
    noise: Sequence[float] | None = None
    truth_scale: float | None = None
    truth_offset: float = 0.0
    unknown_code: float | None = None
    convention: str | None = None
    prediction_unit: str = 'px'
    prediction_scale: float | None = None
    sharp_is_bright: bool = False
    sheet_images: int = 4
    workers: int = 1

    def __post_init__(self):
        for name, values in (('protocol', PROTOCOLS),
                             ('prediction_unit', UNITS),
                             ('convention', (None, *optics.CONVENTIONS))):
            if getattr(self, name) not in values:
                raise ValueError(f'{name} must be one of {values}. Received: '
                                 f'{getattr(self, name)!r}.')
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

    def settings(self, noise: float, foreign: bool) -> Settings:
        """Settings of a method at one noise level.

        Args:
            noise: Level.
            foreign: Whether the maps come from files. What is said of them
                does not outdate the scores of others.
        """
        names = {field.name for field in dataclasses.fields(Settings)}
        names -= {'noise'}
        if not foreign:
            names -= {'prediction_unit', 'prediction_scale',
                      'sharp_is_bright'}
        return Settings(noise=noise,
                        **{name: getattr(self, name) for name in names})
