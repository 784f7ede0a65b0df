"""The page in headless Chromium, and the server behind it."""

import concurrent.futures
import io
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import numpy as np
import pytest
from PIL import Image

import dmenet_tf
from dmenet_tf import images

pytestmark = pytest.mark.extra
pytest.importorskip('gradio')

PHOTOGRAPHS = pathlib.Path(__file__).parents[2] / 'data/samples/photographs'
START = 'Drop a photograph'


def bare_png(path, size):
    """A black picture of any size in a small file, without Pillow's limit."""
    Image.new('1', size).save(path)
    return path


class Server:
    """The command in a process of its own."""

    def __init__(self, model_file, folder):
        with socket.socket() as free:
            free.bind(('127.0.0.1', 0))
            self.port = free.getsockname()[1]
        self.folder = folder
        self.log = (folder / 'log').open('w+')
        self.process = subprocess.Popen(
            [sys.executable, '-m', 'dmenet_tf.demo', f'--model={model_file}',
             f'--port={self.port}'], stdout=self.log, stderr=self.log,
            env={**os.environ, 'TMPDIR': str(folder)})
        self.url = f'http://127.0.0.1:{self.port}'
        self._wait()

    def _wait(self):
        for _ in range(600):
            if 'is open' in (self.folder / 'log').read_text():
                return
            if self.process.poll() is not None:
                break
            time.sleep(0.2)
        raise RuntimeError((self.folder / 'log').read_text())

    def memory_mib(self):
        status = pathlib.Path(f'/proc/{self.process.pid}/status').read_text()
        return int(re.search(r'VmRSS:\s+(\d+)', status).group(1)) / 1024

    def temporary(self):
        return [path for path in self.folder.glob('dmenet_demo_*/**/*')
                if path.is_file()]

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(300)
        self.log.close()


@pytest.fixture(scope='module')
def server(model_file, tmp_path_factory):
    running = Server(model_file, tmp_path_factory.mktemp('server'))
    yield running
    running.stop()
    assert running.process.returncode == 0
    assert not list(running.folder.glob('dmenet_demo_*'))


@pytest.fixture(scope='module')
def browser():
    api = pytest.importorskip('playwright.sync_api')
    program = shutil.which('chromium') or shutil.which('google-chrome')
    if not program:
        pytest.skip('needs Chromium')
    with api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=program,
                                            args=['--no-sandbox'])
        yield opened
        opened.close()


@pytest.fixture(params=[(1280, 900), (390, 844)], ids=['desktop', 'phone'])
def page(request, server, browser):
    """The page; afterwards: no errors, and nothing came from elsewhere."""
    width, height = request.param
    opened = browser.new_page(viewport={'width': width, 'height': height},
                              is_mobile=width < 640, has_touch=width < 640)
    errors, elsewhere = [], []
    opened.on('console', lambda message: message.type == 'error'
              and errors.append(message.text))
    opened.on('pageerror', lambda error: errors.append(str(error)))
    opened.on('request', lambda asked: asked.url.startswith(
        (server.url, 'data:', 'blob:')) or elsewhere.append(asked.url))
    opened.set_default_timeout(120_000)
    opened.goto(server.url)
    opened.wait_for_selector('#photograph input', state='attached')
    opened.errors = errors
    yield opened
    assert not errors and not elsewhere
    opened.close()


def choose(page, path):
    page.set_input_files('#photograph input', path)


def pictures(page, selector):
    """The pictures shown in a component, as arrays."""
    page.wait_for_selector(f'{selector} img')
    found = [image.get_attribute('src')
             for image in page.query_selector_all(f'{selector} img')]
    return [np.asarray(Image.open(io.BytesIO(
        page.request.get(source).body())).convert('RGB'), float)
        for source in found]


@pytest.mark.slow
def test_from_a_photograph_to_every_tab(page, model, tmp_path):
    photograph = images.read_image(PHOTOGRAPHS / 'coffee.jpg')
    height, width = photograph.shape[:2]
    choose(page, PHOTOGRAPHS / 'coffee.jpg')
    [shown] = pictures(page, '#map')
    assert shown.shape[0] == height and shown.shape[1] > width  # and the bar
    with page.expect_download() as download:
        page.click('#map_files a[download="coffee.npy"]')
    download.value.save_as(tmp_path / 'coffee.npy')
    sigma = np.load(tmp_path / 'coffee.npy')
    np.testing.assert_allclose(
        sigma, dmenet_tf.estimate(photograph, model), atol=1e-5)

    page.click('#map img', position={'x': 90, 'y': 70})
    page.wait_for_function(
        "document.querySelector('#reading').innerText.includes('sigma at')")
    x, y, value = re.search(r'\((\d+), (\d+)\) is ([\d.]+) px',
                            page.inner_text('#reading')).groups()
    assert float(value) == pytest.approx(sigma[int(y), int(x)], abs=0.006)

    page.get_by_role('tab', name='Mask').click()
    assert pictures(page, '#mask')[0].shape == photograph.shape
    page.fill('#below input[type=number]', '0.6')
    page.press('#below input[type=number]', 'Enter')
    page.wait_for_function(
        "share => document.querySelector('#in_focus_share').innerText"
        ".startsWith(share)", arg=f'{(sigma <= 0.6).mean():.0%}')
    page.wait_for_selector('#mask_file a[download="coffee_mask.png"]')

    page.get_by_role('tab', name='Refocus').click()
    page.click('#focus img', position={'x': 150, 'y': 100})
    before, after = pictures(page, '#refocused')
    assert np.abs(before - photograph).mean() < 4  # JPEG
    assert np.abs(after - before).mean() > 1

    page.get_by_role('tab', name='Sharpen').click()
    page.get_by_role('button', name='Sharpen').click()
    before, after = pictures(page, '#sharpened')
    assert np.abs(after - before).mean() > 0.5

    page.get_by_role('tab', name='Depth').click()
    page.get_by_role('button', name='Show depth').click()
    assert pictures(page, '#depth')[0].shape == photograph.shape
    page.wait_for_selector('#depth_files a[download="coffee_depth16.png"]')

    page.get_by_role('tab', name='Make data').click()
    [first] = pictures(page, '#defocused')
    page.fill('#aperture input[type=number]', '7')
    page.press('#aperture input[type=number]', 'Enter')
    for _ in range(100):
        page.wait_for_timeout(100)
        [second] = pictures(page, '#defocused')
        if np.abs(second - first).mean() > 1:
            break
    assert np.abs(second - first).mean() > 1
    page.get_by_role('button', name='Make files').click()
    page.wait_for_selector('#scene_files a[download="defocused.npy"]')
    assert page.evaluate('document.documentElement.scrollWidth <= '
                         'document.documentElement.clientWidth')
    page.screenshot(path=tmp_path / 'page.png', full_page=True)


def wait_for_status(page, text):
    page.wait_for_function(
        'text => document.querySelector("#status").innerText.includes(text)',
        arg=text)


def clear(page):
    page.click('#photograph button[aria-label="Clear"]')
    wait_for_status(page, START)


@pytest.mark.slow
def test_what_cannot_be_mapped_is_answered_on_the_page(page, tmp_path):
    (tmp_path / 'notes.txt').write_text('no picture')
    choose(page, tmp_path / 'notes.txt')
    wait_for_status(page, 'notes.txt: not a picture')
    clear(page)
    choose(page, bare_png(tmp_path / 'huge.png', (20000, 10000)))
    wait_for_status(page, 'huge.png has more than 179 megapixels')
    clear(page)
    choose(page, PHOTOGRAPHS / 'coffee.jpg')
    wait_for_status(page, 'coffee.jpg, 600 x 400 px')
    clear(page)
    assert not page.query_selector('#map img')


@pytest.mark.slow
def test_after_an_upload_that_broke_off_the_next_one_works(page):
    page.route('**/upload?*', lambda route: route.abort())
    choose(page, PHOTOGRAPHS / 'coffee.jpg')
    page.wait_for_selector('.toast-body')
    page.unroute('**/upload?*')
    page.get_by_role('button', name='Clear').first.click()
    choose(page, PHOTOGRAPHS / 'chelsea.jpg')
    wait_for_status(page, 'chelsea.jpg, 451 x 300 px')
    page.errors.clear()  # The browser's own word for what was broken off.


@pytest.mark.slow
def test_half_an_upload_leaves_the_server_well(server):
    head = (b'POST /gradio_api/upload HTTP/1.1\r\nHost: 127.0.0.1\r\n'
            b'Content-Type: multipart/form-data; boundary=x\r\n'
            b'Content-Length: 100000\r\n\r\n--x\r\nContent-Disposition: '
            b'form-data; name="files"; filename="half.jpg"\r\n\r\n')
    with socket.create_connection(('127.0.0.1', server.port)) as client:
        client.sendall(head + 1000 * b'x')
    time.sleep(1)
    assert server.process.poll() is None
    # It is no error of the server's.
    assert 'Traceback' not in (server.folder / 'log').read_text()


@pytest.mark.slow
def test_of_a_large_photograph_the_coarsest_scale_comes_first(
        server, model_file, tmp_path):
    client = pytest.importorskip('gradio_client')
    Image.open(PHOTOGRAPHS / 'coffee.jpg').resize((1800, 1200)).save(
        tmp_path / 'large.jpg')
    visitor = client.Client(server.url, verbose=False,
                            httpx_kwargs={'timeout': 600})
    asked = visitor.submit(
        client.handle_file(tmp_path / 'large.jpg'), model_file.stem,
        'several', 1.0, ['npy'], api_name='/map')
    (first, _, _), (last, _, _) = asked
    assert 'reduced' in first and last.startswith('large.jpg, 1800 x 1200 px')


@pytest.mark.slow
def test_only_this_machine_is_answered(server):
    with pytest.raises(ConnectionRefusedError):
        # Would reach a server that listens on every address.
        socket.create_connection(('127.0.0.2', server.port), timeout=5)


@pytest.mark.slow
def test_no_answer_tells_where_the_server_keeps_its_files(server, model_file):
    """But of the page's own temporary folder, which gradio's answers name."""
    config = urllib.request.urlopen(f'{server.url}/config').read().decode()
    for folder in (PHOTOGRAPHS.parents[1], model_file.parent):
        assert str(folder) not in config


@pytest.mark.slow
def test_pages_of_others_are_not_answered(server):
    for header, value in (('Origin', 'https://elsewhere.example'),
                          ('Host', 'rebound.example')):
        asked = urllib.request.Request(f'{server.url}/config',
                                       headers={header: value})
        with pytest.raises(urllib.error.HTTPError, match='403'):
            urllib.request.urlopen(asked)


@pytest.mark.slow
def test_five_visitors_at_once_get_their_own_maps(
        server, model, model_file, tmp_path):
    client = pytest.importorskip('gradio_client')
    rng = np.random.default_rng(0)
    paths = []
    for k in range(20):
        size = (400 + 16 * k, 300 + 10 * k, 3)
        paths.append(tmp_path / f'photo{k}.png')
        Image.fromarray(rng.integers(0, 256, size, np.uint8)).save(paths[k])

    def visit(own):
        visitor = client.Client(server.url, verbose=False,
                                download_files=tmp_path / own[0].stem,
                                httpx_kwargs={'timeout': 600})
        return [visitor.predict(client.handle_file(path), model_file.stem,
                                'several', 1.0, ['npy'], api_name='/map')
                for path in own]

    visit(paths[:1])
    start = server.memory_mib()
    with concurrent.futures.ThreadPoolExecutor(5) as pool:
        found = list(pool.map(visit, [paths[k::5] for k in range(5)]))
    for k, answers in enumerate(found):
        for path, (status, _, [npy]) in zip(paths[k::5], answers, strict=True):
            assert status.startswith(path.name)
            np.testing.assert_allclose(
                np.load(npy),
                dmenet_tf.estimate(images.read_image(path), model),
                atol=1e-4)
    grown = server.memory_mib() - start
    print(f'{start:.0f} MiB after one photograph, {grown:+.0f} after 20 more')
    assert grown < 200
