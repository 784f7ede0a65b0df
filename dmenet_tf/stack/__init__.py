"""Photographs of one scene at several focal distances, joined.

    from dmenet_tf import stack
    sharp = stack.merge(photographs, stack.weights(sigmas))

`python -m dmenet_tf.stack` does it for files.
"""

from dmenet_tf.stack.merging import index, merge, weights

__all__ = ['index', 'merge', 'weights']
