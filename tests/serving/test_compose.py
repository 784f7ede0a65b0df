"""docker/compose.yaml, as far as can be told without a Docker daemon."""

import http.server
import pathlib
import subprocess
import threading

import pytest

yaml = pytest.importorskip('yaml')
ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture(scope='module')
def service():
    composed = yaml.safe_load((ROOT / 'docker/compose.yaml').read_text())
    assert list(composed) == ['services']
    return composed['services']['dmenet']


def test_it_builds_the_serving_image_of_this_checkout(service):
    build = service['build']
    context = (ROOT / 'docker' / build['context']).resolve()
    assert context == ROOT
    dockerfile = (context / build['dockerfile']).read_text()
    for name, value in build['args'].items():
        assert f'\nARG {name}=small\n' in dockerfile
        assert value == f'${{{name}:-small}}'


def test_it_is_open_to_this_machine_alone(service):
    assert service['ports'] == ['127.0.0.1:8500:8500', '127.0.0.1:8501:8501']


class _Status(http.server.BaseHTTPRequestHandler):
    """GET /v1/models/dmenet, as TF Serving answers it."""

    def do_GET(self):
        state = self.server.state
        found = self.path == '/v1/models/dmenet'
        self.send_response(200 if found else 404)
        self.end_headers()
        self.wfile.write(b'{"model_version_status": [{"version": "1",\n'
                         b'"state": "%s"}]}' % (state if found else b''))

    def log_message(self, *arguments):
        pass


@pytest.mark.parametrize('state, status', [
    (b'AVAILABLE', 0), (b'LOADING', 1), (None, 1)])
def test_it_is_healthy_when_the_model_is_there(service, state, status):
    kind, *command = service['healthcheck']['test']
    assert kind == 'CMD'
    with http.server.HTTPServer(('127.0.0.1', 0), _Status) as server:
        server.state = state
        port = server.server_port
        if state:
            threading.Thread(target=server.serve_forever).start()
        else:
            server.server_close()
        command[-1] = command[-1].replace('/8501', f'/{port}')
        done = subprocess.run(command, capture_output=True)
        if state:
            server.shutdown()
    assert done.returncode == status
