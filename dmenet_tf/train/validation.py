"""How good B is on pictures that it did not learn from, while it learns.

Quick numbers to steer a training by. Pictures are cut to multiples of 16 px,
so that nothing is padded; the protocols of the paper's tables are elsewhere
(dmenet_tf/evaluate).
"""

from collections.abc import Mapping

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from dmenet_tf import maps, metrics, networks, optics, sigma_files
from dmenet_tf.train import losses, steps
from dmenet_tf.train.store import Store


def cut_to_stride(array: np.ndarray) -> np.ndarray:
    """Cuts bottom and right off, to multiples of 16 px."""
    height, width = (n // networks.STRIDE * networks.STRIDE
                     for n in array.shape[:2])
    return array[:height, :width]


def label_of(name: str, codes: npt.NDArray[np.uint16],
             convention: str) -> npt.NDArray[np.float32]:
    """A Store's codes -> what the map is compared with.

    Args:
        name: 'synthetic' (thousandths of a px) or 'binary' (0 or 1).
        codes: [h, w].
        convention: What the map means, see optics.

    Returns:
        [h, w] in [0, 1]: defocus, nan where left out, or 1 where blurred.
    """
    if name != 'synthetic':
        return codes.astype(np.float32)
    sigma = sigma_files.sigma_from_codes(codes)
    return np.minimum(optics.defocus_from_sigma(sigma, convention), 1.0)


class Validator:
    """Runs B over held-out pictures.

    Args:
        model: B.
        stores: {'synthetic': Store, 'binary': Store}, one or both or none.
        weights: steps.Weights: what L_B is made of.
        convention: As in train.Config.
    """

    def __init__(self, model: keras.Model, stores: Mapping[str, Store],
                 weights: steps.Weights, convention: str):
        self._model, self._stores, self._weights = model, stores, weights
        self._convention = convention
        # One trace for all sizes.
        self._run = tf.function(
            lambda image: model(image, training=False),
            input_signature=[tf.TensorSpec([1, None, None, 3], tf.float32)])

    def outputs(self, image: npt.NDArray[np.uint8]) -> dict[str, tf.Tensor]:
        """B's outputs for one uint8 [h, w, 3], h and w multiples of 16."""
        return self._run(image[None].astype(np.float32) / 255.0)

    def evaluate(self) -> dict[str, float]:
        """Means over the held-out pictures.

        Returns:
            L_B (Eq. 5), mse and mae of the map on the synthetic dataset,
            accuracy on the binary one; only what there are pictures for. A
            picture's figures are of what counts of its label; where nothing
            does, it has none.
        """
        rows = {name: [] for name in self._stores}
        for name, store in self._stores.items():
            for i in range(len(store.dataset)):
                image, label = map(cut_to_stride, store.readable(i))
                label = label_of(name, label, self._convention)
                if not np.isnan(label).all():
                    rows[name].append(
                        self._row(name, self.outputs(image), label))
        return {key: float(np.mean([row[key] for row in table]))
                for table in rows.values() if table for key in table[0]}

    def _row(self, name, outputs, label):
        defocus = outputs['defocus'].numpy()[0, ..., 0]
        if name == 'binary':
            return {'accuracy': metrics.accuracy(metrics.binarize(defocus),
                                                 label > 0.5)}
        valid = ~np.isnan(label)
        y, counts = (array[None, ..., None].astype(np.float32)
                     for array in (np.nan_to_num(label), valid))
        loss, _ = losses.blur_loss(
            outputs, tf.constant(y), self._weights.lambda_aux,
            self._weights.preset, self._weights.map_error,
            None if valid.all() else tf.constant(counts))
        defocus, label = defocus[valid], label[valid]
        return {'L_B': float(loss),
                'mse': metrics.mean_squared_error(defocus, label),
                'mae': metrics.mean_absolute_error(defocus, label)}

    def panel(self, name: str, image: npt.NDArray[np.uint8],
              label: npt.NDArray[np.uint16] | None) -> npt.NDArray[np.uint8]:
        """Photograph, map and label (if there is one) side by side.

        Args:
            name: Of the dataset.
            image, label: Of Store.readable.

        Returns:
            uint8 [h, n w, 3]; maps coloured from 0 (dark) to 1, black where
            the label is left out.
        """
        image = cut_to_stride(image)
        defocus = self.outputs(image)['defocus'].numpy()[0, ..., 0]
        shown = [defocus]
        if label is not None:
            shown.append(label_of(name, cut_to_stride(label),
                                  self._convention))
        return np.hstack([image, *map(_coloured, shown)])


def _coloured(defocus):
    left_out = np.isnan(defocus)[..., None]
    return np.where(left_out, np.uint8(0),
                    maps.color_sigma(np.nan_to_num(defocus), 1.0))
