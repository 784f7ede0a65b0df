"""The exported model over REST, as TF Serving's api_rest.md has it."""

import base64
import json
import urllib.error
import urllib.request

import numpy as np
import pytest
import stand_in

pytestmark = pytest.mark.long


@pytest.fixture(scope='module')
def url(base):
    with stand_in.serve_rest(base) as port:
        yield f'http://localhost:{port}/v1/models/dmenet'


def ask(url, body=None):
    """(status, JSON) of a GET, or of a POST of a body."""
    if body is not None and not isinstance(body, bytes):
        body = json.dumps(body).encode()
    try:
        with urllib.request.urlopen(url, body) as reply:
            assert reply.headers['Content-Type'] == 'application/json'
            return reply.status, json.load(reply)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def packed(*files):
    return [{'b64': base64.b64encode(file).decode()} for file in files]


@pytest.mark.parametrize('signature', [None, 'serving_default', 'float'])
@pytest.mark.parametrize('named', [True, False])
@pytest.mark.parametrize('version', ['', '/versions/1', '/versions/2'])
def test_rows_and_columns_give_the_models_maps(url, images, expected,
                                               signature, named, version):
    chosen = {} if signature is None else {'signature_name': signature}
    pixels = images.tolist()
    rows = [{'image': one} for one in pixels] if named else pixels
    status, answer = ask(f'{url}{version}:predict',
                         {**chosen, 'instances': rows})
    assert status == 200 and list(answer) == ['predictions']
    status, other = ask(
        f'{url}{version}:predict',
        {**chosen, 'inputs': {'image': pixels} if named else pixels})
    assert status == 200 and list(other) == ['outputs']
    for sigma in (answer['predictions'], other['outputs']):
        np.testing.assert_allclose(sigma, expected(images), atol=1e-4)


@pytest.mark.parametrize('form', ['JPEG', 'PNG'])
def test_files_give_the_maps_of_their_pixels(url, images, expected, encode,
                                             form):
    import tensorflow as tf
    files = [encode(image, form) for image in images]
    pixels = np.stack([tf.io.decode_image(file).numpy() for file in files])
    for body, key in (
            ({'instances': [{'image': one} for one in packed(*files)]},
             'predictions'),
            ({'instances': packed(*files)}, 'predictions'),
            ({'inputs': {'image': packed(*files)}}, 'outputs'),
            ({'inputs': packed(*files)}, 'outputs')):
        status, answer = ask(f'{url}:predict',
                             {'signature_name': 'bytes', **body})
        assert status == 200
        np.testing.assert_allclose(answer[key], expected(pixels), atol=1e-4)


def test_status_tells_of_all_versions_or_of_one(url):
    available = {'state': 'AVAILABLE',
                 'status': {'error_code': 'OK', 'error_message': ''}}
    assert ask(url) == (200, {'model_version_status': [
        {'version': '2', **available}, {'version': '1', **available}]})
    assert ask(f'{url}/versions/1') == (200, {'model_version_status': [
        {'version': '1', **available}]})


def test_metadata_names_the_signatures(url):
    status, answer = ask(f'{url}/metadata')
    assert status == 200
    assert answer['model_spec'] == {'name': 'dmenet', 'signature_name': '',
                                    'version': '2'}
    found = answer['metadata']['signature_def']['signature_def']
    assert {name: each['inputs']['image']['dtype']
            for name, each in found.items()} == {
        'serving_default': 'DT_UINT8', 'float': 'DT_FLOAT',
        'bytes': 'DT_STRING'}
    for each in found.values():
        assert list(each['inputs']) == ['image']
        assert list(each['outputs']) == ['sigma']
        assert each['outputs']['sigma']['dtype'] == 'DT_FLOAT'
        assert each['method_name'] == 'tensorflow/serving/predict'
    size = found['serving_default']['inputs']['image']['tensor_shape']['dim']
    assert [side['size'] for side in size] == ['-1', '-1', '-1', '3']


@pytest.mark.parametrize('path, body, status, text', [
    ('/versions/3:predict', {'instances': [[[[1, 2, 3]]]]}, 404,
     'Servable not found for request: Specific(dmenet, 3)'),
    ('/versions/3', None, 404, 'Specific(dmenet, 3)'),
    ('/versions/3/metadata', None, 404, 'Specific(dmenet, 3)'),
    ('s:predict', {'instances': [[[[1, 2, 3]]]]}, 404, 'Latest(dmenets)'),
    (':predict', b'{"instances": [', 400, 'JSON Parse error'),
    (':predict', {}, 400, "'instances' and 'inputs'"),
    (':predict', {'instances': [], 'inputs': []}, 400, 'instances'),
    (':predict', {'instances': []}, 400, 'empty'),
    (':predict', {'instances': [[[[1, 2, 3]]]], 'signature_name': 'none'}, 400,
     'Serving signature name: "none" not found in signature def'),
    (':predict', {'instances': [{'picture': [[[1, 2, 3]]]}]}, 400,
     "Inputs needed: ['image']"),
    (':predict', {'instances': [[[[1.5, 2, 3]]]]}, 400, 'type: uint8'),
    (':predict', {'instances': [[[[-1, 2, 256]]]]}, 400, 'type: uint8'),
    (':predict', {'instances': [[[[1, 2, 3]]], [[[1, 2, 3], [4, 5, 6]]]]}, 400,
     'shape'),
    (':predict', {'instances': [[[[1, 2]]]]}, 400, 'shape'),
    (':classify', {'examples': []}, 400, 'Malformed request: POST')])
def test_what_is_wrong_is_an_error_with_its_status(url, path, body, status,
                                                   text):
    got, answer = ask(f'{url}{path}', body)
    assert got == status and list(answer) == ['error']
    assert text in answer['error']


def test_files_that_cannot_be_mapped_are_errors_with_the_reason(
        url, images, encode):
    whole, part = encode(images[0], 'PNG'), encode(images[0, 1:], 'PNG')
    for files, text in (((whole, part), 'one size'),
                        ((b'no picture',), 'Unknown image file format'),
                        ((whole[:40],), '')):
        status, answer = ask(f'{url}:predict', {
            'signature_name': 'bytes', 'instances': packed(*files)})
        assert status == 400 and text in answer['error'] and answer['error']


@pytest.mark.extra
def test_an_independent_client_gets_the_same(url, images, expected):
    ovmsclient = pytest.importorskip('ovmsclient')
    client = ovmsclient.make_http_client(url.split('/')[2])
    assert set(client.get_model_status('dmenet', 1)) == {1}
    assert client.get_model_status('dmenet', 1)[1]['state'] == 'AVAILABLE'
    np.testing.assert_allclose(
        client.predict({'image': images}, 'dmenet', 1, timeout=60),
        expected(images), atol=1e-4)
    metadata = client.get_model_metadata('dmenet', 2)
    assert metadata['model_spec']['version'] == '2'
    with pytest.raises(ovmsclient.ModelNotFoundError, match='Latest|Specific'):
        client.predict({'image': images}, 'another', 1, timeout=60)
    with pytest.raises(ovmsclient.InvalidInputError, match='uint8'):
        client.predict({'image': images + 0.5}, 'dmenet', 1, timeout=60)
