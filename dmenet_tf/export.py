"""Writes a model for use elsewhere: TF Serving, ONNX, TFLite, a web page.

    python -m dmenet_tf.export --model=small --output_dir=export/dmenet
    tensorflow_model_server --model_name=dmenet \
        --model_base_path=$PWD/export/dmenet

The SavedModel in export/dmenet/1 has three signatures, all of which give
`sigma` [b, h, w, 1], float32, px:

    serving_default  image  uint8 [b, h, w, 3] RGB
    float            image  float32 [b, h, w, 3] RGB in [0, 255]
    bytes            image  string [b], JPEG or PNG files of one size; an EXIF
                            orientation is not applied, so the map lies as the
                            file's pixels do

Any height and width; scaling, padding and cropping happen inside. Its assets
hold model_card.json: convention, architecture and how it was trained.
"""

import contextlib
import json
import logging
import pathlib
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from absl import flags
from tensorflow.python.framework.convert_to_constants import (
    convert_variables_to_constants_v2,
)

from dmenet_tf import (
    command,
    files,
    hub_folder,
    inference,
    model_files,
    runtimes,
    web,
    weights,
)

FLAGS = flags.FLAGS
_WARM_UP_SIZES = ((480, 640), (64, 64))
_RESULTS = ('output_dir', 'onnx', 'tflite', 'npz', 'web', 'hub')
_NEEDS = {'average': 'npz', 'licence': 'npz', 'onnxruntime_web': 'web'}


class Servable(tf.Module):
    """The public model, folded, under the three signatures."""

    def __init__(self, model: keras.Model, card_path: pathlib.Path):
        super().__init__()
        self.model = inference.fold(model)
        self.card = tf.saved_model.Asset(str(card_path))

    @tf.function(input_signature=[
        tf.TensorSpec([None, None, None, 3], tf.float32, 'image')])
    def from_float(self, image: tf.Tensor) -> dict[str, tf.Tensor]:
        return {'sigma': self.model(_not_empty(image), training=False)}

    @tf.function(input_signature=[
        tf.TensorSpec([None, None, None, 3], tf.uint8, 'image')])
    def from_uint8(self, image: tf.Tensor) -> dict[str, tf.Tensor]:
        return self.from_float(tf.cast(image, tf.float32))

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, 'image')])
    def from_bytes(self, image: tf.Tensor) -> dict[str, tf.Tensor]:
        image = _not_empty(image)
        size = tf.shape(_decode(image[0]))
        decoded = tf.map_fn(
            lambda encoded: _decode(encoded, size), image,
            fn_output_signature=tf.TensorSpec([None, None, 3], tf.uint8))
        return self.from_uint8(decoded)

    def signatures(self) -> dict[str, Callable]:
        return {'serving_default': self.from_uint8, 'float': self.from_float,
                'bytes': self.from_bytes}


def _not_empty(image):
    """The pictures of a request, of which there must be some."""
    some = tf.debugging.assert_positive(
        tf.shape(image)[0], 'A request needs at least one picture.')
    with tf.control_dependencies([some]):
        return tf.identity(image)


def _decode(encoded, size=None):
    """A JPEG or PNG file -> uint8 [h, w, 3]; checks its size if given."""
    image = tf.io.decode_image(encoded, channels=3, expand_animations=False)
    if size is not None:
        tf.debugging.assert_equal(
            tf.shape(image), size,
            'The pictures of a request must be of one size.')
    return image


def model_card(source: str | pathlib.Path) -> dict[str, Any]:
    """What is known of a model, as JSON values."""
    return {**weights.describe(source),
            'input': 'RGB in [0, 255], any height and width',
            'output': 'sigma: standard deviation of the Gaussian blur at each '
                      'pixel, in px of the input'}


def export_saved_model(source: str | pathlib.Path,
                       output_dir: str | pathlib.Path,
                       version: int = 1) -> pathlib.Path:
    """Writes the SavedModel of a model into <output_dir>/<version>.

    The folder appears when it is complete. It has requests that TF Serving
    warms up with if tensorflow-serving-api is installed.

    Args:
        source: As of weights.load_model.
        output_dir: TF Serving's model_base_path.
        version: Its folder; must not exist.

    Returns:
        The folder, pathlib.Path.

    Raises:
        FileExistsError: That version is there already.
        FileNotFoundError, ValueError: See weights.load_model.
    """
    output_dir = pathlib.Path(output_dir)
    target = output_dir / str(version)
    if target.exists():
        raise FileExistsError(f'{target} exists; TF Serving picks the highest '
                              'version, so choose another --version.')
    model = weights.load_model(source)
    output_dir.mkdir(parents=True, exist_ok=True)
    # TF Serving looks at numbered folders alone, so it never sees this one.
    with tempfile.TemporaryDirectory(prefix='.tmp-', dir=output_dir) as folder:
        folder = pathlib.Path(folder)
        card = folder / 'model_card.json'
        card.write_text(json.dumps(model_card(source), indent=2) + '\n')
        servable = Servable(model, card)
        with _warnings_alone():
            tf.saved_model.save(servable, str(folder / 'model'),
                                signatures=servable.signatures())
        _write_warm_up(folder / 'model', target)
        shutil.move(folder / 'model', target)
    return target


@contextlib.contextmanager
def _warnings_alone() -> Iterator[None]:
    """Keeps TensorFlow from telling the name of a temporary folder."""
    logger = tf.get_logger()
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)


def _write_warm_up(folder, target):
    """Requests that TF Serving runs before it says that it is ready."""
    try:
        from tensorflow_serving.apis import predict_pb2, prediction_log_pb2
    except ImportError:
        return
    path = folder / 'assets.extra' / 'tf_serving_warmup_requests'
    path.parent.mkdir()
    with tf.io.TFRecordWriter(str(path)) as writer:
        for size in _WARM_UP_SIZES:
            request = predict_pb2.PredictRequest()
            request.model_spec.name = target.parent.name
            request.model_spec.signature_name = 'serving_default'
            request.inputs['image'].CopyFrom(
                tf.make_tensor_proto(np.zeros((1, *size, 3), np.uint8)))
            log = prediction_log_pb2.PredictionLog(
                predict_log=prediction_log_pb2.PredictLog(request=request))
            writer.write(log.SerializeToString())


def _test_image(size):
    return np.random.default_rng(0).uniform(0, 255, (1, *size, 3)).astype(
        np.float32)


def _check(name, got, expected, limit=1e-3):
    error = float(np.abs(np.asarray(got) - expected).max())
    if not error <= limit:
        raise ValueError(f'{name}: its map differs from that of Keras by '
                         f'{error:.2g} px, more than {limit} px; not written.')
    return error


def export_onnx(model: keras.Model, path: str | pathlib.Path) -> float:
    """Writes an .onnx of any size: float32 `image` in [0, 255] -> `sigma`.

    Args:
        model: The public model.
        path: Of the file.

    Returns:
        Largest difference from Keras on a random image, px.

    Raises:
        ImportError: tf2onnx or onnxruntime is not installed.
        ValueError: The converted model gives another map; nothing is written.
    """
    folded = inference.fold(model)
    content = runtimes.to_onnx(folded)
    image = _test_image((70, 90))
    error = _check('ONNX', runtimes.run_onnx(content)(image),
                   folded(image, training=False))
    with files.atomic_path(path) as temporary:
        temporary.write_bytes(content)
    return error


def export_tflite(model: keras.Model, path: str | pathlib.Path,
                  size: tuple[int, int]) -> float:
    """Writes a .tflite for one size: float32 `image` [1, h, w, 3] -> sigma.

    Args:
        model: The public model.
        path: Of the file.
        size: (h, w), px; TFLite runs fixed sizes fastest.

    Returns:
        Largest difference from Keras on a random image, px.

    Raises:
        ValueError: The converted model gives another map; nothing is written.
    """
    folded = inference.fold(model)
    signature = [tf.TensorSpec([1, *size, 3], tf.float32, 'image')]
    # Of TensorFlow 2.21's files the variables have no values.
    frozen = convert_variables_to_constants_v2(
        tf.function(folded, input_signature=signature).get_concrete_function())
    run = tf.function(lambda image: {'sigma': frozen(image)[0]},
                      input_signature=signature)
    content = tf.lite.TFLiteConverter.from_concrete_functions(
        [run.get_concrete_function()], tf.Module()).convert()
    interpreter = tf.lite.Interpreter(model_content=content)
    runner = interpreter.get_signature_runner()
    image = _test_image(size)
    error = _check('TFLite', runner(image=image)['sigma'],
                   folded(image, training=False).numpy())
    with files.atomic_path(path) as temporary:
        temporary.write_bytes(content)
    return error


def export_weights(sources: Sequence[str | pathlib.Path],
                   path: str | pathlib.Path,
                   licence: str | None = None) -> float:
    """Writes a weights file for use alone: B without side heads, in float16.

    Args:
        sources: As of weights.load; of several, their mean is written, in
            which one that is there n times counts n times.
        path: Of the smaller one.
        licence: What it says of its licence; None: what the sources say.

    Returns:
        Largest difference that float16 makes on a random image, px.

    Raises:
        FileNotFoundError, ValueError: See weights.average; or float16 changes
            the map by more than 0.02 px; nothing is written.
    """
    nets, metadata = weights.average(sources, inference_only=True)
    metadata |= {} if licence is None else {'licence': licence}
    image = _test_image((70, 90))
    exact = inference.build_estimator(nets.B, metadata['convention'])(
        image).numpy()
    with files.atomic_path(path) as temporary:
        weights.save(temporary, nets, metadata, np.float16)
        return _check('float16', weights.load_model(temporary)(image), exact,
                      limit=0.02)


def export_web(source: str | pathlib.Path, folder: str | pathlib.Path,
               onnxruntime_web: str | pathlib.Path | None = None) -> float:
    """Writes a static page that maps photographs in the browser, see web.

    Args:
        source: As of weights.load_model.
        folder: Must not exist; appears when it is complete.
        onnxruntime_web: See web.write.

    Returns:
        Largest difference from Keras on a random image, px.

    Raises:
        FileExistsError: The folder is there already.
        ImportError, ValueError: See export_onnx.
        OSError: See web.write.
    """
    with files.new_folder(folder) as made:
        web.write(made, weights.describe(source), onnxruntime_web)
        model_files.copy_licence(source, made)
        return export_onnx(weights.load_model(source), made / 'model.onnx')


def define_flags() -> None:
    """Defines the flags of this command."""
    flags.DEFINE_string(
        'model', 'small', 'A bundled model (small is the newest of its '
        'versions, small-v1 is that one), a weights file (.npz) made by '
        "dmenet_tf.train, or the authors' checkpoint DMENet_BDCS.npz.")
    flags.DEFINE_string(
        'output_dir', None, "TF Serving's model_base_path; the SavedModel goes "
        'into its folder --version.')
    flags.DEFINE_integer('version', 1, 'Folder of this model.', lower_bound=1)
    flags.DEFINE_string(
        'onnx', None, "Also write this .onnx file (pip install "
        "'dmenet_tf[onnx]').")
    flags.DEFINE_string(
        'tflite', None, 'Also write this .tflite file, for images of --size.')
    flags.DEFINE_string(
        'web', None, 'Also write a static page into this new folder, which '
        "maps photographs in the browser (pip install 'dmenet_tf[onnx]', and "
        'npm).')
    flags.DEFINE_string(
        'onnxruntime_web', None, 'With --web: folder of the npm package '
        f'onnxruntime-web, version {web.VERSION}, which npm fetches '
        'otherwise.')
    flags.DEFINE_string(
        'hub', None, 'Also write the model into this new folder, as the '
        'Hugging Face hub takes it.')
    flags.DEFINE_string(
        'npz', None, 'Also write this weights file: what estimation needs, '
        'in float16.')
    flags.DEFINE_list(
        'average', [], 'With --npz: more weights files of the same training; '
        'the mean of them and --model is written.')
    flags.DEFINE_string(
        'licence', None, 'With --npz: what the file is to say of its licence.')
    flags.DEFINE_list(
        'size', ['480', '640'], 'Height and width of the images of --tflite.')


def main(arguments: list[str]) -> int:
    """Runs the command; returns its exit status."""
    if arguments:
        raise command.UsageError(f'Unexpected arguments: {arguments}.')
    if not any(FLAGS[name].value for name in _RESULTS):
        raise command.UsageError(f'Pass one of --{", --".join(_RESULTS)}.')
    for name, needed in _NEEDS.items():
        if FLAGS[name].value and not FLAGS[needed].value:
            raise command.UsageError(f'--{name} needs --{needed}.')
    size = _size()
    if FLAGS.onnx or FLAGS.web:
        runtimes.onnx_packages()  # Better known before the others are written.
    if FLAGS.output_dir:
        _export_saved_model()
    if FLAGS.onnx:
        error = export_onnx(weights.load_model(FLAGS.model), FLAGS.onnx)
        print(f'ONNX: {FLAGS.onnx}, within {error:.1g} px of Keras')
    if FLAGS.web:
        error = export_web(FLAGS.model, FLAGS.web, FLAGS.onnxruntime_web)
        print(f'Page: {FLAGS.web}, within {error:.1g} px of Keras; python -m '
              f'http.server --directory={FLAGS.web} offers it here.')
    if FLAGS.hub:
        hub_folder.write(FLAGS.model, FLAGS.hub)
        print(f'Hub: {FLAGS.hub}; hf upload OWNER/NAME {FLAGS.hub}')
    if FLAGS.npz:
        error = export_weights([FLAGS.model, *FLAGS.average], FLAGS.npz,
                               FLAGS.licence)
        print(f'Weights: {FLAGS.npz}, within {error:.1g} px of float32')
    if FLAGS.tflite:
        error = export_tflite(weights.load_model(FLAGS.model), FLAGS.tflite,
                              size)
        print(f'TFLite: {FLAGS.tflite}, within {error:.1g} px of Keras')
    return 0


def _size():
    """(h, w) of --size."""
    sides = [int(side) for side in FLAGS.size if side.isdecimal()]
    if len(sides) != len(FLAGS.size) or len(sides) != 2 or not all(sides):
        raise command.UsageError('--size needs height,width, such as 480,640. '
                                 f'Received: {FLAGS.size}.')
    return tuple(sides)


def _export_saved_model():
    folder = export_saved_model(FLAGS.model, FLAGS.output_dir, FLAGS.version)
    print(f'SavedModel: {folder}')
    if not (folder / 'assets.extra').exists():
        print('It has no warm-up requests: pip install '
              "'dmenet_tf[serving]' to write them.")


if __name__ == '__main__':
    command.run(main, define_flags, __doc__)
