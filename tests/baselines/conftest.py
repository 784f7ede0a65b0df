"""A picture whose blur is known."""

import numpy as np
import pytest
from scipy import ndimage


@pytest.fixture
def step():
    """A step edge of sigma 2 px, uint8 RGB; at column 40."""
    grey = np.full((60, 80), 50.0)
    grey[:, 40:] = 200
    grey = ndimage.gaussian_filter(grey, 2.0)
    return np.repeat(np.round(grey).astype(np.uint8)[..., None], 3, -1)
