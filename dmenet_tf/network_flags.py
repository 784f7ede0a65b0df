"""The network as commands are told of it: --model, --runtime, --precision.

These flags are those of predict, of the applications and of the demo, so that
all of them run one network in one way: by what engines.choose says, which is
printed once and stands in every result. What 'auto' made on another machine is
taken for its own; what a flag fixes is made by that alone.
"""

import dataclasses
import itertools
import sys
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from absl import flags

from dmenet_tf import engines, images, jobs, model_files

if TYPE_CHECKING:
    import keras


def define_flags(runtimes: Sequence[str] = engines.RUNTIMES) -> None:
    """Defines the flags.

    Args:
        runtimes: Those that the command offers, beside 'auto'.
    """
    flags.DEFINE_string(
        'model', 'small', 'A bundled model (small is the newest of its '
        'versions, small-v1 is that one), a weights file (.npz) made by '
        "dmenet_tf.train, or the authors' checkpoint DMENet_BDCS.npz.")
    flags.DEFINE_enum(
        'runtime', engines.AUTO, [engines.AUTO, *runtimes],
        'What runs the network. auto: OpenVINO where it is installed '
        "(pip install 'dmenet_tf[openvino]') and there is no GPU, else "
        'TensorFlow.' + (' openvino_int8: fastest, sigma off by hundredths of '
                         'a px.' if 'openvino_int8' in runtimes else ''))
    flags.DEFINE_enum(
        'precision', engines.AUTO, [engines.AUTO, *engines.PRECISIONS],
        'What it computes in. auto: bfloat16 on CPUs with AMX or '
        "AMD's avx512_bf16, float16 on GPUs with tensor cores, else float32; "
        'sigma differs by .01 px in the mean, hardly anywhere by .1 px.')
    if 'openvino_int8' in runtimes:
        flags.DEFINE_string(
            'calibration', None, 'Folder of photographs that openvino_int8 is '
            'calibrated on. By default the first of those of the call.')


def engine() -> engines.Engine:
    """What the flags choose on this machine.

    Raises:
        ValueError: The runtime has no such precision.
    """
    return engines.choose(flags.FLAGS.runtime, flags.FLAGS.precision)


def with_model(found: Sequence[jobs.Job],
               names: Iterable[str]) -> list[jobs.Job]:
    """The jobs, with the settings of results that the network has a part in.

    Args:
        found: The jobs.
        names: As of jobs.with_settings; --scales is one always.

    Raises:
        FileNotFoundError: There is no such model.
        ValueError: See engine.
    """
    if not found:
        return []
    flag, digest = flags.FLAGS, model_files.digest(flags.FLAGS.model)
    names = [*names, 'scales', *(
        ['calibration'] if flag.runtime == 'openvino_int8' else [])]

    def said(one):
        return jobs.with_settings(found[0], names, model=digest,
                                  **one._asdict()).settings
    alike = frozenset(map(said, engines.possible(flag.runtime,
                                                 flag.precision)))
    own = said(engine())
    return [dataclasses.replace(job, settings=own, alike=alike)
            for job in found]


def load(found: Collection[jobs.Job]
         ) -> tuple['keras.Model', Callable[[np.ndarray], np.ndarray]]:
    """The model and what runs it, for estimation.estimate; says which.

    Args:
        found: All jobs, also those that have their results, so that a call
            that goes on calibrates as the first one did.

    Raises:
        OSError, ValueError: The model cannot be loaded.
        ImportError: The runtime is not installed.
    """
    from dmenet_tf import runtimes, weights
    model = weights.load_model(flags.FLAGS.model)
    chosen = engine()
    runner = runtimes.make_runner(model, *chosen,
                                  _calibration_photographs(found))
    print(f'Estimating by {chosen}.', file=sys.stderr)
    return model, runner


def _calibration_photographs(found):
    """What openvino_int8 is calibrated on: --calibration, or the jobs."""
    from dmenet_tf import runtimes
    if flags.FLAGS.runtime != 'openvino_int8':
        return ()
    folder = flags.FLAGS.calibration
    paths = (images.find_images(folder) if folder
             else [job.photograph for job in found])
    return list(itertools.islice(
        (runtimes.middle(photograph, runtimes.CALIBRATION_SIDE)
         for photograph in _readable(paths)),
        runtimes.CALIBRATION_PHOTOGRAPHS))


def _readable(paths):
    """Yields the photographs that can be read."""
    for path in paths:
        try:
            yield jobs.read(path)
        except (ValueError, OSError):
            continue  # Its own job will say why.
