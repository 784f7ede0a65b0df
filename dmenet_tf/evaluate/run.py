"""The whole of an evaluation: evaluate(options)."""

import dataclasses
import itertools
import json
import pathlib
import re
from collections.abc import Sequence

from dmenet_tf import baselines, command, files, model_files
from dmenet_tf.evaluate import (
    pairing,
    protocols,
    published,
    report,
    results,
    scoring,
    summary,
)
from dmenet_tf.evaluate.options import Options
from dmenet_tf.evaluate.results import Results
from dmenet_tf.evaluate.scoring import Method, Run


def evaluate(options: Options) -> Results:
    """Scores every method on every image and writes output_dir.

    A file that cannot be scored costs one line on stderr. The same call again
    goes on where an interrupted one stopped.

    Returns:
        Results: a dict of what results.json holds, JSON values: `protocol`,
        `options`, `versions`; `problems`, lines; `results`, the figures of
        each method and level of noise and blur (summary.summarize, with
        `method`, `kind`, `source`, `digest`, `unit`, `noise`, `blur`);
        `differences` of each two methods (summary.differences);
        `published`, rows to compare with; `published_apart`, rows in another
        unit.

    Raises:
        ValueError, OSError, ImportError: Nothing can be scored, or a method
            lacks its package; one line.
    """
    output_dir = pathlib.Path(options.output_dir)
    if options.structure:
        command.require('py_sod_metrics', 'detection')
    methods = find_methods(options)
    # Of uniform, a photograph stands for its truth.
    found = pairing.find_cases(
        options.images, options.ground_truth or options.images,
        pairing.split_names(options.protocol, options.split,
                            options.dataset))
    problems = list(found.problems)
    for line in problems:
        files.complain(line)
    runs = []
    for method in methods:
        for noise, blur in itertools.product(noise_levels(options, method),
                                             options.blur_levels()):
            run, said = _prepare(options, method, noise, blur, found)
            for line in said:
                files.complain(line)
            problems += said
            problems += scoring.score_all(run.jobs, run.path, options.workers)
            runs.append(run)
    runs = _by_noise(runs)
    figures = _results(options, runs, found.wanted, problems)
    pictures = report.draw(output_dir, figures)
    pictures += report.draw_sheet(output_dir, runs)
    per_image = results.per_image(runs)
    report.write(output_dir, figures, per_image, pictures)
    return Results(figures, per_image)


def find_methods(options: Options) -> list[Method]:
    """What is to be compared, with labels and files of their own.

    Raises:
        ValueError: Two have one label, there is no such baseline, or one
            only ranks pixels, which says nothing of a uniform blur.
        OSError: There are no such weights.
        ImportError: A baseline or TensorFlow is not installed.
    """
    found = [_named('model', given, 'px') for given in options.model]
    found += [_named('predictions', given, options.foreign_unit())
              for given in options.predictions]
    found += [Method(name, 'baseline', name, baselines.load(name).UNIT)
              for name in options.baseline if name != 'all']
    if 'all' in options.baseline:
        found += _all_baselines(options.protocol, set(options.baseline))
    ranking = [method.label for method in found if method.unit == 'score']
    if ranking and options.protocol == 'uniform':
        raise ValueError(f'uniform needs maps in px; {", ".join(ranking)} '
                         'only ranks pixels.')
    labels = [method.label for method in found]
    if len(set(map(_file_label, labels))) < len(labels):
        raise ValueError('Each method needs another label (LABEL=FILE). '
                         f'Received: {labels}.')
    return found


def _all_baselines(protocol, named):
    """Every baseline besides those that are named; of uniform those in px."""
    units = {name: baselines.load(name).UNIT for name in baselines.NAMES
             if name not in named}
    return [Method(name, 'baseline', name, unit)
            for name, unit in units.items()
            if protocol != 'uniform' or unit == 'px']


def _named(kind, given, unit):
    """A Method of FILE or LABEL=FILE."""
    # Folders may be called lr=1e-3: what exists has no label.
    label, _, source = (('', '', given) if pathlib.Path(given).exists()
                        else given.rpartition('='))
    name = pathlib.Path(source)
    if kind == 'predictions':
        return Method(label or name.name, kind, source, unit)
    return Method(label or name.stem, kind, source, unit,
                  model_files.digest(source))


def _file_label(label):
    return re.sub(r'[^\w.-]+', '_', label)


def noise_levels(options: Options, method: Method) -> Sequence[float]:
    """Levels at which a method runs; foreign maps have one, called 0."""
    if method.kind == 'predictions':
        return [0.0]
    if options.noise is not None:
        return options.noise
    return protocols.RTF_NOISE if options.protocol == 'rtf' else [0.0]


def _prepare(options, method, noise, blur, found):
    """(Run, problems) of one method at one level of noise and blur."""
    cases, maps, problems = found.cases, {}, []
    foreign = method.kind == 'predictions'
    if foreign:
        maps, problems = pairing.match_predictions(
            method.source, [case.name for case in cases], found.names)
        cases = [case for case in cases if case.name in maps]
    output_dir = pathlib.Path(options.output_dir)
    name = (f'{method.kind}_{_file_label(method.label)}'
            + (f'_noise{noise:g}' if noise else '')
            + (f'_blur{blur:g}' if blur else ''))
    settings = options.settings(noise, blur, foreign)
    shown = 0 if options.protocol == 'uniform' else options.sheet_images
    jobs = [scoring.Job(case, method, settings, maps.get(case.name),
                        output_dir / 'sheet' / name / f'{case.name}.npy'
                        if i < shown else None)
            for i, case in enumerate(cases)]
    return Run(method, noise, blur, jobs,
               output_dir / 'scores' / f'{name}.jsonl'), problems


def _by_noise(runs):
    """Runs of one level together, levels in the order in which they came."""
    levels = list(dict.fromkeys(run.noise for run in runs))
    return sorted(runs, key=lambda run: levels.index(run.noise))


def _results(options, runs, wanted, problems):
    """See evaluate."""
    asked = json.loads(json.dumps(dataclasses.asdict(options), default=str))
    scored = [summary.read(run.path, options.sigma_threshold) for run in runs]
    return {
        'protocol': options.protocol, 'options': asked,
        'versions': report.versions(), 'problems': problems,
        'results': [{'method': run.method.label, 'kind': run.method.kind,
                     'source': run.method.source, 'digest': run.method.digest,
                     'unit': run.method.unit, 'noise': run.noise,
                     'blur': run.blur, **summary.summarize(one, wanted)}
                    for run, one in zip(runs, scored, strict=True)],
        'differences': _differences(runs, scored),
        **_published(options, dict.fromkeys(run.noise for run in runs),
                     wanted)}


def _differences(runs, scored):
    found = []
    for noise, blur in dict.fromkeys((run.noise, run.blur) for run in runs):
        methods = [(run.method.label, one)
                   for run, one in zip(runs, scored, strict=True)
                   if (run.noise, run.blur) == (noise, blur)]
        found += [{'noise': noise, 'blur': blur, **row}
                  for row in summary.differences(methods)]
    return found


def _published(options, levels, wanted):
    rows, apart = [], []
    for noise in levels:
        for row in published.rows(options.protocol, noise, options.dataset):
            said = {'method': row.method, 'source': row.source,
                    'split': row.split.name,
                    'same_split': published.is_of(row, wanted),
                    'noise': noise, 'scores': row.scores}
            if row.convention is None:
                rows.append(said)
            else:
                apart.append({**said, 'map': published.FORMULAS[row.convention],
                              'at_most': published.at_most(row)})
    return {'published': rows, 'published_apart': apart}
