"""The public model as Keras saves, loads, copies and rebuilds it."""

import os
import pathlib
import pickle
import signal
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from dmenet_tf import (
    estimation,
    inference,
    model_files,
    networks,
    optics,
    variables,
    weights,
)

pytestmark = pytest.mark.long

PHOTOGRAPH = np.random.default_rng(0).integers(0, 256, (20, 37, 3), np.uint8)


@pytest.fixture(scope='module', params=['as it is', 'folded'])
def model(request, tamed):
    keras.utils.set_random_seed(2)
    b = tamed(networks.build_blur_estimator(4, 1, side_heads=False))
    built = inference.build_estimator(b, 'legacy15')
    return inference.fold(built) if request.param == 'folded' else built


@pytest.fixture(scope='module')
def expected(model):
    sigma = np.asarray(model(PHOTOGRAPH[None]))
    assert sigma.std() > 1e-3
    return sigma


def assert_same(other, expected):
    np.testing.assert_allclose(other(PHOTOGRAPH[None]), expected, atol=1e-4)


@pytest.mark.parametrize('suffix', ['.keras', '.h5'])
def test_a_saved_model_is_loaded_with_its_maps(model, expected, tmp_path,
                                               suffix):
    path = tmp_path / f'model{suffix}'
    model.save(path)
    loaded = keras.models.load_model(path)
    assert_same(loaded, expected)
    np.testing.assert_allclose(estimation.estimate(PHOTOGRAPH, loaded),
                               expected[0, ..., 0], atol=1e-4)
    assert_same(inference.fold(loaded), expected)
    assert (networks.architecture(loaded.get_layer('B'))
            == networks.architecture(model.get_layer('B')))


def test_a_saved_model_of_tensorflow_needs_no_layers_of_ours(model, expected,
                                                             tmp_path):
    tf.saved_model.save(model, str(tmp_path / 'saved'))
    serve = tf.saved_model.load(str(tmp_path / 'saved')).signatures[
        'serving_default']
    [sigma] = serve(tf.constant(PHOTOGRAPH[None], tf.float32)).values()
    np.testing.assert_allclose(sigma, expected, atol=1e-4)


def test_pickled_models_come_back(model, expected):
    assert_same(pickle.loads(pickle.dumps(model)), expected)


@pytest.mark.parametrize('rebuild', [
    lambda model: keras.models.model_from_json(model.to_json()),
    lambda model: type(model).from_config(model.get_config()),
    keras.models.clone_model], ids=['json', 'config', 'clone'])
def test_a_model_is_rebuilt_and_takes_the_weights(model, expected, rebuild):
    again = rebuild(model)
    again.set_weights(model.get_weights())
    assert_same(again, expected)
    assert again.get_layer('sigma').convention == 'legacy15'


@pytest.mark.parametrize('build', [
    lambda: networks.build_blur_estimator(4, 1),
    lambda: networks.build_discriminator(4, 4),
    lambda: networks.build_sharpness(4), lambda: networks.build_content(4)],
    ids='BDSC')
def test_the_networks_are_rebuilt_too(build):
    network = build()
    again = keras.models.model_from_json(network.to_json())
    assert ({name: tuple(v.shape) for name, v in variables.of(again).items()}
            == {name: tuple(v.shape)
                for name, v in variables.of(network).items()})


LOADS = '''
import numpy as np
{imports}
model = {keras}.models.load_model({path!r})
np.save({out!r}, model(np.load({photograph!r})[None]))
'''


@pytest.mark.slow
@pytest.mark.parametrize('imports, library', [
    ('import dmenet_tf, keras', 'keras'), ('import keras, dmenet_tf', 'keras'),
    ('import dmenet_tf\nimport tensorflow as tf', 'tf.keras'),
    ('import tensorflow as tf\nimport dmenet_tf', 'tf.keras'),
    ('import keras, dmenet_tf.networks, dmenet_tf.inference', 'keras'),
    ('import dmenet_tf.networks, keras', 'keras')])
@pytest.mark.parametrize('suffix', ['.keras', '.h5'])
def test_a_fresh_process_knows_the_layers(model, expected, tmp_path, imports,
                                          library, suffix):
    path, out, photograph = (str(tmp_path / name) for name in (
        f'model{suffix}', 'out.npy', 'photograph.npy'))
    model.save(path)
    np.save(photograph, PHOTOGRAPH)
    run(LOADS.format(imports=imports, keras=library, path=path, out=out,
                     photograph=photograph))
    np.testing.assert_allclose(np.load(out), expected, atol=1e-4)


def run(code):
    done = subprocess.run([sys.executable, '-c', code], text=True,
                          capture_output=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_layers_are_registered_when_keras_is_imported_later():
    assert run(
        'import dmenet_tf, sys\n'
        'assert not {"keras", "dmenet_tf.networks"} & set(sys.modules)\n'
        'import keras\n'
        'print(*sorted(name for name in\n'
        '              keras.utils.get_custom_objects()\n'
        '              if name.startswith("dmenet_tf>")))').split() == [
        'dmenet_tf>BatchNormalization', 'dmenet_tf>DefocusToSigma',
        'dmenet_tf>Doubling', 'dmenet_tf>LeakyReLU',
        'dmenet_tf>PadToMultiple', 'dmenet_tf>ReversedChannels',
        'dmenet_tf>SymmetricPadding']


def test_a_keras_that_fails_to_import_says_so_itself(tmp_path):
    (tmp_path / 'keras.py').write_text('raise ImportError("no backend")')
    assert run(
        f'import sys; sys.path.insert(0, {str(tmp_path)!r})\n'
        'import dmenet_tf\n'
        'for _ in range(2):\n'
        '    try:\n        import keras\n'
        '    except ImportError as error:\n        print(error)'
        ) == 'no backend\nno backend\n'


def test_channels_first_is_refused_in_a_line():
    before = keras.backend.image_data_format()
    keras.backend.set_image_data_format('channels_first')
    try:
        for call in (weights.load_model, networks.build_blur_estimator):
            with pytest.raises(ValueError, match='^dmenet_tf needs channels_'
                               'last, and Keras is set to channels_first'):
                call()
    finally:
        keras.backend.set_image_data_format(before)


@pytest.mark.parametrize('call', [
    'dmenet_tf.load_model()', 'dmenet_tf.estimate(np.zeros((8, 8, 3)))'])
def test_the_graphs_of_tensorflow_1_are_refused_in_a_line(call):
    assert run(
        'import dmenet_tf, numpy as np, tensorflow as tf\n'
        'tf.compat.v1.disable_eager_execution()\n'
        f'try:\n    {call}\n'
        'except RuntimeError as error:\n    print(error)').startswith(
        'dmenet_tf needs eager execution: ')


@pytest.mark.skipif(not hasattr(os, 'fork'), reason='no fork here')
@pytest.mark.parametrize('call', [
    lambda model: estimation.estimate(PHOTOGRAPH, model),
    lambda model: inference.compiled(model)(PHOTOGRAPH[None]),
    lambda model: weights.load_model()], ids=['estimate', 'runner', 'load'])
def test_a_forked_child_is_told_and_does_not_hang(model, tmp_path, call):
    inference.compiled(model)(PHOTOGRAPH[None])
    said = tmp_path / 'said'
    child = os.fork()
    if not child:
        signal.alarm(20)  # Ends the child if it hangs.
        try:
            call(model)
        except RuntimeError as error:
            said.write_text(str(error))
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert said.read_text().startswith(
        'a process that is forked after a model was used cannot run '
        "TensorFlow: start it with 'spawn'")


def test_a_child_that_is_the_first_to_use_a_model_maps(tmp_path):
    out = tmp_path / 'out.npy'
    run('import os, dmenet_tf, numpy as np\n'
        'dmenet_tf.estimate\n'  # TensorFlow is imported, and not yet used.
        'child = os.fork()\n'
        'if not child:\n'
        f'    np.save({str(out)!r},\n'
        '            dmenet_tf.estimate(np.full((16, 16, 3), 9, np.uint8)))\n'
        '    os._exit(0)\n'
        'assert os.waitpid(child, 0)[1] == 0')
    assert (np.load(out) <= optics.MAX_SIGMA).all()


def test_a_folder_is_no_model(tmp_path):
    (tmp_path / 'model.npz').write_bytes(b'')
    with pytest.raises(IsADirectoryError) as caught:
        weights.load_model(tmp_path)
    assert str(caught.value) == (
        f'{tmp_path}: is a folder; name a weights file (.npz), such as '
        'dmenet_tf.train writes. It has model.npz.')
    assert pathlib.Path(model_files.find('small')).suffix == '.npz'
