"""Every setting of a training, its presets, and what contradicts what.

Neither TensorFlow nor absl is imported here.
"""

import dataclasses
import logging

from dmenet_tf import optics


@dataclasses.dataclass(frozen=True)
class Augment:
    """Largest random changes of the training pictures; the defaults make none.

    The first four change sigma, and their label with it; they are made to the
    synthetic dataset alone. The others leave sigma as it is and are made to
    all, so that D cannot tell the datasets apart by them. u is uniform in
    [0, 1].

    Attributes:
        zoom: Scales are drawn from 1 / zoom to zoom, uniformly in their
            logarithm.
        blur: Largest sigma of a Gaussian over the whole picture, px.
        blur_share: Part of the pictures that get one.
        blur_power: Its sigma is blur * u**blur_power.
        grey: Part of the pictures that lose their colours.
        exposure: Stops up or down.
        gamma: log2 of gamma, up or down.
        noise: Standard deviation, in codes of 255.
        noise_power: It is noise * u**noise_power.
        grain: Correlation of the noise between neighbouring pixels and
            between channels, in [0, 1]; see augment.add_noise.
        jpeg_quality: The lowest; 100 is off.
    """
    zoom: float = 1.0
    blur: float = 0.0
    blur_share: float = 0.5
    blur_power: float = 1.0
    grey: float = 0.0
    exposure: float = 0.0
    gamma: float = 0.0
    noise: float = 0.0
    noise_power: float = 1.0
    grain: float = 0.0
    jpeg_quality: int = 100


# What --augment names.
AUGMENT = {
    'none': Augment(),
    # Photographs of strangers: of any size, soft all over or nowhere, noisy
    # as finished pictures are, compressed. The values that the bundled
    # `small` was trained with in its last stage.
    'photographs': Augment(
        zoom=2.0, blur=7.0, blur_share=0.5, blur_power=2.0, grey=0.3,
        exposure=0.5, gamma=0.3, noise=8.0, noise_power=2.0, grain=1.0,
        jpeg_quality=70)}


def _field(default, help_text, values=None):
    """A setting: its default, its help, and what it may be."""
    if isinstance(default, list):
        return dataclasses.field(default_factory=list,
                                 metadata={'help': help_text})
    return dataclasses.field(default=default, metadata={
        'help': help_text, 'values': values})


@dataclasses.dataclass(frozen=True)
class Config:
    """Every setting of a run; each is a flag of the same name."""
    workdir: str = _field(None, 'Folder of the run; made if missing.')
    # Data.
    synthetic: list = _field([], 'SYNDOF folders: image/ with sigma/, or the '
                             "authors' image/ with blur_map/.")
    real: list = _field([], 'Folders of photographs without labels, D_R.')
    binary: list = _field([], 'Folders with image/ and gt/ (blur masks), D_B.')
    validate_synthetic: list = _field(
        [], 'SYNDOF folders to validate on, in place of --hold_out.')
    validate_binary: list = _field(
        [], 'Folders with masks to validate on, in place of --hold_out.')
    hold_out: float = _field(
        0.05, 'Part of the synthetic scenes and of the masked photographs '
        'that is kept from training and validated on.')
    convention: str = _field(
        None, "What the network's map means: sigma7 (default) or legacy15. "
        "Must be said for the authors' folders, whose labels it explains.",
        ['sigma7', 'legacy15'])
    crop: int = _field(240, 'Side of the training crops, px.')
    rotate: str = _field(
        None, 'Turns of pictures without sigma: by any angle (preset paper) '
        'or by quarters (preset official). Pictures with sigma turn by '
        'quarters only.', ['any', 'quarter'])
    zoom: float = _field(1.0, 'Random scale of pictures with sigma, from '
                         '1 / zoom to zoom; sigma is scaled with them.')
    blur: float = _field(0.0, 'Random blur of whole pictures with sigma: '
                         'largest sigma, px. So B sees pictures without '
                         'anything sharp.')
    blur_share: float = _field(0.5, 'Part of the pictures with sigma that '
                               '--blur blurs.')
    blur_power: float = _field(1.0, 'Above 1, small sigmas of --blur are drawn '
                               'more often: --blur * u**blur_power, u even.')
    grey: float = _field(0.0, 'Part of the pictures that lose their colours.')
    exposure: float = _field(0.0, 'Random exposure: most stops up or down.')
    gamma: float = _field(0.0, 'Random gamma: most of |log2 gamma|.')
    noise: float = _field(0.0, 'Random noise: largest std, of 255.')
    noise_power: float = _field(1.0, 'Above 1, little noise is drawn more '
                                'often: --noise * u**noise_power, u even.')
    grain: float = _field(0.0, 'Random correlation of the noise between '
                          'neighbouring pixels and between channels, as in '
                          'finished photographs: at most this, in [0, 1].')
    jpeg_quality: int = _field(100, 'Random JPEG: lowest quality; 100 is off.')
    cache: str = _field('none', 'Where prepared pictures are kept: none, ram, '
                        'or a folder.')
    skip_corrupt: bool = _field(False, 'Use the next picture in place of one '
                                'that cannot be read.')
    # Networks.
    width: int = _field(64, "Kernels of B's first level.")
    refine_blocks: int = _field(7, 'Refinement blocks of B.')
    padding: str = _field('symmetric', "What B's convolutions see beyond the "
                          'border; zero is faster where B is narrow.',
                          ['symmetric', 'zero'])
    encoder_norm: bool = _field(
        False, "Batch normalisation in B's encoder too: with --vgg19=none it "
        'learns faster.')
    vgg19: str = _field('imagenet', 'VGG19 for the encoder and C: imagenet '
                        '(download), an .h5, .npy or .npz file, or none.')
    init_weights: list = _field([], 'Weights file to start from; of several, '
                                'the mean.')
    initial_defocus: float = _field(
        None, "What B's maps are before training, in (0, 1). Close to the "
        'mean label it saves the steps that biases need to get there. By '
        'default about 0.5.')
    batch_norm: str = _field(
        'all', "Whose statistics B's moving averages follow: those of all "
        'sets (as the authors), of the synthetic one, or none: frozen '
        'normalises by the averages and keeps them.',
        ['all', 'synthetic', 'frozen'])
    # Losses.
    preset: str = _field('paper', 'Losses, batch and turns of the paper or of '
                         "the authors' released code.", ['paper', 'official'])
    map_error: str = _field('mse', 'Error of the maps in L_B and L_aux: mse '
                            '(the paper), or mae, to which half a pixel counts '
                            'as much where all is sharp as under large blur.',
                            ['mse', 'mae'])
    lambda_adv: float = _field(None, 'Weight of L_adv; 0 leaves D out. '
                               'Default: 1e-3.')
    lambda_D: float = _field(None, 'Weight of L_d. Default: 1.')
    lambda_C: float = _field(None, 'Weight of L_C; 0 leaves C out. Default: '
                             '1e-4, or 0 with --vgg19=none.')
    content_layer: str = _field(
        'conv4_4', 'Convolution of VGG19 whose features L_C compares: '
        "the paper's, or an earlier one, up to which --vgg19 must reach.",
        [f'conv{block}_{i}' for block, last in enumerate((2, 2, 4, 4), 1)
         for i in range(1, last + 1)])
    lambda_S: float = _field(None, 'Weight of L_S; 0 leaves S out. Default: '
                             '2e-2.')
    lambda_aux: float = _field(None, 'Weight of L_aux; 0 leaves the side '
                               'heads out. Default: 1.')
    # Optimisation.
    batch: int = _field(None, 'Pictures per set and step, over all replicas. '
                        'Default: 4 (paper), 3 (official).')
    steps: int = _field(None, 'Steps in all.')
    epochs: float = _field(None, 'Passes over the synthetic set in all. '
                           'Default: 60.')
    learning_rate: float = _field(1e-4, "Adam's, at the start.")
    schedule: str = _field('exponential', 'Of the learning rate.',
                           ['exponential', 'cosine', 'constant'])
    decay_rate: float = _field(0.8, 'Of schedule exponential.')
    decay_epochs: float = _field(20.0, 'Of schedule exponential.')
    warm_up_steps: int = _field(0, 'First steps in which B learns from L_B '
                                'alone.')
    ema: float = _field(0.0, "Decay of a moving average of B's weights, which "
                        'is then validated and saved; 0 is off.')
    seed: int = _field(0, 'Of everything random.')
    # Execution.
    precision: str = _field('float32', "Keras's policy.",
                            ['float32', 'mixed_float16', 'mixed_bfloat16'])
    xla: bool = _field(False, 'Compile the step with XLA.')
    deterministic: bool = _field(False, "TensorFlow's deterministic ops; "
                                 'slower. Small networks then give the same '
                                 'numbers in every run on the same machine, '
                                 'larger ones nearly.')
    distribute: str = _field('none', 'tf.distribute strategy; multi_worker '
                             'reads TF_CONFIG.',
                             ['none', 'mirrored', 'multi_worker'])
    # Records.
    checkpoint_every: int = _field(1000, 'Steps between checkpoints.')
    keep_checkpoints: int = _field(3, 'Last checkpoints that are kept.')
    log_every: int = _field(50, 'Steps between scalars in the event files.')
    validate_every: int = _field(0, 'Steps between validations; 0: one epoch.')
    best_by: str = _field('mse', 'What best.npz is best in on the held-out '
                          'pictures: mse of the map, or accuracy of the '
                          'binary blur.', ['mse', 'accuracy'])



# What may change on resuming, because it changes no weight.
FREE_ON_RESUME = frozenset({
    'workdir', 'cache', 'checkpoint_every', 'keep_checkpoints', 'log_every',
    'validate_every'})
_PRESETS = {'paper': {'batch': 4, 'rotate': 'any'},
            'official': {'batch': 3, 'rotate': 'quarter'}}
_LAMBDAS = {'lambda_adv': 1e-3, 'lambda_D': 1.0, 'lambda_C': 1e-4,
            'lambda_S': 2e-2, 'lambda_aux': 1.0}


def resolve(config):
    """Fills in what depends on other settings and refuses contradictions.

    Args:
        config: Config.

    Returns:
        Config without open defaults, except steps and epochs.

    Raises:
        ValueError: Settings contradict each other; one line says which.
    """
    preset = {**_LAMBDAS, **_PRESETS[config.preset]}
    if config.vgg19 == 'none':
        preset['lambda_C'] = 0.0
    if config.steps is None and config.epochs is None:
        preset['epochs'] = 60.0
    unset = {name: value for name, value in preset.items()
             if getattr(config, name, None) is None}
    config = dataclasses.replace(config, **unset)
    for wrong, message in _contradictions(config):
        if wrong:
            raise ValueError(message)
    if config.lambda_C and config.vgg19 == 'none':
        logging.warning('C has random weights: --lambda_C with --vgg19=none.')
    return config


def _contradictions(c):
    """Pairs (whether it holds, what to say)."""
    return [
        (not c.workdir, 'Needed: --workdir, the folder of the run.'),
        (not c.synthetic, 'Needed: --synthetic, a SYNDOF folder '
         '(python -m dmenet_tf.syndof makes one).'),
        (c.lambda_S and not c.binary, 'L_S needs photographs with blur masks: '
         'pass --binary, or --lambda_S=0 to train without S.'),
        (c.lambda_adv and not (c.real or c.binary),
         'L_adv needs real photographs: pass --real or --binary, or '
         '--lambda_adv=0 to train without D.'),
        (c.steps is not None and c.epochs is not None,
         'Pass --steps or --epochs, not both.'),
        (c.crop % 16 or c.crop < 16, '--crop must be a multiple of 16, '
         f'because B halves its input four times. Received: {c.crop}.'),
        (c.batch < 1, f'--batch must be at least 1. Received: {c.batch}.'),
        (not 0 <= c.hold_out < 1,
         f'--hold_out must be in [0, 1). Received: {c.hold_out}.'),
        (not 0 <= c.ema < 1, f'--ema must be in [0, 1). Received: {c.ema}.'),
        (c.steps is not None and c.warm_up_steps >= c.steps > 0,
         f'--warm_up_steps={c.warm_up_steps} leaves nothing of '
         f'--steps={c.steps}.'),
        (min(c.lambda_adv, c.lambda_D, c.lambda_C, c.lambda_S,
             c.lambda_aux) < 0, 'Weights of losses must not be negative.'),
        (c.initial_defocus is not None and not 0 < c.initial_defocus < 1,
         '--initial_defocus must be in (0, 1). '
         f'Received: {c.initial_defocus}.'),
        (not 0 <= c.blur <= optics.MAX_SIGMA,
         f'--blur must be in [0, {optics.MAX_SIGMA:g}]. Received: {c.blur}.'),
        (not 0 < c.blur_share <= 1,
         f'--blur_share must be in (0, 1]. Received: {c.blur_share}.'),
        (c.blur_power <= 0, '--blur_power must be above 0. '
         f'Received: {c.blur_power}.'),
        (c.noise_power <= 0, '--noise_power must be above 0. '
         f'Received: {c.noise_power}.'),
        (not 0 <= c.grain <= 1, '--grain must be in [0, 1]. '
         f'Received: {c.grain}.'),
        (not 1 <= c.zoom <= 4,
         f'--zoom must be in [1, 4]. Received: {c.zoom}.'),
        (not 0 <= c.grey <= 1,
         f'--grey must be in [0, 1]. Received: {c.grey}.'),
        (not 1 <= c.jpeg_quality <= 100, '--jpeg_quality must be in 1..100. '
         f'Received: {c.jpeg_quality}.'),
        (min(c.checkpoint_every, c.keep_checkpoints, c.log_every) < 1,
         '--checkpoint_every, --keep_checkpoints and --log_every must be at '
         'least 1.'),
        (c.best_by == 'accuracy' and not (
            c.validate_binary or (c.binary and c.hold_out)),
         '--best_by=accuracy needs --validate_binary or --hold_out.'),
    ]
