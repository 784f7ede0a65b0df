"""The exported model in TF Serving itself, where its server is installed."""

import base64
import json
import shutil
import socket
import subprocess
import time
import urllib.request

import numpy as np
import pytest

SERVER = 'tensorflow_model_server'


def _free_port():
    with socket.socket() as one:
        one.bind(('localhost', 0))
        return one.getsockname()[1]


def _ask(url, body=None):
    with urllib.request.urlopen(url, body, timeout=60) as reply:
        return json.load(reply)


@pytest.fixture
def url(base, tmp_path):
    rest = _free_port()
    with open(tmp_path / 'log', 'wb') as log, subprocess.Popen(
            [SERVER, f'--port={_free_port()}', f'--rest_api_port={rest}',
             '--model_name=dmenet', f'--model_base_path={base}'],
            stdout=log, stderr=log) as process:
        url = f'http://localhost:{rest}/v1/models/dmenet'
        for _ in range(300):
            try:
                _ask(url)
                break
            except OSError:
                assert process.poll() is None, (tmp_path / 'log').read_text()
                time.sleep(0.2)
        yield url
        process.terminate()


@pytest.mark.skipif(not shutil.which(SERVER), reason=f'no {SERVER} on PATH')
def test_tf_serving_gives_the_models_maps(url, images, expected, encode):
    status, = _ask(url)['model_version_status']  # The highest alone.
    assert (status['version'], status['state']) == ('2', 'AVAILABLE')
    files = [{'b64': base64.b64encode(encode(image, 'PNG')).decode()}
             for image in images]
    for body, key in (({'instances': images.tolist()}, 'predictions'),
                      ({'inputs': {'image': images.tolist()}}, 'outputs'),
                      ({'signature_name': 'bytes', 'instances': files},
                       'predictions')):
        answer = _ask(f'{url}:predict', json.dumps(body).encode())
        np.testing.assert_allclose(answer[key], expected(images), atol=1e-4)
