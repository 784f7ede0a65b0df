"""A method over all images: in processes, resumable, no problem hidden.

Each scored image is one line of JSON in OUTPUT/scores/METHOD.jsonl, appended
at once. A line counts as long as its fingerprint fits: the settings, the
digest of the weights or the version of the code, and size and time of the
files that the score came from. So a run that was cut off goes on where it
stopped, and a map that was made anew is scored anew.
"""

import concurrent.futures
import dataclasses
import functools
import hashlib
import json
import multiprocessing
import pathlib
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from dmenet_tf import __version__, baselines, command, files
from dmenet_tf.evaluate import options, pairing, protocols

if TYPE_CHECKING:
    import keras

THUMBNAIL = 320  # px, the longer side on the sheet


@dataclasses.dataclass(frozen=True)
class Method:
    """Something that makes maps.

    Attributes:
        label: In tables and file names.
        kind: 'model', 'baseline' or 'predictions'.
        source: Weights, name of the baseline, or folder.
        unit: 'px' or 'score'.
        digest: Of the file of weights, hex; None for other kinds.
    """
    label: str
    kind: str
    source: str
    unit: str
    digest: str | None = None


@dataclasses.dataclass(frozen=True)
class Job:
    """One image to score with one method; travels to another process.

    Attributes:
        case: pairing.Case.
        method: Method.
        settings: options.Settings.
        prediction: Path of the foreign map, or None.
        thumbnail: Where to keep a small map for the sheet, or None.
    """
    case: pairing.Case
    method: Method
    settings: options.Settings
    prediction: pathlib.Path | None
    thumbnail: pathlib.Path | None

    @functools.cached_property
    def fingerprint(self) -> str:
        """Changes when anything does that the score depends on."""
        stats = [(str(path), path.stat().st_size, path.stat().st_mtime_ns)
                 for path in (self.case.truth,
                              protocols.valid_path(self.case.truth),
                              self.prediction or self.case.image)
                 if path.exists()]
        said = repr((__version__, self.method, self.settings, stats))
        return hashlib.sha256(said.encode()).hexdigest()[:16]


@dataclasses.dataclass(frozen=True)
class Run:
    """One method at one level of noise and blur.

    Attributes:
        method: Method.
        noise, blur: Levels.
        jobs: One for each image that it can be scored on.
        path: Of its scores, .jsonl.
    """
    method: Method
    noise: float
    blur: float
    jobs: list[Job]
    path: pathlib.Path


def make_map(job: Job, model: 'keras.Model | None' = None) -> np.ndarray:
    """The map of a job, [h, w].

    Args:
        job: Job.
        model: For kind 'model', what weights.load_model returns.
    """
    if job.method.kind == 'predictions':
        return protocols.read_prediction(job.prediction, job.settings,
                                         job.method.unit)
    image = protocols.read_image(job.case.image, job.settings)
    if job.method.kind == 'baseline':
        return baselines.load(job.method.source).estimate(
            np.round(image).astype(np.uint8))
    from dmenet_tf import estimation  # TensorFlow, only where a model is used.
    # Figures are of one definition, the paper's.
    return estimation.estimate(image, model, scales=1)


def score_job(job: Job, model: 'keras.Model | None' = None) -> dict[str, Any]:
    """Scores one image.

    Returns:
        Dict of JSON values: `image`, `seconds` that the map took, and what
        protocols.score returns, or `problem`, one line.
    """
    try:
        truth = protocols.read_truth(job.case.truth, job.settings)
        began = time.perf_counter()
        values = make_map(job, model)
        seconds = time.perf_counter() - began
        if not np.isfinite(values).all():
            raise ValueError(f'{job.case.image}: the map of '
                             f'{job.method.label} has NaN.')
        values, truth, cropped = protocols.align(
            values, truth, job.prediction or job.case.truth)
        line = _scores(job, values, truth)
    except (ValueError, OSError) as error:
        return {'image': job.case.name, 'problem': str(error)}
    if job.thumbnail:
        _save_thumbnail(values, job.thumbnail)
    return {'image': job.case.name, 'fingerprint': job.fingerprint,
            'cropped': cropped, **line,
            # Of a map that was made elsewhere only reading is known.
            **({} if job.prediction else {'seconds': round(seconds, 3)})}


def _scores(job, values, truth):
    try:
        return protocols.score(values, truth, job.settings, job.method.unit)
    except ValueError as error:
        raise ValueError(f'{job.case.truth}: {error}.') from None


def _save_thumbnail(values, path):
    picture = Image.fromarray(np.asarray(values, np.float32))
    picture.thumbnail((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX)
    with files.atomic_path(path) as temporary:
        files.save_npy(temporary, np.asarray(picture))


def read_lines(path: pathlib.Path) -> Iterator[dict[str, Any]]:
    """Yields the whole lines of a score file; a torn last one is left out."""
    if not path.exists():
        return
    with path.open() as file:
        for text in file:
            try:
                yield json.loads(text)
            except json.JSONDecodeError:
                continue


def score_all(jobs: Sequence[Job], path: pathlib.Path,
              workers: int) -> list[str]:
    """Scores what is not scored yet, and writes each score at once.

    Args:
        jobs: Of one method and noise.
        path: Of the .jsonl.
        workers: Processes; a model runs in this one.

    Returns:
        Problems, one line each.
    """
    wanted = {job.case.name: job for job in jobs}
    done = _keep_valid(path, wanted)
    todo = [job for job in jobs if job.case.name not in done]
    problems = []
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open('a') as file:
        for line in _results(todo, workers, len(jobs)):
            if 'problem' in line:
                problems.append(line['problem'])
                files.complain(line['problem'])
                continue
            file.write(json.dumps(line, separators=(',', ':')) + '\n')
            file.flush()
    return problems


def _keep_valid(path, wanted):
    """Rewrites a score file without torn and outdated lines.

    Returns:
        Names of the images that remain scored.
    """
    done = set()
    if not path.exists():
        return done
    with files.atomic_path(path) as temporary, temporary.open('w') as file:
        for line in read_lines(path):
            job = wanted.get(line['image'])
            if (job and line['fingerprint'] == job.fingerprint
                    and line['image'] not in done
                    and (not job.thumbnail or job.thumbnail.exists())):
                done.add(line['image'])
                file.write(json.dumps(line, separators=(',', ':')) + '\n')
    return done


@functools.lru_cache(maxsize=1)
def _load(source, digest):
    """The model of a method, kept for its other levels of noise and blur."""
    from dmenet_tf import weights
    return weights.load_model(source)


def _results(todo, workers, total):
    if not todo:
        return
    label = todo[0].method.label
    bar = functools.partial(files.progress, total=total, unit='image',
                            desc=label, initial=total - len(todo))
    if todo[0].method.kind == 'model':
        model = _load(todo[0].method.source, todo[0].method.digest)
        yield from bar(score_job(job, model) for job in todo)
    elif workers == 1 or len(todo) == 1:
        yield from bar(map(score_job, todo))
    else:
        # Not forked: TensorFlow and OpenMP threads do not survive a fork.
        context = multiprocessing.get_context('spawn')
        with concurrent.futures.ProcessPoolExecutor(
                min(workers, len(todo)), context,
                command.quieten_libraries) as pool:
            yield from bar(pool.map(score_job, todo))
