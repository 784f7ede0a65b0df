"""A method over all images: in processes, resumable, no problem hidden.

Each scored image is one line of JSON in OUTPUT/scores/METHOD.jsonl, appended
at once. A line counts as long as its fingerprint fits: the settings, and size
and time of the files that the score came from. So a run that was cut off goes
on where it stopped, and a map that was made anew is scored anew.
"""

import concurrent.futures
import dataclasses
import functools
import hashlib
import json
import multiprocessing
import pathlib

import numpy as np
from PIL import Image

from dmenet_tf import __version__, baselines, files
from dmenet_tf.evaluate import pairing, protocols

THUMBNAIL = 320  # px, the longer side on the sheet


@dataclasses.dataclass(frozen=True)
class Method:
    """Something that makes maps.

    Attributes:
        label: In tables and file names.
        kind: 'model', 'baseline' or 'predictions'.
        source: Weights, name of the baseline, or folder.
        unit: 'px' or 'score'.
    """
    label: str
    kind: str
    source: str
    unit: str


@dataclasses.dataclass(frozen=True)
class Job:
    """One image to score with one method; travels to another process.

    Attributes:
        case: pairing.Case.
        method: Method.
        settings: protocols.Settings.
        prediction: Path of the foreign map, or None.
        thumbnail: Where to keep a small map for the sheet, or None.
    """
    case: pairing.Case
    method: Method
    settings: protocols.Settings
    prediction: pathlib.Path | None
    thumbnail: pathlib.Path | None

    @functools.cached_property
    def fingerprint(self):
        """Changes when anything does that the score depends on."""
        paths = [self.case.image, self.case.truth, self.prediction]
        if self.method.kind == 'model':
            paths.append(pathlib.Path(self.method.source))
        stats = [(str(path), path.stat().st_size, path.stat().st_mtime_ns)
                 for path in paths if path is not None and path.exists()]
        said = repr((__version__, self.method, self.settings, stats))
        return hashlib.sha256(said.encode()).hexdigest()[:16]


def make_map(job, model=None):
    """The map of a job, [h, w].

    Args:
        job: Job.
        model: For kind 'model', what weights.load_model returns.
    """
    if job.method.kind == 'predictions':
        return protocols.read_prediction(job.prediction, job.settings)
    image = protocols.read_image(job.case.image, job.settings)
    if job.method.kind == 'baseline':
        return baselines.load(job.method.source).estimate(image)
    from dmenet_tf import estimation  # TensorFlow, only where a model is used.
    return estimation.estimate(image, model)


def score_job(job, model=None):
    """Scores one image.

    Returns:
        Dict of JSON values: `image`, and what protocols.score returns, or
        `problem`, one line.
    """
    try:
        truth = protocols.read_truth(job.case.truth, job.settings)
        values = make_map(job, model)
        if not np.isfinite(values).all():
            raise ValueError(f'{job.case.image}: the map of '
                             f'{job.method.label} has NaN.')
        values, truth, cropped = protocols.align(
            values, truth, job.prediction or job.case.truth)
        try:
            line = protocols.score(values, truth, job.settings,
                                   job.method.unit)
        except ValueError as error:
            raise ValueError(f'{job.case.truth}: {error}.') from None
    except (ValueError, OSError, ImportError) as error:
        return {'image': job.case.name, 'problem': str(error)}
    if job.thumbnail:
        _save_thumbnail(values, job.thumbnail)
    return {'image': job.case.name, 'fingerprint': job.fingerprint,
            'cropped': cropped, **line}


def _save_thumbnail(values, path):
    picture = Image.fromarray(np.asarray(values, np.float32))
    picture.thumbnail((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX)
    with files.atomic_path(path) as temporary:
        files.save_npy(temporary, np.asarray(picture))


def read_lines(path):
    """Yields the whole lines of a score file; a torn last one is left out."""
    if not path.exists():
        return
    with path.open() as file:
        for text in file:
            try:
                yield json.loads(text)
            except json.JSONDecodeError:
                continue


def score_all(jobs, path, workers):
    """Scores what is not scored yet, and writes each score at once.

    Args:
        jobs: Jobs of one method and noise.
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


def _results(todo, workers, total):
    if not todo:
        return
    label = todo[0].method.label
    bar = functools.partial(files.progress, total=total, unit='image',
                            desc=label, initial=total - len(todo))
    if todo[0].method.kind == 'model':
        from dmenet_tf import weights
        model = weights.load_model(todo[0].method.source)
        yield from bar(score_job(job, model) for job in todo)
    elif workers == 1 or len(todo) == 1:
        yield from bar(map(score_job, todo))
    else:
        # Not forked: TensorFlow and OpenMP threads do not survive a fork.
        context = multiprocessing.get_context('spawn')
        with concurrent.futures.ProcessPoolExecutor(
                min(workers, len(todo)), context) as pool:
            yield from bar(pool.map(score_job, todo))
