"""Which pictures are trained on, which are held out, and which are refused."""

import json
import os
import shutil

import imageio.v3 as iio
import numpy as np
import pytest

from dmenet_tf import sigma_files
from dmenet_tf.train import folders


def write_picture(path, seed, size=(8, 8)):
    """Noise: no two seeds give the same file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)
    iio.imwrite(path, random.integers(0, 256, (*size, 3), dtype=np.uint8))


@pytest.fixture
def synthetic(tmp_path):
    """Function of names to a folder with image/ and sigma/."""
    def make(names, folder='syn'):
        for i, name in enumerate(names):
            write_picture(tmp_path / folder / f'image/{name}.png', i)
            sigma_files.write_png(tmp_path / folder / f'sigma/{name}.png',
                                  np.zeros((8, 8)))
        return tmp_path / folder
    return make


@pytest.fixture
def binary(tmp_path):
    """Function of a count to a folder with image/ and gt/."""
    def make(count, folder='bin', first=100):
        for i in range(count):
            write_picture(tmp_path / folder / f'image/photo{i}.png', first + i)
            (tmp_path / folder / 'gt').mkdir(exist_ok=True)
            iio.imwrite(tmp_path / folder / f'gt/photo{i}.png',
                        np.eye(8, dtype=np.uint8) * 255)
        return tmp_path / folder
    return make


def names(dataset):
    return sorted(path.stem for path in dataset.images)


def authors_tree(root):
    for kind in ('image', 'blur_map'):
        (root / kind).mkdir()
    iio.imwrite(root / 'image/a.png', np.zeros((32, 32, 3), np.uint8))
    iio.imwrite(root / 'blur_map/a.png', np.full((32, 32), 50, np.uint16))
    return root


@pytest.mark.parametrize('convention, sigma', [('sigma7', 5.0),
                                               ('legacy15', 2.0)])
def test_the_authors_labels(tmp_path, convention, sigma):
    found = folders.synthetic_dataset([authors_tree(tmp_path)], convention)
    np.testing.assert_allclose(found.read_label(found.labels[0]), sigma)


def test_the_authors_labels_need_a_convention(tmp_path):
    with pytest.raises(ValueError, match='--convention=legacy15'):
        folders.synthetic_dataset([authors_tree(tmp_path)])


def test_the_two_layouts_are_not_mixed(tmp_path, synthetic):
    ours = synthetic('a')
    with pytest.raises(ValueError, match='cannot be mixed'):
        folders.synthetic_dataset([ours, authors_tree(tmp_path)], 'sigma7')


def test_a_missing_label_is_named(synthetic):
    folder = synthetic('ab')
    (folder / 'sigma/b.png').unlink()
    with pytest.raises(FileNotFoundError, match='1 of 2 images .* first is b'):
        folders.synthetic_dataset([folder])


def test_an_empty_dataset_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match='no pictures'):
        folders.real_dataset([tmp_path])
    with pytest.raises(FileNotFoundError, match='no such folder'):
        folders.binary_dataset([tmp_path])
    with pytest.raises(FileNotFoundError, match='nowhere: no such folder'):
        folders.real_dataset([tmp_path / 'nowhere'])


def test_two_pictures_of_one_name_are_refused(synthetic, binary):
    folder = synthetic(['a'])
    write_picture(folder / 'image/a.jpg', 1)
    with pytest.raises(ValueError, match=r'a\.jpg and a\.png have the same'):
        folders.synthetic_dataset([folder])
    folder = binary(1)
    shutil.copy(folder / 'gt/photo0.png', folder / 'gt/photo0.bmp')
    with pytest.raises(ValueError, match=r'photo0\.bmp and photo0\.png have'):
        folders.binary_dataset([folder])


def test_unlabelled_photographs_of_one_name_are_two(tmp_path):
    for i, name in enumerate(('a.png', 'a.jpg', 'b.png')):
        write_picture(tmp_path / name, i)
    found = folders.real_dataset([tmp_path])
    assert [path.name for path in found.images] == ['a.jpg', 'a.png', 'b.png']


def test_files_with_a_dot_are_no_pictures(tmp_path, synthetic, binary):
    for name in ('._a.jpg', '.tmp-x.png', 'b.png'):
        write_picture(tmp_path / 'real' / name, 0)
    assert names(folders.real_dataset([tmp_path / 'real'])) == ['b']
    for folder, kinds, find in (
            (synthetic('a'), ('image', 'sigma'), folders.synthetic_dataset),
            (binary(1), ('image', 'gt'), folders.binary_dataset)):
        for kind in kinds:
            (folder / kind / '._a.png').write_bytes(b'no picture')
            (folder / kind / '.tmp-1.png').write_bytes(b'half of one')
        assert len(find([folder])) == 1


def test_scenes_of_a_manifest_are_held_out_whole(synthetic):
    folder = synthetic('01234')
    (folder / 'manifest.jsonl').write_text('\n'.join(
        json.dumps({'name': str(i), 'scene': 'xy'[i % 2]}) for i in range(5)))
    rest, held = folders.synthetic_dataset([folder]).split(0.5)
    assert {names(rest)[0], names(held)[0]} == {'0', '1'}
    assert sorted(map(len, (rest, held))) == [2, 3]
    assert len(rest.groups) == len(rest.labels) == len(rest)


@pytest.mark.parametrize('frames', [
    'alley_1_frame_0001 alley_1_frame_0002 alley_2_frame_0001 '
    'alley_2_frame_0002 bamboo_frame_0001 bamboo_frame_0002',
    'alley_1_0001 alley_1_0002 alley_2_0001 alley_2_0002 bamboo_0001 '
    'bamboo_0002', 'a-17 a-18 b-17 b-18 c-17 c-18',
    'SEQS-01-DAWN_000001 SEQS-01-DAWN_000002 SEQS-01-FOG_000001 '
    'SEQS-01-FOG_000002 SEQS-02-FOG_000001 SEQS-02-FOG_000002'])
def test_frames_of_a_scene_are_held_out_together(synthetic, frames):
    dataset = folders.synthetic_dataset([synthetic(frames.split())])
    for fraction in (0.2, 0.34, 0.66):
        rest, held = dataset.split(fraction)
        count = round(3 * fraction)
        assert (len(rest), len(held)) == (6 - 2 * count, 2 * count)
        # Frames stand in pairs.
        pairs = names(held)
        assert all(a[:-1] == b[:-1]
                   for a, b in zip(pairs[::2], pairs[1::2], strict=True))


def test_folders_of_numbered_frames_are_scenes(synthetic):
    trees = [synthetic(['frame_0001', 'frame_0002', 'frame_0003'], scene)
             for scene in ('alley_1', 'alley_2')]
    rest, held = folders.synthetic_dataset(trees).split(0.1)
    assert {len({path.parent for path in part.images})
            for part in (rest, held)} == {1}
    assert len(rest) == len(held) == 3


@pytest.mark.parametrize('name', ['{:04d}', 'IMG_{:04d}', 'photo{}'])
def test_names_that_only_count_are_scenes_of_their_own(synthetic, name):
    folder = synthetic([name.format(i) for i in range(10)])
    rest, held = folders.synthetic_dataset([folder]).split(0.2)
    assert (len(rest), len(held)) == (8, 2)


def test_as_many_pictures_are_held_out_as_the_scenes_allow(synthetic):
    stems = [f'{scene}_{i}' for scene, count in (
        ('a', 12), ('b', 1), ('c', 2), ('d', 5)) for i in range(count)]
    dataset = folders.synthetic_dataset([synthetic(stems)])
    assert len(dataset.split(0.1)[1]) <= 3
    for fraction in (0.01, 0.99):
        rest, held = dataset.split(fraction)
        assert len(rest) and len(held)
    assert len(dataset.split(0.0)[1]) == 0


def test_one_scene_leaves_nothing_to_train_on(settings, synthetic):
    folder = synthetic(['alley_frame_0001', 'alley_frame_0002'])
    config = settings(synthetic=[folder], hold_out=0.6)
    with pytest.raises(ValueError, match=(
            '--hold_out=0.6 leaves none of the 2 pictures of the synthetic '
            'dataset: they are of one scene.* --validate_synthetic')) as error:
        folders.find_datasets(config)
    assert '\n' not in str(error.value)


def test_of_one_scene_a_small_part_cannot_be_held_out(settings, synthetic,
                                                      caplog):
    config = settings(synthetic=[synthetic(['alley_frame_0001'])])
    train, held_out = folders.find_datasets(config)
    assert len(train['synthetic']) == 1 and not held_out
    assert 'Nothing of the synthetic dataset is held out' in caplog.text


def test_masks_to_validate_on_need_none_to_train_on(settings, synthetic,
                                                    binary, tmp_path):
    write_picture(tmp_path / 'real/a.png', 77)
    config = settings(synthetic=[synthetic('abc')], hold_out=0.0,
                      real=[tmp_path / 'real'], lambda_adv=1e-3,
                      validate_binary=[binary(2)])
    train, held_out = folders.find_datasets(config)
    assert list(train) == ['synthetic', 'real']
    assert list(held_out) == ['binary']
    assert len(held_out['binary']) == 2


def test_a_teacher_needs_all_photographs(settings, synthetic, binary,
                                         tmp_path):
    write_picture(tmp_path / 'real/a.png', 77)
    folders_of = {'synthetic': [synthetic('abc')], 'hold_out': 0.0,
                  'real': [tmp_path / 'real'], 'binary': [binary(2)]}
    train, _ = folders.find_datasets(settings(**folders_of))
    assert list(train) == ['synthetic']
    train, _ = folders.find_datasets(settings(**folders_of, teacher='small'))
    assert list(train) == ['synthetic', 'binary', 'real']


def test_held_out_photographs_leave_the_unlabelled_ones(settings, synthetic,
                                                        binary, tmp_path):
    masked = binary(6)
    os.symlink(masked / 'image', tmp_path / 'link')
    for real in (masked / 'image', tmp_path / 'link'):
        config = settings(synthetic=[synthetic('abcd')], binary=[masked],
                          real=[real], hold_out=0.34, lambda_adv=1e-3)
        train, held_out = folders.find_datasets(config)
        assert len(held_out['binary']) == 2
        assert set(names(train['real'])) == set(names(train['binary']))


def test_copies_of_held_out_photographs_leave_too(tmp_path, binary):
    dataset = folders.binary_dataset([binary(3)])
    (tmp_path / 'copies').mkdir()
    for path in dataset.images:
        shutil.copy(path, tmp_path / 'copies' / f'of_{path.name}')
    # Of the same size in bytes, but another picture.
    data = bytearray(dataset.images[0].read_bytes())
    data[-1] ^= 1
    (tmp_path / 'copies/other.png').write_bytes(data)
    real = folders.real_dataset([tmp_path / 'copies'])
    left = folders.without(real, dataset.subset([0, 2]))
    assert names(left) == ['of_photo1', 'other']
    assert left.name == 'real'


def test_validation_folders_are_not_trained_on(settings, synthetic, binary):
    masked = binary(4)
    few = binary(1, 'few')
    config = settings(synthetic=[synthetic('abc')], binary=[masked],
                      validate_binary=[few], lambda_S=1e-3)
    train, held_out = folders.find_datasets(config)
    assert names(train['binary']) == ['photo1', 'photo2', 'photo3']
    config = settings(synthetic=[synthetic('abc')], binary=[masked],
                      validate_binary=[masked], lambda_S=1e-3)
    with pytest.raises(ValueError, match='all 4 pictures of the binary dataset'
                       ' are held out'):
        folders.find_datasets(config)


def test_digests_tell_datasets_apart_and_not_where_they_are(synthetic,
                                                            tmp_path):
    folder = synthetic('ab')
    before = folders.synthetic_dataset([folder]).digest()
    assert before['count'] == 2
    shutil.copytree(folder, tmp_path / 'moved')
    moved = tmp_path / 'moved'
    assert folders.synthetic_dataset([moved]).digest() == before
    os.utime(moved / 'image/a.png', (0, 0))
    assert folders.synthetic_dataset([moved]).digest() == before
    digests = [before['digest']]
    for change in (
            lambda: (moved / 'image/a.png').rename(moved / 'image/c.png')
            and (moved / 'sigma/a.png').rename(moved / 'sigma/c.png'),
            lambda: write_picture(moved / 'image/b.png', 77),
            lambda: sigma_files.write_png(moved / 'sigma/b.png',
                                          np.ones((8, 8)))):
        change()
        digests.append(folders.synthetic_dataset([moved]).digest()['digest'])
    assert len(set(digests)) == 4
    write_picture(moved / 'image/d.png', 5)
    sigma_files.write_png(moved / 'sigma/d.png', np.ones((8, 8)))
    assert folders.synthetic_dataset([moved]).digest()['count'] == 3


def test_what_says_where_labels_count_goes_with_them(synthetic):
    folder, other = synthetic('abc'), synthetic('xy', 'other')
    everywhere = folders.synthetic_dataset([folder, other])
    assert everywhere.valid == ()
    (folder / 'valid').mkdir()
    path = folder / 'valid/b.png'
    sigma_files.write_valid(path, np.eye(8) > 0)
    dataset = folders.synthetic_dataset([folder, other])
    assert dataset.valid == (None, path, None, None, None)
    assert dataset.subset([1, 3]).valid == (path, None)
    assert dataset.files == [*everywhere.files, path]
    digest = dataset.digest()
    assert digest != everywhere.digest()
    sigma_files.write_valid(path, np.eye(8) < 1)
    assert folders.synthetic_dataset([folder, other]).digest() != digest


def test_a_mask_of_no_picture_is_named(synthetic):
    folder = synthetic('ab')
    sigma_files.write_valid(folder / 'valid/a_valid.png', np.eye(8) > 0)
    with pytest.raises(ValueError, match='a_valid.png: there is no picture of '
                                         'this name in .*/syn/image'):
        folders.synthetic_dataset([folder])
