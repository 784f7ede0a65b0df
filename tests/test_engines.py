"""What 'auto' chooses, by what a machine has."""

import sys

import pytest

from dmenet_tf import engines

INTEL, AMD = 'GenuineIntel', 'AuthenticAMD'
AMX = {'vendor_id': INTEL, 'flags': 'avx2 avx512_bf16 amx_bf16 amx_tile'}
# As hypervisors may show a CPU that has AMX.
NO_AMX = {'vendor_id': INTEL, 'flags': 'avx2 avx512f avx512_bf16'}
ZEN4 = {'vendor_id': AMD, 'flags': 'avx2 avx512f avx512_bf16'}
AVX2 = {'vendor_id': AMD, 'flags': 'avx2 fma'}


@pytest.fixture
def machine(monkeypatch):
    """Makes choose() believe in a machine."""
    def believe(core, gpu=(), installed=()):
        monkeypatch.setattr(engines, '_first_core', lambda: core)
        monkeypatch.setattr(engines, '_gpu', lambda: gpu)
        monkeypatch.setattr(engines, '_has', lambda name: name in installed)
    return believe


@pytest.mark.parametrize('core, gpu, installed, runtime, precision', [
    (AMX, (), (), 'tensorflow', 'bfloat16'),
    (ZEN4, (), (), 'tensorflow', 'bfloat16'),
    (NO_AMX, (), (), 'tensorflow', 'float32'),
    (AVX2, (), (), 'tensorflow', 'float32'),
    ({}, (), (), 'tensorflow', 'float32'),
    (AMX, (), {'openvino'}, 'openvino', 'bfloat16'),
    (NO_AMX, (), {'openvino'}, 'openvino', 'float32'),
    (AVX2, (), {'openvino', 'nncf', 'onnxruntime'}, 'openvino', 'float32'),
    (AMX, (9, 0), {'openvino'}, 'tensorflow', 'float16'),
    (AMX, (6, 1), {'openvino'}, 'tensorflow', 'float32')])
def test_auto_is_a_rule_of_what_there_is(machine, core, gpu, installed,
                                         runtime, precision):
    machine(core, gpu, installed)
    chosen = engines.choose()
    assert chosen == (runtime, precision)
    assert chosen in engines.possible()
    assert str(chosen) == f'{runtime} in {precision}'


def test_what_is_told_is_kept(machine):
    machine(AMX, (), {'openvino'})
    assert engines.choose('tensorflow') == ('tensorflow', 'bfloat16')
    assert engines.choose('onnx') == ('onnx', 'float32')
    assert engines.choose('openvino_int8') == ('openvino_int8', 'float32')
    assert engines.choose(precision='float32') == ('openvino', 'float32')
    # Which OpenVINO does not have on CPUs.
    assert engines.choose(precision='float16') == ('tensorflow', 'float16')


def test_what_another_machine_may_choose():
    assert engines.possible() == {
        ('tensorflow', 'float32'), ('tensorflow', 'bfloat16'),
        ('tensorflow', 'float16'), ('openvino', 'float32'),
        ('openvino', 'bfloat16')}
    assert engines.possible('openvino', 'float32') == {
        ('openvino', 'float32')}


@pytest.mark.parametrize('arguments, message', [
    (('tpu',), "runtime must be auto or one of .*Received: 'tpu'"),
    (('auto', 'int4'), "precision must be auto or one of .*: 'int4'"),
    (('onnx', 'bfloat16'), "^onnx computes in float32. .*'bfloat16'"),
    (('openvino', 'float16'), '^openvino computes in float32 or bfloat16')])
def test_what_there_is_not_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        engines.choose(*arguments)


def test_the_first_core_is_read(tmp_path, monkeypatch):
    cpuinfo = ('processor\t: 0\nvendor_id\t: GenuineIntel\nmodel name\t: X\n'
               'flags\t\t: fpu amx_bf16 avx2\n\n'
               'processor\t: 1\nflags\t\t: fpu\n')
    path = tmp_path / 'cpuinfo'
    monkeypatch.setattr(engines, '_CPUINFO', path)
    for text, fast in ((cpuinfo, True),
                       (cpuinfo.replace('amx', 'avx512'), False),
                       ('Features\t: fp asimd\n', False)):
        path.write_text(text)
        engines._first_core.cache_clear()
        assert engines._fast_bfloat16() is fast
    path.unlink()  # macOS, Windows.
    engines._first_core.cache_clear()
    assert engines._first_core() == {}
    engines._first_core.cache_clear()


def test_without_a_driver_no_gpu_is_looked_for(monkeypatch, tmp_path):
    """TensorFlow takes seconds to import, for nothing where all is done."""
    monkeypatch.setattr(sys, 'platform', 'linux')
    monkeypatch.setattr(engines, '_GPU_DEVICES', [tmp_path / 'nvidiactl'])
    monkeypatch.setitem(sys.modules, 'tensorflow', None)
    assert engines._gpu.__wrapped__() == ()
    (tmp_path / 'nvidiactl').touch()
    with pytest.raises(ImportError):
        engines._gpu.__wrapped__()
