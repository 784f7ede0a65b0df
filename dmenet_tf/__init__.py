"""Defocus maps from single photographs: DMENet in TensorFlow 2.

    import dmenet_tf
    model = dmenet_tf.load_model()
    sigma = dmenet_tf.estimate(image, model)  # [h, w] px

TensorFlow is imported on first use, so that the tools which do not need it
(python -m dmenet_tf.syndof) start at once.
"""

import os

# TensorFlow's start-up notes are not about the user's photographs.
os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')
# On CPUs without AVX-512 TensorFlow leaves oneDNN's convolutions off, though
# they are faster there too. It decides this when it is first imported.
os.environ.setdefault('TF_ENABLE_ONEDNN_OPTS', '1')

__version__ = '0.1.0'
__all__ = ['estimate', 'load_model']


def __getattr__(name):
    if name == 'load_model':
        from dmenet_tf.weights import load_model
        return load_model
    if name == 'estimate':
        from dmenet_tf.estimation import estimate
        return estimate
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
