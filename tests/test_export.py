"""The exported models, used as someone without this library would."""

import functools
import json
import logging
import os
import re
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from dmenet_tf import command, export, model_files, networks, weights

pytestmark = pytest.mark.long

RNG = np.random.default_rng(0)


@pytest.fixture(scope='module')
def model_file(tmp_path_factory, tamed):
    keras.utils.set_random_seed(4)
    b = tamed(networks.build_blur_estimator(4, 1))
    for layer in b.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            beta, mean, variance = layer.get_weights()
            layer.set_weights([beta + 0.1, mean - 0.2, variance * 1.7])
    path = tmp_path_factory.mktemp('model') / 'toy.npz'
    weights.save(path, networks.Networks(b, None, None),
                 {'convention': 'sigma7', 'licence': 'CC0'})
    return path


@pytest.fixture(scope='module')
def exported(model_file, tmp_path_factory):
    base = tmp_path_factory.mktemp('export') / 'dmenet'
    return export.export_saved_model(model_file, base)


# Runs without dmenet_tf: prints one line per signature, batch and size.
PLAIN = '''
import sys
import numpy as np, tensorflow as tf
signatures = tf.saved_model.load(sys.argv[1]).signatures
results = {}
for name, image in np.load(sys.argv[2]).items():
    pngs = [tf.io.encode_png(i).numpy() for i in image]
    for signature, value in (('serving_default', image), ('bytes', pngs),
                             ('float', image.astype(np.float32))):
        out = signatures[signature](image=tf.constant(value))
        assert list(out) == ['sigma'], out
        results[f'{name}/{signature}'] = out['sigma'].numpy()
assert 'dmenet_tf' not in sys.modules
np.savez(sys.argv[3], **results)
'''


@pytest.fixture(scope='module')
def images():
    sizes = {'one': (1, 17, 33), 'three': (3, 17, 33), 'large': (1, 480, 640),
             'three large': (3, 480, 640), 'dot': (1, 1, 1)}
    return {name: RNG.integers(0, 256, (*size, 3), np.uint8)
            for name, size in sizes.items()}


# Python of the other TensorFlow, see Makefile.
OTHER = os.environ.get('DMENET_OTHER_PYTHON')


@pytest.mark.parametrize('python', [
    sys.executable,
    pytest.param(OTHER, marks=[pytest.mark.slow, pytest.mark.skipif(
        not OTHER, reason='DMENET_OTHER_PYTHON is not set')])])
def test_a_process_without_the_library_gets_the_same_maps(
        exported, model_file, images, tmp_path, python):
    np.savez(tmp_path / 'images.npz', **images)
    subprocess.run(
        [python, '-c', PLAIN, exported, tmp_path / 'images.npz',
         tmp_path / 'maps.npz'], check=True, cwd=tmp_path)
    model = weights.load_model(model_file)
    with np.load(tmp_path / 'maps.npz') as found:
        assert len(found.files) == 3 * len(images)
        for name, sigma in found.items():
            expected = model.predict(images[name.split('/')[0]], verbose=0)
            np.testing.assert_allclose(sigma, expected, atol=1e-5)


def test_weights_alone_are_small_and_the_same_model(model_file, images,
                                                    tmp_path):
    path = tmp_path / 'small.npz'
    error = export.export_weights([model_file], path)
    assert 0 < error < 0.02
    assert path.stat().st_size < 0.6 * model_file.stat().st_size
    assert weights.describe(path)['licence'] == 'CC0'
    np.testing.assert_allclose(
        weights.load_model(path).predict(images['one'], verbose=0),
        weights.load_model(model_file).predict(images['one'], verbose=0),
        atol=0.02)


def test_weights_alone_say_under_which_licence_they_are(model_file, tmp_path,
                                                        run_main):
    path = tmp_path / 'small.npz'
    assert run_main(f'--model={model_file}', f'--npz={path}',
                    '--licence=for research') == 0
    assert weights.describe(path)['licence'] == 'for research'


def test_the_folder_is_as_tf_serving_wants_it(exported, model_file):
    assert exported.name == '1' and (exported / 'saved_model.pb').is_file()
    assert [p.name for p in exported.parent.iterdir()] == ['1']
    card = json.loads((exported / 'assets' / 'model_card.json').read_text())
    assert card['convention'] == 'sigma7' and card['licence'] == 'CC0'
    with pytest.raises(FileExistsError, match='choose another --version'):
        export.export_saved_model(model_file, exported.parent)


def test_norms_and_side_heads_are_gone(exported):
    stored = tf.train.list_variables(str(exported / 'variables/variables'))
    ranks = [len(shape) for _, shape in stored]
    # A kernel and a bias for each convolution, and no third kind of vector.
    convolutions = 16 + 10 + 3 + 3
    assert ranks.count(4) == ranks.count(1) == convolutions


def test_pictures_of_two_sizes_in_one_request_are_refused(exported):
    run = tf.saved_model.load(str(exported)).signatures['bytes']
    pngs = [tf.io.encode_png(np.zeros((*size, 3), np.uint8)).numpy()
            for size in ((8, 8), (8, 9))]
    with pytest.raises(tf.errors.InvalidArgumentError, match='one size'):
        run(image=tf.constant(pngs))


@pytest.mark.parametrize('signature, image', [
    ('bytes', np.zeros(0, 'S')),
    ('serving_default', np.zeros((0, 8, 8, 3), np.uint8)),
    ('float', np.zeros((0, 8, 8, 3), np.float32))])
def test_a_request_without_pictures_is_refused(exported, signature, image):
    run = tf.saved_model.load(str(exported)).signatures[signature]
    with pytest.raises(tf.errors.InvalidArgumentError,
                       match='needs at least one picture'):
        run(image=tf.constant(
            image, tf.string if signature == 'bytes' else None))


def test_what_is_no_picture_is_refused(exported):
    run = tf.saved_model.load(str(exported)).signatures['bytes']
    with pytest.raises(tf.errors.InvalidArgumentError):
        run(image=tf.constant([b'no picture']))


@pytest.mark.extra
def test_warm_up_requests_and_answers_are_those_of_tf_serving(exported):
    """The public protocol messages, through the signature and back."""
    apis = pytest.importorskip('tensorflow_serving.apis')
    from tensorflow_serving.apis import (
        predict_pb2,
        prediction_log_pb2,
    )
    assert apis
    path = exported / 'assets.extra' / 'tf_serving_warmup_requests'
    logs = [prediction_log_pb2.PredictionLog.FromString(record.numpy())
            for record in tf.data.TFRecordDataset(str(path))]
    signatures = tf.saved_model.load(str(exported)).signatures
    assert len(logs) == 2
    for log in logs:
        request = predict_pb2.PredictRequest.FromString(
            log.predict_log.request.SerializeToString())
        assert request.model_spec.name == 'dmenet'
        image = tf.make_ndarray(request.inputs['image'])
        out = signatures[request.model_spec.signature_name](
            image=tf.constant(image))
        response = predict_pb2.PredictResponse()
        response.outputs['sigma'].CopyFrom(
            tf.make_tensor_proto(out['sigma'].numpy()))
        sigma = tf.make_ndarray(response.outputs['sigma'])
        assert sigma.shape == (*image.shape[:3], 1)


@pytest.mark.long
def test_tflite_equals_keras(tmp_path):
    path = tmp_path / 'model.tflite'
    error = export.export_tflite(weights.load_model('small'), path, (20, 36))
    assert path.stat().st_size > 1_000_000 and error < 1e-4


@pytest.mark.extra
def test_onnx_equals_keras(model_file, tmp_path):
    pytest.importorskip('tf2onnx')
    pytest.importorskip('onnxruntime')
    path = tmp_path / 'model.onnx'
    error = export.export_onnx(weights.load_model(model_file), path)
    assert path.stat().st_size > 1000 and error < 1e-4


def test_a_converted_model_that_differs_is_not_written():
    with pytest.raises(ValueError, match='differs from that of Keras by 0.5'):
        export._check('ONNX', np.full(3, 1.5), np.ones(3))
    with pytest.raises(ValueError, match='nan'):
        export._check('ONNX', np.full(3, np.nan), np.ones(3))


@pytest.fixture
def run_main(run_command):
    return functools.partial(run_command, export)


@pytest.mark.parametrize('arguments, line', [
    ([], 'Pass one of --output_dir, --onnx, --tflite, --npz, --web, --hub.'),
    (['--onnx=x.onnx', '--onnxruntime_web=x'],
     '--onnxruntime_web needs --web.'),
    (['--output_dir=x', '--licence=for research'],
     '--licence needs --npz.'),
    (['--onnx=x.onnx', '--average=y.npz'], '--average needs --npz.'),
    (['more'], "Unexpected arguments: ['more']."),
    (['--tflite=x.tflite', '--size=480'], '--size needs height,width, such as '
     "480,640. Received: ['480']."),
    (['--tflite=x.tflite', '--size=0,64'], '--size needs height,width, such '
     "as 480,640. Received: ['0', '64']."),
    (['--tflite=x.tflite', '--size=64x96'], '--size needs height,width, such '
     "as 480,640. Received: ['64x96'].")])
def test_what_cannot_be_asked_for_is_one_line(run_main, arguments, line):
    with pytest.raises(command.UsageError) as caught:
        run_main(*arguments)
    assert str(caught.value) == line


def test_a_missing_extra_is_said_before_anything_is_written(
        model_file, tmp_path, monkeypatch, run_main):
    monkeypatch.setitem(sys.modules, 'tf2onnx', None)
    with pytest.raises(ImportError) as caught:
        run_main(f'--model={model_file}', f'--output_dir={tmp_path}/dmenet',
                 f'--onnx={tmp_path}/x.onnx')
    assert str(caught.value) == (
        'ONNX needs tf2onnx and onnxruntime: pip install '
        "'dmenet_tf[onnx]'.")
    assert not list(tmp_path.iterdir())


def test_saving_tells_of_no_temporary_folder(model_file, tmp_path, run_main,
                                             capfd, caplog):
    tf.get_logger().setLevel('INFO')
    assert run_main(f'--model={model_file}', f'--output_dir={tmp_path}/dmenet',
                    f'--npz={tmp_path}/small.npz') == 0
    assert '.tmp-' not in caplog.text
    out, err = capfd.readouterr()
    assert '.tmp-' not in err and 'Assets written' not in err
    saved, *_, written = out.splitlines()
    assert saved.startswith(f'SavedModel: {tmp_path}/dmenet/1')
    assert written.startswith(f'Weights: {tmp_path}/small.npz, within ')
    assert tf.get_logger().level == logging.INFO


def test_without_the_extra_the_export_is_whole_and_a_note_tells(
        model_file, tmp_path, monkeypatch, run_main, capsys):
    monkeypatch.setitem(sys.modules, 'tensorflow_serving.apis', None)
    assert run_main(f'--model={model_file}', f'--output_dir={tmp_path}/a') == 0
    said = capsys.readouterr()
    assert said.out.splitlines() == [
        f'SavedModel: {tmp_path}/a/1', 'It has no warm-up requests: pip '
        "install 'dmenet_tf[serving]' to write them."]
    assert 'error' not in said.err.lower()
    assert (tmp_path / 'a/1/saved_model.pb').is_file()


@pytest.mark.slow
def test_the_command_says_what_it_wrote_and_nothing_else(model_file, tmp_path):
    environment = {name: value for name, value in os.environ.items()
                   if name != 'TF_CPP_MIN_LOG_LEVEL'}
    done = subprocess.run(
        [sys.executable, '-m', 'dmenet_tf.export', f'--model={model_file}',
         f'--output_dir={tmp_path}/dmenet'], text=True, capture_output=True,
        check=False, env=environment)
    assert done.returncode == 0, done.stderr
    # TensorFlow 2.21 has notes that no setting silences.
    assert [line for line in done.stderr.splitlines() if not re.match(
        r'[IE]0000 |WARNING: All log messages', line)] == []
    assert done.stdout.startswith(f'SavedModel: {tmp_path}/dmenet/1')


def test_a_mean_is_exported_with_all_its_parts(model_file, tmp_path):
    with np.load(model_file) as archive:
        arrays = {name: archive[name] for name in archive.files}
    other = tmp_path / 'other.npz'
    np.savez(other, **{**arrays, 'B/uf_c3/bias': arrays['B/uf_c3/bias'] + 1})
    path = tmp_path / 'mean.npz'
    export.export_weights([model_file, other, other], path)
    parts = export.model_card(path)['mean_of']
    assert [(part['weight'], part['digest']) for part in parts] == [
        (1, model_files.digest(model_file)), (2, model_files.digest(other))]
