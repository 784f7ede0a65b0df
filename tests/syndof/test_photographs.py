"""A folder of photographs with sigma by depth: what is in it, and resuming."""

import json

import imageio.v3 as iio
import numpy as np
import pytest
from absl import flags
from absl.testing import flagsaver

from dmenet_tf import sigma_files
from dmenet_tf.syndof import __main__ as syndof
from dmenet_tf.syndof import cameras, outputs, photographs
from dmenet_tf.train import folders, store


@pytest.fixture
def table(tmp_path):
    """A .csv of three photographs 32 x 48; 1 m left, 2 m right, mm."""
    rows = ['name,image,depth,depth_unit,split,scene,focus_m,coc_factor_px,'
            'edge_px']
    depth = np.full((32, 48), 1000, np.uint16)
    depth[:, 24:] = 2000
    depth[0, 0] = 0
    random = np.random.default_rng(0)
    for name in 'abc':
        iio.imwrite(tmp_path / f'{name}.png',
                    random.integers(0, 256, (32, 48, 3), dtype=np.uint8))
        iio.imwrite(tmp_path / f'{name}_mm.png', depth)
        rows.append(f'x/{name},{name}.png,{name}_mm.png,mm,'
                    f'{"val" if name == "c" else "train"},s1,2,8,4')
    (tmp_path / 'table.csv').write_text('\n'.join(rows))
    return tmp_path / 'table.csv'


@pytest.fixture(scope='module', autouse=True)
def _flags():
    before = set(flags.FLAGS)
    syndof.define_flags()
    flags.FLAGS.mark_as_parsed()
    yield
    for name in set(flags.FLAGS) - before:
        delattr(flags.FLAGS, name)


def run(**said):
    with flagsaver.flagsaver(**said):
        return syndof.main([])


def test_the_folder_can_be_trained_on(table, tmp_path, capsys):
    out = tmp_path / 'out'
    assert run(camera=str(table), output_dir=str(out), split='train') == 0
    assert '2 images' in capsys.readouterr().out
    valid = np.ones((32, 48), bool)
    valid[0, 0] = valid[:, 20:28] = False
    dataset = folders.synthetic_dataset([out])
    assert [path.stem for path in dataset.images] == ['x_a', 'x_b']
    assert dataset.groups == ('s1', 's1')
    for index, name in enumerate('ab'):
        image, label = store.prepare(dataset, index, 32)
        np.testing.assert_array_equal(image,
                                      iio.imread(tmp_path / f'{name}.png'))
        np.testing.assert_array_equal(label != sigma_files.LEFT_OUT, valid)
        assert label[5, 5] == 2000 and label[5, 40] == 0
    record = json.loads((out / 'manifest.jsonl').read_text().splitlines()[0])
    assert record['S1'] == 2.0 and record['alpha'] == 8.0
    assert record['valid'] == round(valid.mean(), 4)
    assert json.loads((out / 'dataset.json').read_text())['complete']


def test_it_goes_on_and_not_with_other_cameras(table, tmp_path, monkeypatch):
    out, made = tmp_path / 'out', []
    assert run(camera=str(table), output_dir=str(out)) == 0
    (out / 'valid/x_b.png').unlink()
    write = outputs.write_image
    monkeypatch.setattr(outputs, 'write_image', lambda folder, record, *rest:
                        made.append(record['name'])
                        or write(folder, record, *rest))
    assert run(camera=str(table), output_dir=str(out)) == 0
    assert made == ['x_b'] and (out / 'valid/x_b.png').exists()
    table.write_text(table.read_text().replace('s1,2,', 's1,2.5,'))
    with pytest.raises(ValueError, match='was begun with cameras='):
        run(camera=str(table), output_dir=str(out))


def test_one_that_has_no_label_does_not_end_it(table, tmp_path, capsys):
    depth = iio.imread(tmp_path / 'a_mm.png')
    depth[:, ::5] = 4000
    iio.imwrite(tmp_path / 'a_mm.png', depth)
    out = tmp_path / 'out'
    assert run(camera=str(table), output_dir=str(out)) == 1
    assert ('photograph x_a: ' + str(tmp_path / 'a_mm.png') + ': no pixel of '
            'it is known and away from edges' in capsys.readouterr().err)
    assert sorted(path.stem for path in (out / 'valid').iterdir()) == [
        'x_b', 'x_c']


def test_a_preview_makes_nothing_else(table, tmp_path):
    out = tmp_path / 'out'
    assert run(camera=str(table), output_dir=str(out), preview=2) == 0
    assert [path.name for path in out.iterdir()] == ['preview.png']
    assert iio.imread(out / 'preview.png').std() > 10


def test_cameras_that_are_missing_are_named(table, tmp_path):
    known = cameras.read(table)
    found, _ = syndof.pairs.find_pairs(table)
    del known['x/b']
    with pytest.raises(ValueError, match='1 of 3 photographs have no row in '
                                         'the table of cameras; .* x/b'):
        photographs.cameras_of(found, known)
    one = cameras.Camera(1.0, 2.0)
    assert photographs.cameras_of(found, one) == [one] * 3
