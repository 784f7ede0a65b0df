"""The networks of a run with their first weights."""

import math

import keras
import tensorflow as tf

from dmenet_tf import foreign_weights, networks, variables, weights


def build_networks(config):
    """B, and D and S where their losses count, with their first weights."""
    nets = networks.Networks(
        B=networks.build_blur_estimator(config.width, config.refine_blocks,
                                        side_heads=config.lambda_aux > 0,
                                        padding=config.padding,
                                        encoder_norm=config.encoder_norm),
        D=networks.build_discriminator(config.width, config.width)
        if config.lambda_adv else None,
        S=networks.build_sharpness(config.width) if config.lambda_S else None)
    if config.initial_defocus is not None:
        _start_at(nets.B, config.initial_defocus)
    if config.init_weights:
        _copy_from_file(nets, config)
    elif config.vgg19 != 'none' and config.width == 64:
        foreign_weights.initialise_vgg19(nets.B, config.vgg19)
    if config.batch_norm == 'frozen':
        for model in nets:
            for layer in model.layers if model is not None else ():
                if isinstance(layer, keras.layers.BatchNormalization):
                    layer.trainable = False
    return nets


def _start_at(b, defocus):
    """Sets the last bias of every map of B to the logit of `defocus`."""
    logit = math.log(defocus / (1.0 - defocus))
    for layer in b.layers:
        if layer.name == 'uf_c3':
            layer.bias.assign(tf.fill(layer.bias.shape, logit))
        elif layer.name.endswith('_aux_b2'):
            layer.beta.assign(tf.fill(layer.beta.shape, logit))


def _copy_from_file(nets, config):
    """Copies what the file has of the networks that are trained."""
    source, _ = weights.average(config.init_weights)
    for letter, model in nets._asdict().items():
        other = getattr(source, letter)
        if model is None or other is None:
            continue
        theirs = variables.of(other)
        for name, variable in variables.of(model).items():
            if name not in theirs or theirs[name].shape != variable.shape:
                raise ValueError(
                    f'{config.init_weights[0]}: {letter}/{name} is missing or '
                    'has another shape; --width and --refine_blocks must be '
                    'those of the file.')
            variable.assign(theirs[name])


def build_content(config):
    """C with VGG19's weights, or None. Its width is 64 whatever B's is."""
    if not config.lambda_C:
        return None
    if config.vgg19 == 'none':
        return networks.build_content(config.width, config.content_layer)
    content = networks.build_content(layer=config.content_layer)
    foreign_weights.initialise_vgg19(content, config.vgg19)
    return content
