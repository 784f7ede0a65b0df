"""Settings every test shares; set before TensorFlow is imported."""

import os
import sys

import pytest

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')
os.environ.setdefault('MPLBACKEND', 'Agg')


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup():
    """Untrained networks, in fixtures too, are the same in every run.

    Of those drawn freely, one in some dozens has no living ReLU at all when it
    is narrow, and gives the same to every picture.
    """
    if 'keras' in sys.modules:
        sys.modules['keras'].utils.set_random_seed(0)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Where every extra is installed, no test that needs one is skipped."""
    report = yield
    return _failed(report) if item.get_closest_marker('extra') else report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector):
    """The same for modules that skip themselves."""
    return _failed((yield))


def _failed(report):
    if report.skipped and os.environ.get('DMENET_EXTRAS') == '1':
        report.outcome = 'failed'
        report.longrepr = f'{report.nodeid} was skipped: {report.longrepr}'
    return report


@pytest.fixture(scope='session')
def tamed():
    """Brings a fresh B's activations near 1, so that no map is saturated.

    Its first convolution sees 0..255, which training gets used to.
    """
    def tame(b):
        first = b.get_layer('conv1_1')
        kernel, bias = first.get_weights()
        first.set_weights([0.01 * kernel, bias + 0.1])
        return b
    return tame


@pytest.fixture(scope='module')
def toy_b(tamed):
    """A narrow B without side heads."""
    from dmenet_tf import networks
    return tamed(networks.build_blur_estimator(4, 1, side_heads=False))


@pytest.fixture(scope='module')
def toy_flag(tmp_path_factory, toy_b):
    """--model= of a file of toy_b."""
    from dmenet_tf import networks, weights
    path = tmp_path_factory.mktemp('model') / 'toy.npz'
    weights.save(path, networks.Networks(toy_b, None, None),
                 {'convention': 'sigma7'})
    return f'--model={path}'


@pytest.fixture
def run_command():
    """Function of (module, *arguments): its exit status.

    The command runs in this process, and its flags are gone afterwards.
    """
    from absl import flags

    def run(module, *arguments):
        before = set(flags.FLAGS)
        module.define_flags()
        try:
            return module.main(
                flags.FLAGS(['command', *map(str, arguments)])[1:])
        finally:
            for name in set(flags.FLAGS) - before:
                delattr(flags.FLAGS, name)
    return run
