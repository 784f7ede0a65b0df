"""Calls the public functions as a typed program does; mypy reads it.

Nothing runs it. assert_type fails where a type is unknown (Any) or another.
"""

import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from typing_extensions import assert_type

import dmenet_tf
from dmenet_tf import (
    engines,
    evaluate,
    export,
    images,
    inference,
    jobs,
    maps,
    metrics,
    model_files,
    networks,
    optics,
    runtimes,
    sigma_files,
    train,
    weights,
)
from dmenet_tf.applications import deblur, depth, magnify
from dmenet_tf.syndof import capture, generate, pairs, render, rgbd

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Codes = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]


def estimation(path: pathlib.Path) -> None:
    image: np.ndarray = dmenet_tf.read_image(path)
    model = dmenet_tf.load_model('small')
    sigma = dmenet_tf.estimate(image, model, scales=1)
    assert_type(sigma, Floats)
    assert_type(dmenet_tf.estimate([image, image], 'small'), list[Floats])
    assert_type(weights.describe('small'), dict[str, Any])
    assert_type(model_files.bundled_models(), list[str])
    assert_type(model_files.find('small'), pathlib.Path)
    assert_type(model_files.digest(path), str)
    assert_type(weights.load(path), tuple[networks.Networks, dict[str, Any]])
    assert_type(images.find_images(path, recursive=True), list[pathlib.Path])
    assert_type(images.images_by_stem('folder'), dict[str, pathlib.Path])
    assert_type(dmenet_tf.estimate(image, precision='float32'), Floats)
    chosen = engines.choose('tensorflow', 'auto')
    assert_type(chosen, engines.Engine)
    assert_type(runtimes.make_runner(model, *chosen),
                Callable[[np.ndarray], Floats])
    assert_type(runtimes.make_runner(model, 'openvino_int8',
                                     photographs=[image]),
                Callable[[np.ndarray], Floats])
    assert_type(inference.receptive_field(model), tuple[int, int])


def files(path: pathlib.Path, sigma: Floats) -> None:
    sigma_files.write_npy(path, sigma)
    sigma_files.write_png('map.png', sigma, compress_level=1)
    assert_type(sigma_files.read_sigma(path), Floats)
    assert_type(sigma_files.read_mask(path), Mask)
    assert_type(sigma_files.codes_from_sigma(sigma), npt.NDArray[np.uint16])
    assert_type(maps.color_sigma(sigma, 7.0), Codes)
    assert_type(maps.is_blurred(sigma), Mask)
    assert_type(maps.summarise(sigma, 'photo.jpg'), maps.Summary)
    found, problems = jobs.find_jobs(['photo.jpg'], path)
    assert_type(found, list[jobs.Job])
    assert_type(problems, list[str])


def relations(sigma: np.ndarray) -> None:
    # Any: what is a tf.Tensor comes back as one, and TensorFlow has no types.
    one: float = optics.sigma_from_coc(4.0)
    coc: np.ndarray = optics.coc_from_sigma(sigma)
    coc = optics.circle_of_confusion(sigma, one, 10.0)
    sigma = optics.sigma_from_defocus(coc, 'sigma7')
    assert_type(optics.disc_table(), tuple[Doubles, Doubles])


def scores(values: np.ndarray, mask: Mask, path: pathlib.Path) -> None:
    assert_type(metrics.threshold(values), float)
    assert_type(metrics.binarize(values), Mask)
    assert_type(metrics.accuracy(mask, mask), float)
    assert_type(metrics.mean_absolute_error(values, [1.0]), float)
    assert_type(metrics.average_precision(values, mask), float)
    assert_type(metrics.rank_correlation(values, values), float)
    results = evaluate.evaluate(evaluate.Options(
        protocol='rtf', images='RTF', ground_truth=path, model=['small'],
        output_dir='evaluation/rtf'))
    assert_type(results.rows(), list[dict[str, Any]])
    assert_type(results['protocol'], Any)


def training() -> None:
    config = train.Config(synthetic=['SYNDOF'], workdir='runs/b', lambda_adv=0,
                          lambda_S=0, augment=train.AUGMENT['photographs'])
    assert_type(config.augment, train.Augment | None)
    assert_type(train.run(config), int)
    folder = pathlib.Path('SYNDOF')
    train.Config(synthetic='SYNDOF', real=folder, binary=[folder, 'CUHK'],
                 init_weights='small', workdir=folder, cache=folder)


def making_data(path: pathlib.Path, image: Floats) -> None:
    found, problems = pairs.find_pairs(path, unit='mm')
    assert_type(found, list[pairs.Pair])
    assert_type(problems, list[str])
    records, errors = generate.generate('OUT', 3, generate.Recipe(seed=1),
                                        found)
    assert_type(records, list[dict[str, Any]])
    assert_type(errors, list[str])
    depth_m = rgbd.read_depth(path, 'mm')
    assert_type(depth_m, Floats)
    shot = capture.sample('paper', depth_m, np.random.default_rng(0))
    assert_type(render.blend_layers(image, shot.layer, shot.sigma), Floats)


def using_maps(image: Codes, sigma: Floats) -> None:
    assert_type(magnify.magnify(image, sigma, strength=3.0), Floats)
    assert_type(deblur.deblur(image, sigma, noise=0.01), Floats)
    camera = depth.camera_of('photo.jpg', {'f_number': 2.0})
    assert_type(camera, depth.Camera | None)
    assert_type(depth.depth(sigma, camera=camera), Floats)
    assert_type(depth.read_exif('photo.jpg'), dict[str, float])


def exporting(path: pathlib.Path) -> None:
    assert_type(export.export_saved_model('small', 'export/dmenet', version=2),
                pathlib.Path)
    model = dmenet_tf.load_model()
    assert_type(export.export_onnx(model, path), float)
    assert_type(export.export_tflite(model, path, (480, 640)), float)
    assert_type(export.export_weights([path], 'small.npz'), float)
    assert_type(export.model_card(path), dict[str, Any])
