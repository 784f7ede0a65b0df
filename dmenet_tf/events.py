"""TensorBoard event files: scalars and pictures.

Written by TensorFlow's own writer, so that training does not need the
`tensorboard` package; only who looks at them does.
"""

import numpy as np
import tensorflow as tf


class EventFile:
    """Appends to an event file in a folder.

    Args:
        folder: TensorBoard's --logdir, or a folder in it.
    """

    def __init__(self, folder):
        self._writer = tf.summary.create_file_writer(str(folder))

    def scalars(self, values, step):
        """Writes numbers.

        Args:
            values: Dict of name -> number.
            step: Training step.
        """
        with self._writer.as_default():
            for name, value in values.items():
                self._write(name, tf.constant(value, tf.float32), step,
                            'scalars')

    def picture(self, name, picture, step):
        """Writes one picture.

        Args:
            name: Tag.
            picture: [h, w, 3], uint8.
            step: Training step.
        """
        height, width, _ = picture.shape
        png = tf.io.encode_png(np.asarray(picture, np.uint8))
        with self._writer.as_default():
            # The plugin's format: width, height, then encoded pictures.
            self._write(name, tf.stack([str(width), str(height), png]), step,
                        'images')

    def _write(self, name, tensor, step, plugin):
        metadata = tf.compat.v1.SummaryMetadata()
        metadata.plugin_data.plugin_name = plugin
        tf.summary.write(name, tensor, step=step, metadata=metadata)

    def flush(self):
        self._writer.flush()
