"""The networks of a run with their first weights."""

import logging
import math
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from dmenet_tf import (
    foreign_weights,
    inference,
    networks,
    optics,
    sigma_files,
    variables,
    weights,
)
from dmenet_tf.train.config import Config, vgg19_fits_b
from dmenet_tf.train.store import Store

_LABELS = 100  # Pictures that mean_label looks at.


def mean_label(store: Store, convention: str) -> float:
    """The mean of the network's labels over a hundred pictures, or all.

    Args:
        store: Of the synthetic pictures.
        convention: What the labels mean, see optics.

    Raises:
        ValueError, OSError: A picture cannot be read, see Store.readable; or
            no pixel has a label.
    """
    count = len(store.dataset)
    means = []
    for i in range(0, count, -(-count // _LABELS)):
        _, codes = store.readable(i)
        defocus = optics.defocus_from_sigma(
            sigma_files.sigma_from_codes(codes), convention)
        known = defocus[~np.isnan(defocus)]
        if known.size:
            means.append(np.minimum(known, 1.0).mean())
    if not means:
        raise ValueError('--synthetic: valid/ leaves out every pixel of '
                         f'{store.dataset.images[0]} and others.')
    return float(np.mean(means))


def build_networks(config: Config, defocus: float | None = None
                   ) -> networks.Networks:
    """B, and D and S where their losses count, with their first weights.

    Args:
        config: Resolved.
        defocus: What B's maps are about in the beginning, such as the mean
            label; None: about 0.5.

    Raises:
        ValueError, OSError: One line: what a file of weights lacks, or that
            VGG19's could not be had.
    """
    width = config.decoder_width  # Of what D and S look at.
    nets = networks.Networks(
        B=networks.build_blur_estimator(config.width, config.refine_blocks,
                                        side_heads=config.lambda_aux > 0,
                                        padding=config.padding,
                                        encoder_norm=config.encoder_norm,
                                        decoder_width=width,
                                        encoder=config.encoder),
        D=networks.build_discriminator(width, width)
        if config.lambda_adv else None,
        S=networks.build_sharpness(width) if config.lambda_S else None)
    if defocus is not None:
        _start_at(nets.B, defocus)
    if config.init_weights:
        _copy_from_files(nets, config.init_weights)
    elif config.vgg19 != 'none' and vgg19_fits_b(config):
        foreign_weights.initialise_vgg(nets.B, config.vgg19)
    if config.batch_norm == 'frozen':
        _freeze_statistics(nets.B)
    return nets


def build_content(config: Config) -> keras.Model | None:
    """C with VGG19's weights, or None. Its width is 64 whatever B's is.

    Args:
        config: Resolved; with vgg19 'none' C is of B's width and random.

    Raises:
        ValueError, OSError: VGG19's weights could not be had.
    """
    if not config.lambda_C:
        return None
    if config.vgg19 == 'none':
        return networks.build_content(config.width)
    content = networks.build_content()
    foreign_weights.initialise_vgg(content, config.vgg19)
    return content


def build_teacher(config: Config
                  ) -> Callable[[tf.Tensor], tf.Tensor] | None:
    """The frozen network that B is to equal on photographs, or None.

    Args:
        config: Resolved.

    Returns:
        Function of RGB [b, h, w, 3] in [0, 1] with h, w multiples of 16 ->
        [b, h, w, 1] in [0, 1], float32, in the convention of the run.

    Raises:
        OSError, ValueError: See weights.load_model.
    """
    if not config.teacher:
        return None
    estimator = inference.fold(weights.load_model(config.teacher),
                               config.precision.removeprefix('mixed_'))
    theirs = estimator.get_layer('sigma').convention
    ours = config.convention or 'sigma7'

    def teach(image):
        defocus = estimator.get_layer('B')(image, training=False)['defocus']
        if theirs != ours:
            sigma = optics.sigma_from_defocus(defocus, theirs)
            defocus = tf.minimum(optics.defocus_from_sigma(sigma, ours), 1.0)
        return tf.stop_gradient(defocus)
    return teach


def _start_at(b, defocus):
    """Sets the last bias of every map of B to the logit of `defocus`.

    A bias moves by about the learning rate a step under Adam, so that from
    0.5 to the mean label is a long way.
    """
    defocus = min(max(defocus, 0.01), 0.99)
    logit = math.log(defocus / (1.0 - defocus))
    for layer in b.layers:
        if layer.name == 'uf_c3':
            layer.bias.assign(tf.fill(layer.bias.shape, logit))
        elif layer.name.endswith('_aux_b2'):
            layer.beta.assign(tf.fill(layer.beta.shape, logit))


def _freeze_statistics(b):
    """B normalises by its moving averages, in training too; D and S do not."""
    for layer in b.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable = False


def _copy_from_files(nets, sources):
    """Copies what the files have of the networks that are trained.

    Weights files for inference have no D, no S and no side heads: these start
    fresh. Anything else that is missing or misshapen is an error.
    """
    source, _ = weights.average(sources)
    fresh = []
    for letter, model in nets._asdict().items():
        other = getattr(source, letter)
        if model is not None and other is not None:
            fresh += _copy(model, other, ', '.join(sources))
        elif model is not None:
            fresh.append(letter)
    if fresh:
        logging.info('%s: comes without %s; these start anew.',
                     ', '.join(sources), ', '.join(fresh))


def _copy(model, other, source):
    """Copies one network; -> names of its parts that `other` lacks."""
    ours, theirs = variables.of(model), variables.of(other)
    heads = {name for name in ours if '_aux_' in name}
    lacking = bool(heads) and heads.isdisjoint(theirs)
    kept = {name: ours[name] for name in heads} if lacking else {}
    variables.assign(model, {name: tf.convert_to_tensor(variable).numpy()
                             for name, variable in (kept | theirs).items()},
                     source)
    return ['side heads'] if lacking else []
