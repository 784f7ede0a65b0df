"""Which network the flags of a command run, and what results say of it."""

import json
import pathlib

import numpy as np
import pytest
from absl import flags
from PIL import Image

from dmenet_tf import (
    engines,
    files,
    jobs,
    model_files,
    network_flags,
    networks,
    runtimes,
    weights,
)


@pytest.fixture
def define():
    """Defines flags that are gone afterwards."""
    before = set(flags.FLAGS)

    def run(*functions):
        for function in functions:
            function()
        return flags.FLAGS(['command']) and flags.FLAGS
    yield run
    for name in set(flags.FLAGS) - before:
        delattr(flags.FLAGS, name)


@pytest.fixture
def flag(define, monkeypatch):
    values = define(network_flags.define_flags,
                    lambda: jobs.define_flags('out'))
    values.model = 'toy.npz'
    monkeypatch.setattr(model_files, 'digest', {'toy.npz': '5e1f'}.get)
    return values


@pytest.fixture
def machine(monkeypatch):
    """Makes this machine choose what another one would."""
    def believe(runtime, precision):
        monkeypatch.setattr(engines, '_has', lambda name: name == runtime)
        monkeypatch.setattr(engines, '_best_precision', lambda _: precision)
        monkeypatch.setattr(engines, '_gpu', lambda: ())
    return believe


def told(path, names=()):
    [job] = network_flags.with_model([jobs.Job(pathlib.Path('a.jpg'), path)],
                                     names)
    return job


def test_results_say_what_ran(flag, machine, tmp_path):
    machine('openvino', 'bfloat16')
    flag.range = '0,4095'
    said = json.loads(told(tmp_path, ['recursive']).settings.partition(' ')[2])
    assert said == {'model': '5e1f', 'runtime': 'openvino',
                    'precision': 'bfloat16', 'scales': 'auto',
                    'range': '0,4095', 'recursive': False}
    flag.runtime = 'openvino_int8'
    flag.calibration = 'holiday'
    said = json.loads(told(tmp_path).settings.partition(' ')[2])
    assert said['calibration'] == 'holiday'
    assert said['runtime'] == 'openvino_int8'


def test_what_auto_made_elsewhere_is_not_made_again(flag, machine, tmp_path):
    """What a flag fixes is, unless it was made so."""
    def left():
        return bool(jobs.unfinished([told(tmp_path / 'a')], ['.npy']))

    machine('openvino', 'bfloat16')
    files.save_npy(tmp_path / 'a.npy', np.ones((2, 2)),
                   told(tmp_path / 'a').settings)
    assert not left()
    machine('tensorflow', 'float32')
    assert not left()
    flag.precision = 'bfloat16'  # By whichever runtime.
    assert not left()
    flag.runtime = 'openvino'
    assert not left()
    flag.precision = 'float32'
    assert left()
    flag.precision, flag.runtime = 'auto', 'tensorflow'
    assert left()
    flag.runtime = 'openvino_int8'
    assert left()
    flag.runtime = 'auto'
    flag.model = 'another.npz'
    assert left()


def test_what_was_made_in_8_bits_is_made_again_by_auto(flag, machine,
                                                       tmp_path):
    machine('openvino', 'float32')
    flag.runtime = 'openvino_int8'
    files.save_npy(tmp_path / 'a.npy', np.ones((2, 2)),
                   told(tmp_path / 'a').settings)
    flag.runtime = 'auto'
    assert jobs.unfinished([told(tmp_path / 'a')], ['.npy'])


@pytest.fixture
def toy(flag, tmp_path, tamed, monkeypatch):
    b = tamed(networks.build_blur_estimator(4, 1, side_heads=False))
    weights.save(tmp_path / 'toy.npz', networks.Networks(b, None, None),
                 {'convention': 'sigma7'})
    flag.model = str(tmp_path / 'toy.npz')
    return flag


@pytest.mark.long
def test_what_runs_is_said_once(toy, machine, capsys):
    machine('tensorflow', 'bfloat16')
    model, runner = network_flags.load([])
    assert capsys.readouterr().err == 'Estimating by tensorflow in bfloat16.\n'
    image = np.random.default_rng(0).integers(0, 256, (1, 32, 48, 3), np.uint8)
    exact, few_bits = runtimes.make_runner(model)(image), runner(image)
    assert 0 < np.abs(exact - few_bits).mean() < 0.05  # px


@pytest.mark.long
def test_8_bits_are_calibrated_on_all_that_can_be_read(toy, tmp_path,
                                                       monkeypatch):
    asked = []
    monkeypatch.setattr(runtimes, 'make_runner',
                        lambda model, *how: asked.append(how))
    for i, side in enumerate((600, 40)):
        Image.new('RGB', (side, 50), (i, 0, 0)).save(tmp_path / f'{i}.png')
    (tmp_path / '2.png').write_text('no picture')
    found, _ = jobs.find_jobs([tmp_path / f'{i}.png' for i in (2, 1, 0)],
                              'out')
    toy.runtime = 'openvino_int8'
    network_flags.load(found)
    toy.calibration = str(tmp_path)
    network_flags.load([])
    for order, (*engine, photographs) in zip(((1, 0), (0, 1)), asked,
                                             strict=True):
        assert engine == ['openvino_int8', 'float32']
        assert [photograph[0, 0, 0] for photograph in photographs] == list(
            order)
        assert {photograph.shape for photograph in photographs} == {
            (50, 512, 3), (50, 40, 3)}


def test_a_command_may_offer_fewer_runtimes(define):
    values = define(lambda: network_flags.define_flags(['tensorflow', 'onnx']))
    assert 'calibration' not in values
    assert values['runtime'].parser.enum_values == [
        'auto', 'tensorflow', 'onnx']


def test_nothing_to_do_needs_no_model(flag):
    flag.model = 'none.npz'
    assert network_flags.with_model([], []) == []
