"""Package metadata; `make demo` and `make test` install from here."""

import pathlib
import re

from setuptools import find_packages, setup

HERE = pathlib.Path(__file__).parent
VERSION = re.search(r"__version__ = '(.+)'",
                    (HERE / 'dmenet_tf/__init__.py').read_text()).group(1)

setup(
    name='dmenet_tf',
    version=VERSION,
    description='Defocus maps (sigma, px) from single photographs: DMENet '
                '(CVPR 2019) in TensorFlow 2 / Keras.',
    long_description=(HERE / 'README.md').read_text(),
    long_description_content_type='text/markdown',
    python_requires='>=3.10',
    packages=find_packages(include=['dmenet_tf', 'dmenet_tf.*']),
    package_data={'dmenet_tf': ['tables/*.csv', 'bundled/*']},
    extras_require={
        'test': ['ruff', 'pytest-xdist', 'pymatting>=1.1', 'scikit-learn'],
        'evaluation': ['pymatting>=1.1'],
        'docs': ['mkdocs-material>=9.5,<10', 'mkdocstrings[python]>=0.26'],
        'demo': ['gradio>=6.31'],
        'exr': ['OpenEXR>=3.3'],
        'heic': ['pillow-heif'],
        'onnx': ['tf2onnx', 'onnxruntime'],
        'openvino': ['openvino>=2024.4', 'nncf>=2.12'],
        'serving': ['tensorflow-serving-api'],
    },
    install_requires=[line for line in (HERE / 'requirements.txt').open()
                      if not line.startswith('#')],
)
