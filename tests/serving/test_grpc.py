"""The exported model over gRPC: our client of docs/serve.md, and another."""

import pathlib
import re

import numpy as np
import pytest
import tensorflow as tf

pytestmark = pytest.mark.extra
pytest.importorskip('tensorflow_serving', reason='needs the extra serving')

import grpc  # noqa: E402
import grpc_stand_in  # noqa: E402
from tensorflow_serving.apis import (  # noqa: E402
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

PAGE = pathlib.Path(__file__).parents[2] / 'docs/serve.md'


@pytest.fixture(scope='module')
def address(base):
    with grpc_stand_in.serve_grpc(base) as port:
        yield f'localhost:{port}'


@pytest.fixture(scope='module')
def channel(address):
    with grpc.insecure_channel(address) as channel:
        yield channel


@pytest.fixture
def predict(channel):
    """Sends arrays by name to a signature and version of a model."""
    stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)

    def predict(signature='', version=None, name='dmenet', **arrays):
        request = predict_pb2.PredictRequest()
        request.model_spec.name = name
        request.model_spec.signature_name = signature
        if version is not None:
            request.model_spec.version.value = version
        for key, array in arrays.items():
            request.inputs[key].CopyFrom(tf.make_tensor_proto(array))
        return stub.Predict(request, timeout=60)
    return predict


def fails(code, text):
    """Expects an error of this status whose details hold the text."""
    def check(error):
        return error.code() == grpc.StatusCode[code] and text in error.details()
    return pytest.raises(grpc.RpcError, check=check)


@pytest.mark.parametrize('signature, dtype', [
    ('', np.uint8), ('serving_default', np.uint8), ('float', np.float32)])
@pytest.mark.parametrize('version', [None, 1, 2])
def test_pixels_give_the_models_maps(predict, images, expected, signature,
                                     dtype, version):
    reply = predict(signature, version, image=images.astype(dtype))
    assert list(reply.outputs) == ['sigma']
    assert reply.model_spec.version.value == (version or 2)
    np.testing.assert_allclose(tf.make_ndarray(reply.outputs['sigma']),
                               expected(images), atol=1e-4)


@pytest.mark.parametrize('form', ['JPEG', 'PNG'])
def test_files_give_the_maps_of_their_pixels(predict, images, expected, encode,
                                             form):
    files = [encode(image, form) for image in images]
    pixels = np.stack([tf.io.decode_image(file).numpy() for file in files])
    reply = predict('bytes', image=files)
    np.testing.assert_allclose(tf.make_ndarray(reply.outputs['sigma']),
                               expected(pixels), atol=1e-4)


def test_what_is_wrong_is_an_error_with_its_status(predict, images, encode):
    whole, part = encode(images[0], 'PNG'), encode(images[0, 1:], 'PNG')
    with fails('INVALID_ARGUMENT', 'must be of one size'):
        predict('bytes', image=[whole, part])
    with fails('INVALID_ARGUMENT', 'Unknown image file format'):
        predict('bytes', image=[b'no picture'])
    with fails('INVALID_ARGUMENT', 'needs at least one picture'):
        predict('bytes', image=np.array([], object))
    with fails('INVALID_ARGUMENT', 'needs at least one picture'):
        predict(image=images[:0])
    with fails('INVALID_ARGUMENT', 'only 3 dims'):
        predict(image=images[0])
    with fails('INVALID_ARGUMENT', 'expected to be a uint8 tensor'):
        predict(image=images.astype(np.float32))
    with fails('INVALID_ARGUMENT', '"none" not found'):
        predict('none', image=images)
    with fails('INVALID_ARGUMENT', "['image']"):
        predict(picture=images)
    with fails('NOT_FOUND', 'Specific(dmenet, 3)'):
        predict(version=3, image=images)
    with fails('NOT_FOUND', 'Latest(another)'):
        predict(name='another', image=images)


def test_metadata_is_that_of_the_export(channel):
    stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
    request = get_model_metadata_pb2.GetModelMetadataRequest()
    request.model_spec.name = 'dmenet'
    request.metadata_field.append('signature_def')
    reply = stub.GetModelMetadata(request)
    found = get_model_metadata_pb2.SignatureDefMap()
    assert reply.metadata['signature_def'].Unpack(found)
    types = {name: tf.as_dtype(each.inputs['image'].dtype)
             for name, each in found.signature_def.items()}
    assert types == {'serving_default': tf.uint8, 'float': tf.float32,
                     'bytes': tf.string}
    request.metadata_field.append('none')
    with fails('INVALID_ARGUMENT', 'not supported'):
        stub.GetModelMetadata(request)


def test_status_tells_of_all_versions_or_of_one(channel):
    stub = model_service_pb2_grpc.ModelServiceStub(channel)
    request = get_model_status_pb2.GetModelStatusRequest()
    request.model_spec.name = 'dmenet'

    def versions():
        return [each.version for each
                in stub.GetModelStatus(request).model_version_status]
    assert versions() == [1, 2]
    request.model_spec.version.value = 2
    assert versions() == [2]
    request.model_spec.version.value = 3
    with fails('NOT_FOUND', 'Specific(dmenet, 3)'):
        versions()


def test_the_documented_client_gets_maps_of_more_than_4_mb(
        address, encode, expected, tmp_path, monkeypatch):
    """gRPC's own limit, which the documented client has to lift."""
    image = np.random.default_rng(6).integers(
        0, 256, (65, 66, 3), np.uint8).repeat(16, 0).repeat(16, 1)
    (tmp_path / 'photo.jpg').write_bytes(encode(image, 'PNG'))
    monkeypatch.chdir(tmp_path)
    block, = [block for block in re.findall(
        r'^```python\n(.*?)^```$', PAGE.read_text(), re.MULTILINE | re.DOTALL)
        if 'tensorflow_serving' in block]
    names = {}
    exec(block.replace('localhost:8500', address), names)
    assert names['sigma'].nbytes > 4 << 20
    np.testing.assert_allclose(names['sigma'],
                               expected(image[None])[0, ..., 0], atol=1e-4)


def test_an_independent_client_gets_the_same(address, images, expected):
    ovmsclient = pytest.importorskip('ovmsclient')
    client = ovmsclient.make_grpc_client(address)
    np.testing.assert_allclose(
        client.predict({'image': images}, 'dmenet', 1, timeout=60),
        expected(images), atol=1e-4)
    status = client.get_model_status('dmenet', 1)
    assert status == {1: {'state': 'AVAILABLE', 'error_code': 0,
                          'error_message': ''}}
    metadata = client.get_model_metadata('dmenet', 2)
    assert metadata == {
        'model_version': 2,
        'inputs': {'image': {'shape': [-1, -1, -1, 3], 'dtype': 'DT_UINT8'}},
        'outputs': {'sigma': {'shape': [-1, -1, -1, 1], 'dtype': 'DT_FLOAT'}}}
    with pytest.raises(ovmsclient.ModelNotFoundError, match='another'):
        client.predict({'image': images}, 'another', 1, timeout=60)
    with pytest.raises(ovmsclient.InvalidInputError, match='dims'):
        client.predict({'image': images[0]}, 'dmenet', 1, timeout=60)
