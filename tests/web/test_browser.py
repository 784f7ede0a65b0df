"""The page in Chromium: its maps are Python's, and it talks to nobody.

Needs the extra onnx, playwright, Debian's chromium, and the unpacked npm
package onnxruntime-web in DMENET_ONNXRUNTIME_WEB; see make test-browser.
"""

import functools
import http.server
import json
import os
import re
import shutil
import threading

import numpy as np
import pytest
from PIL import Image

from dmenet_tf import (
    estimation,
    export,
    focus,
    images,
    inference,
    maps,
    scales,
    weights,
)

PACKAGE = os.environ.get('DMENET_ONNXRUNTIME_WEB')
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not PACKAGE, reason='DMENET_ONNXRUNTIME_WEB names no '
                       'onnxruntime-web'),
    pytest.mark.skipif(not shutil.which('chromium'),
                       reason='chromium is missing')]


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass


@pytest.fixture(scope='module')
def model_file(toy_flag):
    return toy_flag.removeprefix('--model=')


@pytest.fixture(scope='module')
def folder(tmp_path_factory, model_file):
    pytest.importorskip('tf2onnx')
    made = tmp_path_factory.mktemp('web') / 'page'
    export.export_web(model_file, made, PACKAGE)
    # So that small photographs count as large.
    path = made / 'settings.json'
    path.write_text(json.dumps(
        {**json.loads(path.read_text()), 'coarsest': 3000}))
    return made


@pytest.fixture(scope='module')
def address(folder):
    with http.server.ThreadingHTTPServer(('127.0.0.1', 0), functools.partial(
            _Quiet, directory=folder)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f'http://127.0.0.1:{server.server_port}/'
        server.shutdown()


@pytest.fixture(scope='module')
def chromium():
    playwright = pytest.importorskip('playwright.sync_api')
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=shutil.which('chromium'), args=['--no-sandbox'])
        yield browser
        browser.close()


@pytest.fixture(scope='module', params=[1280, 390])
def page(request, chromium, address):
    """The page, ready; what it asked for and complained of is in `heard`."""
    opened = chromium.new_page(viewport={'width': request.param,
                                         'height': 800})
    opened.heard = []
    opened.on('request', lambda asked: opened.heard.append(
        (asked.method, asked.url)))
    for event in ('console', 'pageerror'):
        opened.on(event, lambda said: opened.heard.append(str(said)))
    opened.goto(address)
    ready(opened)
    yield opened
    opened.close()


def ready(page):
    page.wait_for_selector('#file:enabled', state='attached', timeout=120_000)


def drawn(tmp_path, height, width, name='photo.png'):
    """A photograph, sharp at the left."""
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (height, width, 3), np.uint8)
    picture[:, width // 2:] = 128
    Image.fromarray(picture).save(tmp_path / name)
    return tmp_path / name


def mapped(page, path):
    page.set_input_files('#file', path)
    ready(page)


def downloaded(page, kind, tmp_path):
    with page.expect_download() as waiting:
        page.click(f'button[value={kind}]')
    path = tmp_path / waiting.value.suggested_filename
    waiting.value.save_as(path)
    return path


def expected(path, model_file):
    """Python's map at the coarsest scale, enlarged."""
    model = inference.fold(weights.load_model(model_file))
    finer = [images.read_image(path)]
    while finer[-1].shape[0] * finer[-1].shape[1] > 3000:
        finer.append(scales.halved(finer[-1]))
    sigma = estimation.estimate(finer.pop(), model, scales=1)
    for picture in reversed(finer):
        sigma = scales.doubled(sigma, picture.shape[:2])
    return sigma


@pytest.mark.parametrize('size, factor', [
    ((40, 56), 1), ((61, 83), 2), ((117, 131), 4)])
def test_its_map_is_that_of_python(page, tmp_path, model_file, size, factor):
    photograph = drawn(tmp_path, *size)
    mapped(page, photograph)
    sigma = np.load(downloaded(page, 'npy', tmp_path))
    assert sigma.dtype == np.float32 and sigma.shape == size
    np.testing.assert_allclose(sigma, expected(photograph, model_file),
                               atol=1e-4)
    said = page.inner_text('#status')
    assert said.startswith(f'photo: {size[1]} x {size[0]} px, median sigma ')
    assert (f'multiplied by {factor}' in said) == (factor > 1)


def test_its_mask_and_share_follow_the_slider(page, tmp_path):
    mapped(page, drawn(tmp_path, 40, 56))
    sigma = np.load(downloaded(page, 'npy', tmp_path))
    assert page.inner_text('#limit') == f'{focus.SHARP_SIGMA:.2f}'
    for limit in (0.5, 1.2, float(np.median(sigma))):
        page.evaluate('''limit => {
            const slider = document.getElementById('threshold');
            slider.value = limit;
            slider.dispatchEvent(new Event('input'));
        }''', limit)
        share = (sigma <= limit).mean()
        assert page.inner_text('#share') == f'{100 * share:.0f} %'
        mask = images.read_image(downloaded(page, 'mask', tmp_path))
        np.testing.assert_array_equal(
            mask[..., 0], focus.mask(sigma, limit, limit))
    assert page.is_checked('[name=view][value=mask]')


def test_its_colours_are_those_of_python(page, tmp_path):
    mapped(page, drawn(tmp_path, 40, 56))
    sigma = np.load(downloaded(page, 'npy', tmp_path))
    colored = images.read_image(downloaded(page, 'color', tmp_path))
    wanted = maps.color_sigma(sigma, max(1, sigma.max()))
    assert abs(colored[:40, :56].astype(int) - wanted).max() <= 2
    assert colored.shape[1] > 56  # The bar.


def test_a_touch_reads_sigma(page, tmp_path):
    mapped(page, drawn(tmp_path, 40, 56))
    sigma = np.load(downloaded(page, 'npy', tmp_path))
    box = page.locator('#picture').bounding_box()
    page.mouse.click(box['x'] + 10.5 / 56 * box['width'],
                     box['y'] + 30.5 / 40 * box['height'])
    assert page.inner_text('#reading') == (
        f'sigma is {sigma[30, 10]:.2f} px at (10, 30).')


def test_nothing_is_wider_than_the_screen(page, tmp_path):
    mapped(page, drawn(tmp_path, 40, 60))
    widest = page.evaluate('''Math.max(...Array.from(
        document.querySelectorAll('body *'),
        part => part.getBoundingClientRect().right))''')
    assert widest <= page.viewport_size['width']
    page.check('[name=view][value=map]')
    bar = page.locator('#bar').bounding_box()
    picture = page.locator('#picture').bounding_box()
    assert bar['x'] >= picture['x'] + picture['width']


def test_what_is_no_photograph_is_said(page, tmp_path):
    (tmp_path / 'x.jpg').write_text('no photograph')
    mapped(page, tmp_path / 'x.jpg')
    assert re.match(r'x.jpg: could not be mapped: .',
                    page.inner_text('#status'))
    mapped(page, drawn(tmp_path, 40, 56))
    assert page.inner_text('#status').startswith('photo: 56 x 40 px')


def test_a_photograph_leaves_nothing_behind(page, tmp_path, address):
    page.heard.clear()
    mapped(page, drawn(tmp_path, 40, 56))
    for kind in ('npy', 'color', 'mask'):
        downloaded(page, kind, tmp_path)
    assert [what for what in page.heard
            if not what[1].startswith('blob:')] == []
    page.evaluate("fetch('http://127.0.0.2/').catch(() => 0)")
    assert 'Content Security Policy' in str(page.heard)


def test_it_asks_for_its_own_files_alone(chromium, address):
    opened, heard = chromium.new_page(), []
    opened.on('request', lambda asked: heard.append(
        (asked.method, asked.url)))
    opened.on('console', lambda said: heard.append(str(said)))
    opened.goto(address)
    ready(opened)
    assert heard and all(
        method == 'GET' and url.startswith(address) for method, url in heard)
    opened.close()
