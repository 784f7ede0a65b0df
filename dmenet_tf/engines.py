"""What runs the network, and in which precision: the rule of 'auto'.

    runtime    OpenVINO where it is installed and there is no GPU, which it
               would leave idle; otherwise TensorFlow
    precision  float16 on a GPU with tensor cores; bfloat16 on a CPU that
               multiplies it faster than float32 (AMX, or AMD's avx512_bf16);
               otherwise float32

It looks at what there is and never at the time that something takes, so it
answers alike whatever else the machine does. A map of bfloat16 or float16
differs from that of float32 by .01 px in the mean, and hardly anywhere by more
than .1 px, so results of 'auto' are taken for alike whichever machine made
them, see `possible`.
"""

import functools
import importlib.util
import pathlib
import re
import sys
from typing import NamedTuple

AUTO = 'auto'
# What each runtime computes in.
SUPPORTED = {'tensorflow': ('float32', 'bfloat16', 'float16'),
             'openvino': ('float32', 'bfloat16'),
             'openvino_int8': ('float32',),  # Around its 8-bit convolutions.
             'onnx': ('float32',)}
RUNTIMES = tuple(SUPPORTED)
PRECISIONS = SUPPORTED['tensorflow']
_CPUINFO = pathlib.Path('/proc/cpuinfo')
# NVIDIA's driver, also in WSL, and AMD's.
_GPU_DEVICES = [pathlib.Path('/dev') / name
                for name in ('nvidiactl', 'dxg', 'kfd')]
_TENSOR_CORES = (7, 0)  # Compute capability.
# Of these auto chooses: the others need more, or gain nothing.
_AUTOMATIC = ('tensorflow', 'openvino')


class Engine(NamedTuple):
    """What runs the network.

    Attributes:
        runtime: One of RUNTIMES.
        precision: One of SUPPORTED[runtime].
    """

    runtime: str
    precision: str

    def __str__(self):
        if self.runtime == 'openvino_int8':
            return self.runtime
        return f'{self.runtime} in {self.precision}'


def possible(runtime: str = AUTO, precision: str = AUTO) -> set[Engine]:
    """What `choose` may answer, whatever the machine.

    Raises:
        ValueError: Unknown names, or the runtime has no such precision.
    """
    for name, value, known in (('runtime', runtime, RUNTIMES),
                               ('precision', precision, PRECISIONS)):
        if value not in (AUTO, *known):
            raise ValueError(f'{name} must be {AUTO} or one of {known}. '
                             f'Received: {value!r}.')
    runtimes = _AUTOMATIC if runtime == AUTO else (runtime,)
    found = {Engine(one, each) for one in runtimes for each in SUPPORTED[one]
             if precision in (AUTO, each)}
    if not found:
        raise ValueError(f'{runtime} computes in '
                         f'{" or ".join(SUPPORTED[runtime])}. Received: '
                         f'precision={precision!r}.')
    return found


def choose(runtime: str = AUTO, precision: str = AUTO) -> Engine:
    """What this machine runs the network by.

    Args:
        runtime: AUTO or one of RUNTIMES.
        precision: AUTO or one of PRECISIONS.

    Raises:
        ValueError: See possible.
    """
    runtimes = {engine.runtime for engine in possible(runtime, precision)}
    if runtime == AUTO:
        openvino = ('openvino' in runtimes and _has('openvino')
                    and not _gpu())
        runtime = 'openvino' if openvino else 'tensorflow'
    if precision == AUTO:
        precision = _best_precision(runtime)
    return Engine(runtime, precision)


def _best_precision(runtime):
    if runtime == 'tensorflow' and _gpu():
        return 'float16' if _gpu() >= _TENSOR_CORES else 'float32'
    return ('bfloat16' if _fast_bfloat16()
            and 'bfloat16' in SUPPORTED[runtime] else 'float32')


def _fast_bfloat16():
    """Whether the CPU multiplies bfloat16 faster than float32.

    AMX does. avx512_bf16 alone does in AMD's cores; in Intel's, where a
    hypervisor hides AMX, maps took 1.5 times as long as in float32.
    """
    core = _first_core()
    flags = core.get('flags', '').split()
    return 'amx_bf16' in flags or (
        'avx512_bf16' in flags and core.get('vendor_id') == 'AuthenticAMD')


def _has(package):
    return importlib.util.find_spec(package) is not None


@functools.cache
def _first_core():
    """What Linux says of the CPU's first core, by names; {} elsewhere."""
    try:
        text = _CPUINFO.read_text()
    except OSError:
        return {}
    return dict(re.findall(r'^(\w+)\s*: (.*)$', text.partition('\n\n')[0],
                           re.MULTILINE))


@functools.cache
def _gpu():
    """Compute capability of the first GPU that TensorFlow sees; () of none."""
    if sys.platform == 'linux' and not any(
            path.exists() for path in _GPU_DEVICES):
        return ()
    import tensorflow as tf  # Takes seconds.
    found = tf.config.list_physical_devices('GPU')
    if not found:
        return ()
    details = tf.config.experimental.get_device_details(found[0])
    return details.get('compute_capability', (0, 0))
