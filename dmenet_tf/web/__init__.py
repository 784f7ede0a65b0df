"""A page that maps photographs in the browser itself, by ONNX Runtime Web.

Static files that any web server can offer: index.html, page.css and page.js
are those beside this module; settings.json is what they take from Python;
ONNX Runtime Web with its WebAssembly comes from npm, once, when the page is
written. The page loads nothing from other hosts, and its Content-Security-
Policy forbids it, so a photograph stays on its device.
"""

import json
import pathlib
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Mapping
from typing import Any

import numpy as np

from dmenet_tf import focus, maps, scales

VERSION = '1.30.0'  # Of the package onnxruntime-web.
_RUNTIME = ('ort.wasm.min.mjs', 'ort-wasm-simd-threaded.mjs',
            'ort-wasm-simd-threaded.wasm')
_PAGE = ('index.html', 'page.css', 'page.js', 'ONNXRUNTIME_LICENSE')
# What the network sees of a sharp edge, px of what it is given, see scales.
_FLOOR = 0.4


def write(folder: pathlib.Path, described: Mapping[str, Any],
          onnxruntime_web: str | pathlib.Path | None = None) -> None:
    """Writes all of the page but model.onnx.

    Args:
        folder: Where to; exists.
        described: What weights.describe tells of the model.
        onnxruntime_web: Folder of the unpacked npm package; None: npm fetches
            its VERSION.

    Raises:
        FileNotFoundError: npm is not installed, or the folder is not that
            package.
        OSError: npm could not fetch it.
    """
    if onnxruntime_web is None:
        _fetch_runtime(folder)
    else:
        _copy_runtime(pathlib.Path(onnxruntime_web), folder)
    for name in _PAGE:
        shutil.copy(pathlib.Path(__file__).with_name(name), folder)
    (folder / 'settings.json').write_text(json.dumps(settings(described)))


def settings(described: Mapping[str, Any]) -> dict[str, Any]:
    """What page.js takes from Python.

    Args:
        described: What weights.describe tells of the model.

    Returns:
        JSON values: `coarsest`, px that the network is given at most; `floor`,
        `sharp_sigma` and `focus_sigma`, px, see scales and focus; `colors`, 256
        times red, green and blue; `about`, the line at the page's foot.
    """
    colors = maps.color_sigma(np.arange(256) / 255, 1)
    return {'coarsest': scales.COARSEST, 'floor': _FLOOR,
            'sharp_sigma': focus.SHARP_SIGMA, 'focus_sigma': focus.FOCUS_SIGMA,
            'colors': colors.ravel().tolist(),
            'about': f'Network: {described["file"]}, SHA-256 '
                     f'{described["digest"][:12]}; its licence: '
                     f'{described.get("licence", "not told")}. Run by ONNX '
                     f'Runtime Web (MIT License), written by dmenet_tf '
                     '(Apache License 2.0).'}


def _copy_runtime(package, folder):
    for name in _RUNTIME:
        if not (package / 'dist' / name).is_file():
            raise FileNotFoundError(
                f'{package}: has no dist/{name}; name the folder of the npm '
                f'package onnxruntime-web, version {VERSION}.')
        shutil.copy(package / 'dist' / name, folder)


def _fetch_runtime(folder):
    """npm looks at the checksum of what it fetches; no script is run."""
    with tempfile.TemporaryDirectory() as place:
        command = ['npm', 'pack', '--silent', f'--pack-destination={place}',
                   f'onnxruntime-web@{VERSION}']
        try:
            subprocess.run(command, check=True, capture_output=True, text=True)
        except FileNotFoundError:
            raise FileNotFoundError(
                'The page needs npm, to fetch onnxruntime-web: install it, or '
                'pass --onnxruntime_web=FOLDER of the package.') from None
        except subprocess.CalledProcessError as error:
            raise OSError(f'{" ".join(command[:2])} onnxruntime-web@{VERSION}: '
                          f'{_last_line(error.stderr)}; or pass '
                          '--onnxruntime_web=FOLDER of it.') from None
        archive, = pathlib.Path(place).glob('*.tgz')
        with tarfile.open(archive) as package:
            for name in _RUNTIME:
                with package.extractfile(f'package/dist/{name}') as file:
                    (folder / name).write_bytes(file.read())


def _last_line(text):
    return (text.strip() or 'failed').splitlines()[-1]
