"""The commands of docs/others.md, on folders of maps as those tools make."""

import pathlib
import re
import shlex

import numpy as np
import pytest
import tifffile

from dmenet_tf.evaluate import Options, evaluate

PAGE = pathlib.Path(__file__).parents[2] / 'docs/others.md'
pytestmark = pytest.mark.usefixtures('undrawn')


def command(protocol):
    """Options of the page's command of a protocol."""
    text = '\n'.join(re.findall(r'^```sh\n(.*?)^```$', PAGE.read_text(),
                                re.MULTILINE | re.DOTALL))
    words, = (words for line in text.replace('\\\n', ' ').splitlines()
              if f'--protocol={protocol}' in (words := shlex.split(line)))
    given = dict(word.removeprefix('--').partition('=')[::2]
                 for word in words[3:])
    given = {name: value or True for name, value in given.items()}
    return Options(**given | {'predictions': [given['predictions']]})


def scores(protocol):
    results = evaluate(command(protocol))
    assert not results['problems']
    return results['results'][0]


def test_png_maps_of_a_detector_white_where_sharp(cuhk, save, mask,
                                                  monkeypatch):
    monkeypatch.chdir(cuhk)
    pathlib.Path('CUHK').symlink_to('.')
    for path in pathlib.Path('gt').iterdir():
        # A sigmoid times 255, the sharp third surest; one row is wrong.
        codes = np.where(mask == 0, 250, 5).astype(np.uint8)
        codes[0] = 255 - codes[0]
        save(pathlib.Path('OTHER/detected') / path.name, codes)
    found = scores('detection')
    assert found['method'] == 'D-DFFNet' and found['images'] == 4
    assert found['scores']['mae'] == pytest.approx(1 / 30)
    assert found['scores']['iou'] == pytest.approx(29 * 27 / (30 * 27 + 13))


def test_mat_files_of_radii_of_discs(rtf, save, monkeypatch):
    monkeypatch.chdir(rtf)
    pathlib.Path('RTF').symlink_to('image')
    # The truth has 0.5 and 6 px, sigma 0.3 and 3.275; the map half of it.
    radius = np.full((24, 32), 0.5)
    save(pathlib.Path('OTHER/radii/05.mat'), radius)
    found = scores('rtf')
    assert (found['method'], found['unit']) == ('karaali', 'px')
    assert found['scores']['mae'] == pytest.approx((3.275 - 0.3) / 3.275 / 2)


def test_tiff_files_of_sigma_in_floats(tmp_path, save, monkeypatch):
    monkeypatch.chdir(tmp_path)
    truth = np.full((12, 16), 2500, np.uint16)  # 2.5 px
    save(pathlib.Path('SYNDOF/sigma/a.png'), truth)
    save(pathlib.Path('SYNDOF/image/a.png'), np.zeros((12, 16, 3), np.uint8))
    pathlib.Path('OTHER/coc').mkdir(parents=True)
    tifffile.imwrite('OTHER/coc/a.tiff', np.full((12, 16), 2.875, np.float32))
    found = scores('sigma')
    assert (found['method'], found['unit']) == ('depth', 'px')
    assert found['scores']['bias'] == pytest.approx(0.375)
