"""The frames of a stack: which files, or pages of a TIFF, hold them."""

import dataclasses
import pathlib
from collections.abc import Iterable

import numpy as np

from dmenet_tf import images


@dataclasses.dataclass(frozen=True)
class Frame:
    """One photograph of a stack.

    Attributes:
        path: Of its file.
        page: Of a TIFF of several pictures; 0 otherwise.
    """

    path: pathlib.Path
    page: int = 0

    def __str__(self):
        return f'{self.path}, page {self.page}' if self.page else str(self.path)

    def read(self, value_range: tuple[float, float] | None = None,
             develop: bool = False) -> np.ndarray:
        """See images.read_image."""
        return images.read_image(self.path, value_range, self.page, develop)


def find(paths: Iterable[pathlib.Path]) -> list[Frame]:
    """The frames of files, in their order; each page of a TIFF is one."""
    return [Frame(path, page) for path in paths
            for page in (images.pages(path)
                         if path.suffix.lower() in ('.tif', '.tiff') else [0])]
