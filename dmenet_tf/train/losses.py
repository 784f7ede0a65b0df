"""The losses of Eqs. 3 to 10, one pure function each, by preset.

The paper and its authors' released code differ in four of them:

               `paper`                              `official`
    L_S        MSE of sigmoid(S) and b              sigmoid cross-entropy
    L_g's adv  mean over D_B + mean over D_R        half of that
    L_d        L_D(synthetic) + L_D(all real)       1e-3 (2 L_D(synthetic) +
                                                    L_D(D_B) + L_D(D_R)) / 2
    L_aux      nearest neighbour (the paper does    nearest neighbour with
               not say), pixel centres aligned      corners aligned

`photographs` has the cross-entropy, and else the paper's.

Maps, logits and labels are [b, h, w, 1]; every loss is a float32 scalar and a
mean over the batch. `preset` is one of config.PRESETS, `error` one of
config.ERRORS. `valid`, where given, is 1 where a label counts and 0 where it
is left out: the mean is then over what counts, and 0 where nothing does.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf


def _squared_error(a, b, valid=None):
    return _mean(tf.math.squared_difference(
        tf.cast(a, tf.float32), tf.cast(b, tf.float32)), valid)


def _mean(errors, valid):
    if valid is None:
        return tf.reduce_mean(errors)
    return (tf.reduce_sum(errors * valid)
            / tf.maximum(tf.reduce_sum(valid), 1.0))


def _cross_entropy(logits, label):
    """mean of (z - 1) log(1 - sigmoid(x)) - z log(sigmoid(x))."""
    logits = tf.cast(logits, tf.float32)
    label = tf.broadcast_to(tf.cast(label, tf.float32), tf.shape(logits))
    return tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(
        labels=label, logits=logits))


def map_loss(defocus: tf.Tensor, y: tf.Tensor, error: str = 'mse',
             valid: tf.Tensor | None = None) -> tf.Tensor:
    """The error of the map: L_B of Eq. 5 without its auxiliary term.

    Args:
        defocus: B(I_S), in [0, 1].
        y: Label, in [0, 1].
        error: 'mse' (Eq. 5), or 'mae', to which an error of half a pixel
            counts as much where all is sharp as under large blur.
        valid: See above.
    """
    if error == 'mae':
        return _mean(tf.abs(
            tf.cast(defocus, tf.float32) - tf.cast(y, tf.float32)), valid)
    return _squared_error(defocus, y, valid)


def resize_label(y: tf.Tensor, size: Any, preset: str) -> tf.Tensor:
    """y_l of Eq. 6: the label at the size of a side map.

    Nearest neighbour: averaging over a depth edge makes a blur that no pixel
    has.

    Args:
        y: [b, h, w, 1].
        size: (h_l, w_l), integers or a tensor.
        preset: 'official' aligns the corner pixels of both maps, others the
            outer edges.

    Returns:
        [b, h_l, w_l, 1].
    """
    return tf.raw_ops.ResizeNearestNeighbor(
        images=y, size=size, align_corners=preset == 'official',
        half_pixel_centers=preset != 'official')


def auxiliary_loss(side_maps: Sequence[tf.Tensor], y: tf.Tensor,
                   preset: str = 'paper', error: str = 'mse',
                   valid: tf.Tensor | None = None) -> tf.Tensor:
    """Sums the errors of B's side maps, one term per decoder level l.

    L_aux = sum_l mean((B_l - y_l)^2) [Lee 2019, Eq. 6]

    Args:
        side_maps: List of B_l, each [b, h_l, w_l, 1] in [0, 1].
        y: Label, [b, h, w, 1] in [0, 1].
        preset: See resize_label.
        error: See map_loss.
        valid: [b, h, w, 1], see above; it is resized as y is.
    """
    def loss(side_map):
        y_l, valid_l = (
            None if label is None
            else resize_label(label, tf.shape(side_map)[1:3], preset)
            for label in (y, valid))
        return map_loss(side_map, y_l, error, valid_l)
    return tf.add_n([loss(side_map) for side_map in side_maps])


def blur_loss(outputs: Mapping[str, Any], y: tf.Tensor,
              lambda_aux: float = 1.0, preset: str = 'paper',
              error: str = 'mse', valid: tf.Tensor | None = None
              ) -> tuple[tf.Tensor, tf.Tensor]:
    """L_B = mean((B(I_S) - y)^2) + lambda_aux L_aux [Lee 2019, Eq. 5].

    Args:
        outputs: B's dict, with `side` if lambda_aux is not 0.
        y: Label, [b, h, w, 1] in [0, 1].
        lambda_aux: Weight; at 0 the side maps are not looked at.
        preset: See resize_label.
        error: See map_loss.
        valid: [b, h, w, 1], see above.

    Returns:
        (L_B, L_aux).
    """
    loss = map_loss(outputs['defocus'], y, error, valid)
    if not lambda_aux:
        return loss, tf.zeros([])
    aux = auxiliary_loss(outputs['side'], y, preset, error, valid)
    return loss + lambda_aux * aux, aux


def content_loss(phi_of_defocus: tf.Tensor, phi_of_y: tf.Tensor) -> tf.Tensor:
    """L_C = mean((phi(B(I_S)) - phi(y))^2) [Lee 2019, Eq. 9].

    The mean is over places and channels. Eq. 9 leaves the channels open, but
    with their sum L_C would be 512 times larger and outweigh L_B.

    Args:
        phi_of_defocus: C(B(I_S)), [b, h/8, w/8, c].
        phi_of_y: C(y), likewise.
    """
    return _squared_error(phi_of_defocus, phi_of_y)


def sharpness_loss(logits: tf.Tensor, b: tf.Tensor,
                   preset: str = 'paper') -> tf.Tensor:
    """How far S's reading of a map is from the binary blur map b.

    paper:     L_S = mean((sigmoid(S(B(I_B))) - b)^2) [Lee 2019, Eq. 10]
    official, photographs: the sigmoid cross-entropy that the text above
               Eq. 10 names.

    Args:
        logits: S(B(I_B)).
        b: 1 where blurred, 0 where sharp.
        preset: Which of the two.
    """
    if preset == 'paper':
        return _squared_error(tf.sigmoid(tf.cast(logits, tf.float32)), b)
    return _cross_entropy(logits, b)


def discriminator_loss(logits: tf.Tensor, z: float) -> tf.Tensor:
    """L_D = (z - 1) log(1 - D(F)) - z log(D(F)) [Lee 2019, Eq. 7].

    Args:
        logits: D before its sigmoid, for the features F of B.
        z: 1 for synthetic photographs, 0 for real ones.
    """
    return _cross_entropy(logits, z)


def adversarial_loss(logits: tf.Tensor) -> tf.Tensor:
    """L_adv = -log(D(F)), F of a real photograph [Lee 2019, Eq. 8].

    Args:
        logits: D before its sigmoid.
    """
    return _cross_entropy(logits, 1.0)


def total_adversarial_loss(per_dataset: Sequence[tf.Tensor],
                           preset: str = 'paper') -> tf.Tensor:
    """The adversarial sum of L_g, without lambda_adv [Lee 2019, Eq. 3].

    Args:
        per_dataset: L_adv of each of D_B and D_R, or of one of them.
        preset: 'official' halves the sum.
    """
    return tf.add_n(per_dataset) * (0.5 if preset == 'official' else 1.0)


def total_discriminator_loss(synthetic: tf.Tensor, real: Sequence[tf.Tensor],
                             lambda_d: float = 1.0,
                             preset: str = 'paper') -> tf.Tensor:
    """L_d, which moves D alone [Lee 2019, Eq. 4].

    paper:     lambda_D (L_D(synthetic) + mean of L_D over all real)
    official:  lambda_D 1e-3 (2 L_D(synthetic) + L_D(D_B) + L_D(D_R)) / 2,
               which is the paper's value times 1e-3.

    Args:
        synthetic: L_D of the synthetic dataset, z = 1.
        real: L_D of each real dataset, z = 0; batches are of one size, so the
            mean over all real photographs is the mean over the datasets.
        lambda_d: lambda_D.
        preset: Which of the two.
    """
    scale = 1e-3 if preset == 'official' else 1.0
    return lambda_d * scale * (synthetic + tf.add_n(real) / len(real))


def teacher_loss(pairs: Sequence[tuple[tf.Tensor, tf.Tensor]]) -> tf.Tensor:
    """L_T = mean(|B(I) - T(I)|) over D_B and D_R; not in the paper.

    A network that sees more, such as a wider one, labels photographs that
    have no labels.

    Args:
        pairs: B's map and the teacher's of each dataset, in one convention;
            the datasets count alike.
    """
    return tf.add_n([map_loss(defocus, taught, 'mae')
                     for defocus, taught in pairs]) / len(pairs)


def generator_loss(L_B: Any, L_C: Any, L_S: Any, L_adv: Any,
                   weights: Any) -> Any:
    """L_g = L_B + lambda_C L_C + lambda_S L_S + lambda_adv L_adv [Eq. 3].

    Eq. 3 prints L_S(I_R, b); Section 4.5 and Eq. 10 mean I_B, as here.

    Args:
        L_B, L_C, L_S, L_adv: Scalars, tensors or numbers; L_adv is
            total_adversarial_loss.
        weights: steps.Weights: lambda_C, lambda_S and lambda_adv count.
    """
    return (L_B + weights.lambda_C * L_C + weights.lambda_S * L_S
            + weights.lambda_adv * L_adv)
