"""Scores defocus maps under the paper's protocols, rivals beside them.

    python -m dmenet_tf.evaluate --protocol=cuhk \\
        --images=CUHK/image --ground_truth=CUHK/gt \\
        --model=small --baseline=zhuo_sim --predictions=other_tool/maps \\
        --output_dir=evaluation/cuhk

--model, --baseline and --predictions may each be given several times. Writes
into output_dir

    report.html      everything on one page that needs no other file
    results.json     all figures, with flags and versions
    per_image.csv    one row per image, method and noise level
    bars.png, precision_recall.png or error_by_blur.png, sheet.png

and prints the table, with the literature's numbers marked `published`. Every
file that cannot be scored costs one line; the table says how many images were
scored of how many; the exit status is then 1. The same command again goes on
where an interrupted one stopped. TensorFlow is needed for --model only.
"""

import dataclasses
import os
import pathlib
import re
import sys

from absl import app, flags

from dmenet_tf import baselines, files, images
from dmenet_tf.evaluate import (
    pairing,
    protocols,
    report,
    scoring,
    summary,
)

_PROTOCOL = flags.DEFINE_enum(
    'protocol', None, protocols.NAMES, 'cuhk, detection: blurred or not '
    '(masks, 255 = blurred); rtf: disc radii; syndof: sigma made by '
    'dmenet_tf.syndof; sigma: any data with a sigma map.')
_IMAGES = flags.DEFINE_string('images', None, 'Folder of the photographs.')
_GROUND_TRUTH = flags.DEFINE_string(
    'ground_truth', None, 'Folder of the truths, named after the photographs '
    '(RTF: map_05.mat and image_05.png).')
_MODEL = flags.DEFINE_multi_string(
    'model', [], 'Weights: bundled name or file, as for dmenet_tf.predict, or '
    'LABEL=FILE.')
_PREDICTIONS = flags.DEFINE_multi_string(
    'predictions', [], "Folder of another tool's maps, or LABEL=FOLDER; named "
    'after the photographs, with or without a suffix of the tool.')
_BASELINE = flags.DEFINE_multi_enum(
    'baseline', [], baselines.NAMES, 'Classical method; see '
    'dmenet_tf/baselines.')
_OUTPUT_DIR = flags.DEFINE_string('output_dir', None, 'Folder to write.')
_SPLIT = flags.DEFINE_string(
    'split', None, 'test or train (lists in data/splits), all (every file '
    'found), or a text file with one name a line. Default: test for cuhk and '
    'detection, else all.')
_NOISE = flags.DEFINE_list(
    'noise', None, 'Standard deviations of Gaussian noise added to the '
    'photographs, on [0, 255]. Default: 0; for rtf 0,1.0,1.6.')
_SHARP_IS_BRIGHT = flags.DEFINE_bool(
    'sharp_is_bright', False, 'The --predictions are bright where sharp.')
_PREDICTION_UNIT = flags.DEFINE_enum(
    'prediction_unit', 'px', protocols.UNITS, 'What --predictions hold: '
    'sigma in px; network maps of a convention (codes / their maximum); or '
    'score: any scale, fitted to each truth by a line. Masks need no unit.')
_PREDICTION_SCALE = flags.DEFINE_float(
    'prediction_scale', None, 'px per code of --predictions in pictures.')
_TRUTH_SCALE = flags.DEFINE_float(
    'truth_scale', None, 'sigma px per code of the truth; default 0.001 for '
    '16-bit pictures, 1 for arrays.')
_TRUTH_OFFSET = flags.DEFINE_float(
    'truth_offset', 0.0, 'sigma = truth_scale x code + truth_offset, px.')
_UNKNOWN_CODE = flags.DEFINE_float(
    'unknown_code', None, 'Code of truth pixels to leave out (sigma).')
_CONVENTION = flags.DEFINE_enum(
    'convention', None, ['sigma7', 'legacy15'], "Of the authors' blur_map "
    'folders: sigma7 (10 sigma) or legacy15 (10 (2 sigma + 1)).')
_SHEET_IMAGES = flags.DEFINE_integer(
    'sheet_images', 4, 'Rows of the side-by-side sheet.', lower_bound=0)
_WORKERS = flags.DEFINE_integer(
    'workers', os.cpu_count(), 'Processes; a model runs in one.',
    lower_bound=1)

_SPLITS = pathlib.Path(__file__).parents[1] / 'tables'
_SPLIT_PREFIX = {'cuhk': 'cuhk', 'detection': 'cuhk100'}


def split_names(protocol, split):
    """The names of a split; None for all.

    Raises:
        ValueError: There is no such split.
    """
    split = split or ('test' if protocol in _SPLIT_PREFIX else 'all')
    if split == 'all':
        return None
    path = pathlib.Path(split)
    if split in ('test', 'train'):
        prefix = _SPLIT_PREFIX.get(protocol, protocol)
        path = _SPLITS / f'{prefix}_{split}.txt'
    if not path.is_file():
        raise ValueError(f'{path}: no such list of names; --split takes all, '
                         'or a text file with one name a line.')
    return pairing.read_split(path)


def methods():
    """What the flags ask to be compared, with labels of their own.

    Raises:
        ValueError: None, or two of one label.
    """
    foreign = 'score' if _PREDICTION_UNIT.value == 'score' else 'px'
    found = []
    for kind, values, unit in (('model', _MODEL.value, 'px'),
                               ('predictions', _PREDICTIONS.value, foreign)):
        for given in values:
            # Folders may be called lr=1e-3: what exists has no label.
            label, _, source = (('', '', given) if pathlib.Path(given).exists()
                                else given.rpartition('='))
            name = pathlib.Path(source)
            label = label or (name.stem if kind == 'model' else name.name)
            found.append(scoring.Method(label, kind, source, unit))
    found += [scoring.Method(name, 'baseline', name,
                             baselines.load(name).UNIT)
              for name in _BASELINE.value]
    labels = [method.label for method in found]
    if not found or len(set(labels)) < len(labels):
        raise ValueError('Name at least one --model, --predictions or '
                         '--baseline, each with another label (LABEL=FILE). '
                         f'Received: {labels}.')
    return found


def settings_of(noise):
    """protocols.Settings of the flags at one noise level."""
    return protocols.Settings(
        protocol=_PROTOCOL.value, truth_scale=_TRUTH_SCALE.value,
        truth_offset=_TRUTH_OFFSET.value, unknown_code=_UNKNOWN_CODE.value,
        convention=_CONVENTION.value,
        prediction_unit=_PREDICTION_UNIT.value,
        prediction_scale=_PREDICTION_SCALE.value,
        sharp_is_bright=_SHARP_IS_BRIGHT.value, noise=noise)


def noise_levels(method):
    """Levels at which a method runs; foreign maps have one, called 0."""
    if method.kind == 'predictions':
        return [0.0]
    if _NOISE.value is not None:
        return [float(level) for level in _NOISE.value]
    return list(protocols.RTF_NOISE if _PROTOCOL.value == 'rtf' else [0.0])


def jobs_of(method, cases, noise, output_dir):
    """Jobs of one method at one noise level.

    Args:
        method: scoring.Method.
        cases: pairing.Cases.
        noise: Level.
        output_dir: Where thumbnails go.

    Returns:
        (jobs, problems).
    """
    maps, problems = {}, []
    if method.kind == 'predictions':
        known = {pairing.name_of(path) for path in
                 images.find_images(_IMAGES.value)}
        maps, problems = pairing.match_predictions(
            method.source, [case.name for case in cases], known)
        cases = [case for case in cases if case.name in maps]
    settings = settings_of(noise)
    # What is said of foreign maps must not outdate the scores of others.
    if method.kind != 'predictions':
        settings = dataclasses.replace(
            settings, prediction_unit='px', prediction_scale=None,
            sharp_is_bright=False)
    folder = output_dir / 'sheet' / file_stem(method, noise)
    return [scoring.Job(case, method, settings, maps.get(case.name),
                        folder / f'{case.name}.npy'
                        if i < _SHEET_IMAGES.value else None)
            for i, case in enumerate(cases)], problems


def file_stem(method, noise):
    """Name of a method's files."""
    label = re.sub(r'[^\w.-]+', '_', method.label)
    return f'{method.kind}_{label}' + (f'_noise{noise:g}' if noise else '')


def evaluate(output_dir):
    """Scores, writes, prints.

    Returns:
        Number of problems.

    Raises:
        ValueError, OSError: Nothing can be scored; one line.
    """
    compared = methods()
    cases, wanted, problems = pairing.find_cases(
        _IMAGES.value, _GROUND_TRUTH.value,
        split_names(_PROTOCOL.value, _SPLIT.value))
    for line in problems:
        files.complain(line)
    summaries, score_files, sheets = {}, {}, {}
    for method in compared:
        for noise in noise_levels(method):
            jobs, said = jobs_of(method, cases, noise, output_dir)
            for line in said:
                files.complain(line)
            path = output_dir / 'scores' / f'{file_stem(method, noise)}.jsonl'
            said += scoring.score_all(jobs, path, _WORKERS.value)
            problems += said
            score_files[method, noise] = path
            summaries.setdefault(noise, {})[method] = summary.summarize(
                path, wanted)
            sheets.setdefault(noise, {})[method] = [
                job for job in jobs if job.thumbnail]
    _report(output_dir, summaries, score_files, sheets, problems)
    return len(problems)


def _report(output_dir, summaries, score_files, sheets, problems):
    protocol, tables, pictures = _PROTOCOL.value, [], []
    for noise, found in summaries.items():
        heading = protocol + (f', noise {noise:g}' if noise else '')
        tables.append((heading, *report.table(protocol, noise, found)))
        pictures += report.draw(output_dir, protocol, noise, found)
        print(f'\n{heading}\n{report.as_text(*tables[-1][1:])}')
    first = next(iter(sheets))
    pictures += report.draw_sheet(output_dir, _same_cases(sheets[first]))
    record = {
        'protocol': protocol, 'flags': _flags(),
        'versions': report.versions(), 'problems': problems,
        'results': [{'method': method.label, 'kind': method.kind,
                     'source': method.source, 'unit': method.unit,
                     'noise': noise, **figures}
                    for noise, found in summaries.items()
                    for method, figures in found.items()],
        'published': [{'method': label, 'source': source, 'noise': noise,
                       'scores': values} for noise in summaries
                      for label, source, values in
                      report.published.rows(protocol, noise)]}
    written = report.write(output_dir, record, tables, pictures, problems,
                           score_files)
    print('\nWrote ' + ', '.join(map(str, written)) + '.')
    if problems:
        print(f'{len(problems)} problems; see above.')


def _same_cases(jobs_by_method):
    """Only the cases that every method has a job for."""
    names = set.intersection(*({job.case.name for job in jobs}
                               for jobs in jobs_by_method.values()))
    return {method: [job for job in jobs if job.case.name in names]
            for method, jobs in jobs_by_method.items()}


def _flags():
    """This module's flags and their values."""
    return {holder.name: holder.value for holder in globals().values()
            if isinstance(holder, flags.FlagHolder)}


def main(argv):
    if len(argv) > 1:
        raise app.UsageError(f'Unexpected arguments: {argv[1:]}.')
    missing = [flag.name for flag in (_PROTOCOL, _IMAGES, _GROUND_TRUTH,
                                      _OUTPUT_DIR) if flag.value is None]
    if missing:
        raise app.UsageError('Pass --' + ', --'.join(missing) + '.')
    try:
        problems = evaluate(pathlib.Path(_OUTPUT_DIR.value))
    except (ValueError, OSError, ImportError) as error:
        sys.exit(f'error: {error}')
    sys.exit(1 if problems else 0)


if __name__ == '__main__':
    app.run(main)
