"""The guided filter: edges of the guide."""

import numpy as np

from dmenet_tf.baselines import guided


def test_the_guided_filter_keeps_edges_of_the_guide():
    rng = np.random.default_rng(0)
    guide = np.zeros((20, 40))
    guide[:, 20:] = 1.0
    noisy = guide + 0.1 * rng.normal(size=guide.shape)
    smooth = guided.guided_filter(noisy, guide, 5, 1e-4)
    np.testing.assert_allclose(smooth, guide, atol=0.06)
