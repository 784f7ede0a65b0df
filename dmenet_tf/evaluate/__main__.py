"""Scores defocus maps under the paper's protocols, rivals beside them.

    python -m dmenet_tf.evaluate --protocol=cuhk \\
        --images=CUHK/image --ground_truth=CUHK/gt \\
        --model=small --baseline=zhuo_sim --predictions=other_tool/maps \\
        --output_dir=evaluation/cuhk

--model, --baseline and --predictions may each be given several times;
--predictions alone need no --images. Writes into output_dir

    report.html      everything on one page that needs no other file
    report.md        its tables
    results.json     all figures, with options, versions, digests of weights
    per_image.csv    one row per image, method and noise level
    bars.png, precision_recall.png or error_by_blur.png, sheet.png; of
    uniform median_sigma.png

and prints the tables, with 95 % intervals over the photographs, how the
methods differ on the same ones, and the literature's numbers marked
`published`. Every file that cannot be scored costs one line; the table says
how many images were scored of how many; the exit status is then 1. The same
command again goes on where an interrupted one stopped. TensorFlow is needed
for --model, and for the baseline `park`.
"""

import dataclasses
import io
import os
import shutil
import sys

from absl import flags

from dmenet_tf import baselines, command, optics
from dmenet_tf.evaluate import tables
from dmenet_tf.evaluate.options import DATASETS, PROTOCOLS, UNITS, Options
from dmenet_tf.evaluate.run import evaluate

GROUPS = {
    'What to score': ['protocol', 'ground_truth', 'images', 'dataset', 'split',
                      'output_dir'],
    'What to compare': ['model', 'baseline', 'predictions', 'noise', 'blurs',
                        'sigma_threshold', 'structure'],
    'What predictions hold': ['prediction_unit', 'prediction_scale',
                              'sharp_is_bright'],
    'What truths hold': ['truth_scale', 'truth_offset', 'unknown_code',
                         'convention', 'masks_sharp_is_bright'],
}


def define_flags() -> None:
    """One flag for each field of Options."""
    flags.DEFINE_enum(
        'protocol', None, PROTOCOLS, 'cuhk, detection: blurred or not (masks, '
        'the larger code = blurred); rtf: disc radii; syndof: sigma made by '
        'dmenet_tf.syndof; sigma: any data with a sigma map, unknown where '
        'valid/NAME.png beside it is 0; uniform: sharp photographs, as they '
        'are and blurred here, without a truth.')
    flags.DEFINE_string(
        'ground_truth', None, 'Folder of the truths, named after the '
        'photographs (RTF: map_05.mat and image_05.png).')
    flags.DEFINE_string(
        'images', None, 'Folder of the photographs; --predictions alone need '
        'none.')
    flags.DEFINE_enum(
        'dataset', 'cuhk', DATASETS, 'detection: whose masks these are: CUHK, '
        'DUT-DBD, CTCUG or EBD. It says which code is sharp, and which '
        'published figures stand beside.')
    flags.DEFINE_string(
        'split', None, 'test or train (the published lists of CUHK), all '
        '(every file found), or a text file with one name a line. Default: '
        "test for CUHK's masks, else all.")
    flags.DEFINE_string('output_dir', None, 'Folder to write.')
    flags.DEFINE_multi_string(
        'model', [], 'Weights: bundled name or file, as for '
        'dmenet_tf.predict, or LABEL=FILE.')
    flags.DEFINE_multi_enum(
        'baseline', [], (*baselines.NAMES, 'all'), 'Classical method, or a '
        "rival of the paper made again; all: every one (uniform: every one in "
        'px).')
    flags.DEFINE_multi_string(
        'predictions', [], "Folder of another tool's maps, or LABEL=FOLDER; "
        'named after the photographs, with or without a suffix of the tool.')
    flags.DEFINE_list(
        'noise', None, 'Standard deviations of Gaussian noise added to the '
        'photographs, on [0, 255]. Default: 0; for rtf 0,1.0,1.6.')
    flags.DEFINE_list(
        'blurs', None, 'uniform: sigma of the Gaussians that each photograph '
        'is blurred with, px. Default: 0,1,2,4,6.')
    flags.DEFINE_float(
        'sigma_threshold', None, 'cuhk, detection: what a map in px calls '
        'blurred, px, the same for all photographs. Default: the best one on '
        'these photographs, and it is said so; choose it on others.')
    flags.DEFINE_bool(
        'structure', False, 'cuhk, detection: E- and S-measure too, which '
        'need the extra `detection`.')
    flags.DEFINE_bool(
        'masks_sharp_is_bright', False, 'cuhk, detection: the larger code of '
        'a mask is sharp; of --dataset=dut and ebd it is known.')
    flags.DEFINE_enum(
        'prediction_unit', 'px', UNITS, 'What --predictions hold: sigma in '
        'px; the radius in px of a disc that blurs alike (disc_radius); '
        'network maps of a convention (codes / their maximum); or score: any '
        'scale, fitted to each truth by a line. Masks need no unit; with '
        'this or --prediction_scale, accuracy at a threshold in px is told '
        'too.')
    flags.DEFINE_float(
        'prediction_scale', None, 'px per code of --predictions in pictures.')
    flags.DEFINE_bool(
        'sharp_is_bright', False, 'The --predictions are bright where sharp.')
    flags.DEFINE_float(
        'truth_scale', None, 'sigma px per code of the truth. Default: 0.001 '
        'for 16-bit pictures, 1 for arrays of floats.')
    flags.DEFINE_float(
        'truth_offset', 0.0, 'sigma = truth_scale x code + truth_offset, px.')
    flags.DEFINE_float(
        'unknown_code', None, 'Code of truth pixels to leave out (sigma).')
    flags.DEFINE_enum(
        'convention', None, optics.CONVENTIONS, "Of the authors' blur_map "
        'folders: sigma7 (10 sigma) or legacy15 (10 (2 sigma + 1)).')
    flags.DEFINE_integer(
        'sheet_images', 4, 'Rows of the side-by-side sheet.', lower_bound=0)
    flags.DEFINE_integer(
        'workers', os.cpu_count(), 'Processes; a model runs in one.',
        lower_bound=1)


def options_from_flags() -> Options:
    """Options of the parsed flags.

    Raises:
        command.UsageError: A flag is missing, or a noise or blur is no
            number.
    """
    fields = dataclasses.fields(Options)
    given = {field.name: flags.FLAGS[field.name].value for field in fields}
    missing = [field.name for field in fields if given[field.name] is None
               and field.default is dataclasses.MISSING]
    if missing:
        raise command.UsageError('Pass --' + ', --'.join(missing) + '.')
    try:
        for name in ('noise', 'blurs'):
            if given[name] is not None:
                given[name] = [float(level) for level in given[name]]
        return Options(**given)
    except ValueError as error:
        raise command.UsageError(str(error)) from None


def main(arguments: list[str]) -> int:
    if arguments:
        raise command.UsageError(f'Unexpected arguments: {arguments}.')
    options = options_from_flags()
    results = evaluate(options)
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Of a terminal that has no arrows.
        sys.stdout.reconfigure(errors='replace')
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    print(f'\n{tables.as_text(results, width)}\n\nWrote {options.output_dir}'
          '/report.html and what is beside it.')
    if results['problems']:
        print(f'Problems: {len(results["problems"])}; see above.')
    return 1 if results['problems'] else 0


if __name__ == '__main__':
    command.run(main, define_flags, __doc__, GROUPS)
