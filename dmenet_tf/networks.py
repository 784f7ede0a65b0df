"""The four networks of DMENet: B, D, S and C [Lee 2019, Section 4, Fig. 2].

One photograph goes through them like this:

    image [b, h, w, 3] RGB in [0, 1]
      -> B -> 'defocus'  [b, h, w, 1] in [0, 1], the network's map of the blur
              'side'     five maps at h/16 ... h/1, deepest first (L_aux)
              'features' [b, h, w, width of the decoder], B_last of Eq. 7
    features -> D -> logits: does this come from a synthetic photograph?
    defocus  -> S -> logits: is this pixel blurred?
    defocus  -> C -> VGG19's conv4_4 features, in which L_C is measured

The paper leaves the layers to its supplement. These are the layers of the
authors' released graph, with its names, so that its checkpoints can be read
(foreign_weights.load_authors_checkpoint) and give the same numbers:

* 3x3 convolutions of B and C see one pixel of symmetric padding, not zeros:
  zeros would be a dark sharp frame around every photograph.
* Batch normalisation has no scale (beta only), epsilon 1e-5, decay 0.9.
* h and w must be multiples of 16; inference.py pads what is not.

`width` is 64 in the paper; all kernel counts scale with it. Not in the paper:
a decoder narrower than its encoder, and an encoder of VGG16's convolutions
(docs/departures.md). This module imports `keras` alone and runs on Keras 2.15
and on Keras 3 with any backend. Under a mixed-precision policy maps and logits
stay float32.
"""

import contextlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import keras
from keras import layers

from dmenet_tf.layers import (
    BatchNormalization,
    Doubling,
    LeakyReLU,
    ReversedChannels,
    SymmetricPadding,
)

# Mean of ImageNet in BGR, 0..255, as VGG19's published weights expect it.
VGG_MEAN_BGR = (103.939, 116.779, 123.68)
# Convolutions in each of the five blocks [Simonyan 2015, columns E and D].
ENCODERS = {'vgg19': (2, 2, 4, 4, 4), 'vgg16': (2, 2, 3, 3, 3)}
PADDINGS = ('symmetric', 'zero')
# B halves its input this many times, so sides must be multiples of 2**4.
STRIDE = 16


@contextlib.contextmanager
def policy(name: str) -> Iterator[None]:
    """Keras's policy for as long as the block lasts."""
    before = keras.mixed_precision.global_policy()
    keras.mixed_precision.set_global_policy(name)
    try:
        yield
    finally:
        keras.mixed_precision.set_global_policy(before)


class Networks(NamedTuple):
    """The networks that training moves; C is frozen and built when needed."""
    B: keras.Model
    D: keras.Model
    S: keras.Model


class _Style(NamedTuple):
    """What all convolutions of a network have in common.

    Attributes:
        padding: 'symmetric' or 'zero', see build_blur_estimator.
        encoder_norm: Whether VGG19's convolutions are normalised too.
        folded: Whether there is no batch normalisation.
    """
    padding: str = 'symmetric'
    encoder_norm: bool = False
    folded: bool = False


_PLAIN = _Style()


def _conv(x, filters, kernel_size, name, style=_PLAIN, dtype=None, **kwargs):
    """A convolution that keeps [h, w]."""
    border = 'same'
    if kernel_size == 3 and style.padding == 'symmetric':
        x = SymmetricPadding(dtype=dtype, name=f'{name}_pad')(x)
        border = 'valid'
    return layers.Conv2D(filters, kernel_size, padding=border, dtype=dtype,
                         name=name, kernel_initializer='he_normal',
                         **kwargs)(x)


def _batch_norm(x, name):
    return BatchNormalization(momentum=0.9, epsilon=1e-5, name=name)(x)


def _lrelu(x, name):
    return LeakyReLU(0.2, name=name)(x)


def _conv_bn_lrelu(x, filters, kernel_size, level, index, style=_PLAIN):
    """conv -> BN -> LeakyReLU(0.2), named '<level>_c<index>' and so on."""
    x = _conv(x, filters, kernel_size, f'{level}_c{index}', style)
    if not style.folded:
        x = _batch_norm(x, f'{level}_b{index}')
    return _lrelu(x, f'{level}_a{index}')


def _vgg_input(image):
    """RGB in [0, 1] -> BGR in 0..255 minus ImageNet's mean.

    Float32 under every policy: bfloat16 would round 8-bit grey levels.
    """
    bgr = ReversedChannels(dtype='float32', name='bgr')(image)
    return layers.Rescaling(255.0, offset=[-mean for mean in VGG_MEAN_BGR],
                            dtype='float32', name='preprocess')(bgr)


def _vgg(x, width, blocks, style=_PLAIN):
    """VGG's convolutions; returns the last activation of each block.

    Args:
        x: What _vgg_input returns.
        width: Kernels of the first block.
        blocks: Convolutions of each block, see ENCODERS.
        style: _Style.
    """
    activations = []
    for block, count in enumerate(blocks, start=1):
        for i in range(1, count + 1):
            name, filters = f'conv{block}_{i}', width * min(2**(block - 1), 8)
            if style.encoder_norm and not style.folded:
                x = _batch_norm(_conv(x, filters, 3, name, style),
                                f'{name}_b')
                x = layers.ReLU(name=f'{name}_a')(x)
            else:
                # Grey levels that bfloat16 would round to 1 of 255 decide
                # what is seen of noise. Three channels cost little.
                exact = style.folded and name == 'conv1_1'
                x = _conv(x, filters, 3, name, style, activation='relu',
                          dtype='float32' if exact else None)
        activations.append(x)
        if block < len(blocks):
            x = layers.MaxPooling2D(2, name=f'pool{block}')(x)
    return activations


def _side_head(x, width, level, style):
    """A_l: features of level l -> defocus map of level l [Lee 2019, Eq. 6]."""
    filters = max(width * 2**max(level, 1) // 4, 1)  # 256, 128, 64, 32, 32
    x = _conv_bn_lrelu(x, filters, 3, f'u{level}_aux', 1, style)
    x = _batch_norm(_conv(x, 1, 3, f'u{level}_aux_c2', style),
                    f'u{level}_aux_b2')
    return layers.Activation('sigmoid', dtype='float32',
                             name=f'side{level}')(x)


def _upsample(x, skip, level):
    x = Doubling(2, interpolation='nearest', name=f'u{level}_up')(x)
    return layers.Concatenate(name=f'u{level}_skip')([x, skip])


def _refine(x, width, block, style):
    """One refinement block: a 1x1 path plus two 3x3 convolutions, added."""
    shortcut = _conv_bn_lrelu(x, width, 1, 'u0', f'_res{block}', style)
    for i in (1, 2):
        x = _conv_bn_lrelu(x, width, 3, 'u0', f'{block}_{i}', style)
    return layers.Add(name=f'u0_sum{block}')([shortcut, x])


def build_blur_estimator(width: int = 64, refine_blocks: int = 7,
                         side_heads: bool = True, padding: str = 'symmetric',
                         encoder_norm: bool = False,
                         decoder_width: int | None = None,
                         encoder: str = 'vgg19',
                         folded: bool = False) -> keras.Model:
    """Builds B: photograph -> defocus map [Lee 2019, Section 4.2].

    A U-net whose encoder is VGG19's, with nearest-neighbour upsampling, then
    refinement blocks with short skip connections at full resolution.

    Args:
        width: Kernels of the first level, 64 in the paper.
        refine_blocks: Refinement blocks after the last upsampling, 7 in the
            paper.
        side_heads: Whether to add the five auxiliary maps of Eq. 6. Only
            training needs them; weights load by name with or without.
        padding: What 3x3 convolutions see beyond the border: 'symmetric' (the
            authors' graph), or 'zero', which a narrow network can learn to
            live with and which saves it a pass over memory per convolution.
        encoder_norm: Batch normalisation after the encoder's convolutions
            too. VGG19 has none; without its weights training is slow to start.
        decoder_width: Kernels of the decoder at full resolution, which all
            its counts and those of the side heads scale with; None: `width`
            (the paper).
        encoder: Whose convolutions: 'vgg19' (the paper), or 'vgg16', which
            has one less in blocks 3, 4 and 5.
        folded: Leave batch normalisation out, for inference.fold, which puts
            it into the convolutions. Without side heads only.

    Returns:
        Model, RGB [b, h, w, 3] in [0, 1] with h, w multiples of 16 -> dict of
        `defocus` [b, h, w, 1] in [0, 1] float32; `side`, with side_heads
        only: list of [b, h / 2**l, w / 2**l, 1] float32 for l = 4, 3, 2, 1,
        0; `features` B_last, [b, h, w, decoder_width] in the policy's
        compute dtype.

    Raises:
        ValueError: Unknown padding or encoder; or Keras is set to
            channels_first.
    """
    if keras.backend.image_data_format() != 'channels_last':
        raise ValueError(
            'dmenet_tf needs channels_last, and Keras is set to '
            f'{keras.backend.image_data_format()} (~/.keras/keras.json, or '
            'set_image_data_format).')
    for name, value, known in (('padding', padding, PADDINGS),
                               ('encoder', encoder, tuple(ENCODERS))):
        if value not in known:
            raise ValueError(
                f'{name} must be one of {known}. Received: {value!r}.')
    style = _Style(padding, encoder_norm, folded)
    image = keras.Input((None, None, 3), name='image')
    *skips, x = _vgg(_vgg_input(image), width, ENCODERS[encoder], style)
    width = decoder_width or width

    # Decoder: h/16 -> h. Each level sees the encoder's features of its size.
    levels = {4: x}
    for level in (3, 2, 1):
        x = _upsample(x, skips[level], level)
        for i in (1, 2, 3):
            x = _conv_bn_lrelu(x, width * 2**(level - 1), 3, f'u{level}', i,
                               style)
        levels[level] = x
    x = _upsample(x, skips[0], 0)
    x = levels[0] = _conv_bn_lrelu(x, width, 3, 'u0', '_init', style)

    for block in range(refine_blocks):
        x = _refine(x, width, block, style)
    x = _conv_bn_lrelu(x, width, 3, 'uf', 1, style)
    x = _conv_bn_lrelu(x, max(width // 2, 1), 3, 'uf', 2, style)
    x = _conv(x, 1, 3, 'uf_c3', style)
    defocus = layers.Activation('sigmoid', dtype='float32', name='defocus')(x)
    outputs = {'defocus': defocus, 'features': levels[0]}
    if side_heads:
        outputs['side'] = [_side_head(x, width, level, style)
                           for level, x in levels.items()]
    return keras.Model(image, outputs, name='B')


def architecture(b: keras.Model) -> dict[str, Any]:
    """The arguments that build_blur_estimator made this B from."""
    names = {layer.name for layer in b.layers}
    return {'width': int(b.get_layer('conv1_1').kernel.shape[-1]),
            'decoder_width': int(b.get_layer('uf_c1').kernel.shape[-1]),
            'encoder': 'vgg19' if 'conv3_4' in names else 'vgg16',
            'refine_blocks': sum(name.startswith('u0_sum') for name in names),
            'side_heads': 'side4' in names,
            'padding': 'symmetric' if 'conv1_1_pad' in names else 'zero',
            'encoder_norm': 'conv1_1_b' in names}


def convolutions(model: keras.Model) -> list[str]:
    """The names of a network's convolutions, in the order of its layers."""
    return [layer.name for layer in model.layers
            if isinstance(layer, layers.Conv2D)]


def readers(b: keras.Model) -> dict[str, tuple[str | None, str]]:
    """Which convolutions of B's decoder read its encoder.

    Args:
        b: B.

    Returns:
        Name -> (the encoder's convolution that its first channels come from,
        enlarged, or None where they are the decoder's own; the one that its
        last channels are skipped from).
    """
    names = convolutions(b)
    last = [max(name for name in names if name.startswith(f'conv{block}_'))
            for block in range(1, 6)]
    return {'u3_c1': (last[4], last[3]), 'u2_c1': (None, last[2]),
            'u1_c1': (None, last[1]), 'u0_c_init': (None, last[0])}


def norm_name(conv: str) -> str:
    """The batch normalisation that follows a convolution, by its name."""
    return (f'{conv}_b' if conv.startswith('conv')
            else conv.replace('_c', '_b', 1))


def build_discriminator(channels: int = 64, width: int = 64) -> keras.Model:
    """Builds D: do these features of B come from a synthetic photo?

    [Lee 2019, Section 4.3]

    Args:
        channels: Depth c of B's features: the width of its decoder.
        width: Kernels of the first level; each level doubles them.

    Returns:
        Model, [b, h, w, c] -> float32 logits [b, ceil(h/32), ceil(w/32), 1].
    """
    features = keras.Input((None, None, channels), name='features')
    x = features
    for level in range(4):
        x = layers.Conv2D(width * 2**level, 4, strides=2, padding='same',
                          use_bias=False, kernel_initializer='he_normal',
                          name=f'h{level}_c1')(x)
        x = _lrelu(_batch_norm(x, f'h{level}_b1'), f'h{level}_a1')
    logits = layers.Conv2D(1, 4, strides=2, padding='same', use_bias=False,
                           dtype='float32', name='h4_c1')(x)
    return keras.Model(features, logits, name='D')


def build_sharpness(width: int = 64) -> keras.Model:
    """Builds S: defocus map -> is this pixel blurred? [Lee 2019, Section 4.5]

    1x1 convolutions alone: a wider view would smear B's map, because its
    gradients would reach pixels that B did not look at.

    Args:
        width: Kernels of the first three convolutions.

    Returns:
        Model, [b, h, w, 1] in [0, 1] -> float32 logits [b, h, w, 1].
    """
    defocus = keras.Input((None, None, 1), name='defocus')
    x = defocus
    for group, divisor in enumerate((1, 2, 4), start=1):
        for i in (1, 2, 3):
            x = _conv_bn_lrelu(x, max(width // divisor, 1), 1, f'l{group}', i)
    logits = layers.Conv2D(1, 1, dtype='float32', name='l4_c1')(x)
    return keras.Model(defocus, logits, name='S')


def build_content(width: int = 64) -> keras.Model:
    """Builds C: frozen VGG19 up to conv4_4, after ReLU [Lee 2019, Eq. 9].

    Args:
        width: Kernels of the first block; 64 is VGG19, others are for tests.

    Returns:
        Model without trainable weights, defocus map [b, h, w, 1] in [0, 1],
        repeated to three channels inside -> features of conv4_4
        [b, h/8, w/8, 8 width].
    """
    defocus = keras.Input((None, None, 1), name='defocus')
    rgb = layers.Concatenate(name='grey_to_rgb')([defocus] * 3)
    *_, features = _vgg(_vgg_input(rgb), width, ENCODERS['vgg19'][:4])
    model = keras.Model(defocus, features, name='C')
    model.trainable = False
    return model
