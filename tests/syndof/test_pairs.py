"""Which depth map belongs to which image, in every layout."""

import json

import pytest

from dmenet_tf.syndof import pairs


def touch(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b'')


def names(root, **options):
    found, missing = pairs.find_pairs(root, **options)
    return {pair.name: (pair.image.removeprefix(f'{root}/'),
                        pair.depth.removeprefix(f'{root}/'), pair.source)
            for pair in found}, missing


def test_two_trees_are_matched_by_path(tmp_path):
    root = tmp_path / 'synthetic_datasets'
    touch(root, 'image/MPI/alley/f1.png', 'depth/MPI/alley/f1.dpt',
          'image/SYNTHIA/a/f1.png', 'depth/SYNTHIA/a/f1.png',
          'image/middleburry/2014/Chair/im0.png',
          'depth/middleburry/2014/Chair/disp0.png', 'image/MPI/alone.png')
    expected = {
        'MPI/alley/f1': ('image/MPI/alley/f1.png', 'depth/MPI/alley/f1.dpt',
                         'MPI'),
        'SYNTHIA/a/f1': ('image/SYNTHIA/a/f1.png', 'depth/SYNTHIA/a/f1.png',
                         'SYNTHIA'),
        'middleburry/2014/Chair/im0': (
            'image/middleburry/2014/Chair/im0.png',
            'depth/middleburry/2014/Chair/disp0.png', 'middleburry')}
    found, missing = names(root)
    assert found == expected
    assert missing == [f'{root}/image/MPI/alone.png: has no depth map in '
                       f'{root}/depth']
    # The folder above will do too.
    assert set(names(tmp_path)[0]) == {f'synthetic_datasets/{name}'
                                       for name in expected}
    types = {p.source: p.type for p in pairs.find_pairs(root)[0]}
    assert types == {'MPI': 'synthetic', 'SYNTHIA': 'synthetic',
                     'middleburry': 'real'}


def test_scene_folders_beside_two_trees(tmp_path):
    touch(tmp_path, 'a/im0.png', 'a/disp0GT.pfm', 'a/calib.txt',
          'b/c/image.jpg', 'b/c/depth.npy', 'd/image.png',
          'e/image/x.png', 'e/depth/x.png')
    found, missing = names(tmp_path)
    assert set(found) == {'a', 'b/c', 'e/x'}
    assert found['a'][:2] == ('a/im0.png', 'a/disp0GT.pfm')
    assert missing == [f'{tmp_path}/d/image.png: has no depth map beside it']


def test_flat_folder_by_suffix(tmp_path):
    touch(tmp_path, 'x.png', 'x_depth.png', 'y_image.png', 'y-depth.exr',
          'z.jpg', 'z.dpt', 'w.png')
    found, missing = names(tmp_path)
    assert {name: pair[:2] for name, pair in found.items()} == {
        'x': ('x.png', 'x_depth.png'), 'y': ('y_image.png', 'y-depth.exr'),
        'z': ('z.jpg', 'z.dpt')}
    assert missing == [f'{tmp_path}/w.png: has no depth map beside it']


def test_csv(tmp_path):
    (tmp_path / 'list.csv').write_text(
        'image,depth,source,depth_scale\na.png,b.png,mine,0.5\n'
        'sub/c.png,d.png,,\n')
    one, two = pairs.find_pairs(tmp_path / 'list.csv')[0]
    assert (one.name, one.source, one.depth_scale) == ('a', 'mine', 0.5)
    assert two.image == str(tmp_path / 'sub/c.png')
    assert (two.name, two.source, two.depth_scale) == ('sub/c', 'list', None)
    (tmp_path / 'list.csv').write_text('picture,depth\na,b\n')
    with pytest.raises(ValueError, match='columns image and depth'):
        pairs.find_pairs(tmp_path / 'list.csv')


@pytest.mark.parametrize('said', [
    {'depth_scale': 0.0002},
    {'depth_png': 'uint16, metres = code * 0.0002, 0 = unknown'}])
def test_scenes_json_says_scale_source_and_split(tmp_path, said):
    touch(tmp_path, 'a/image.png', 'a/depth.png', 'b/image.png', 'b/depth.png')
    (tmp_path / 'scenes.json').write_text(json.dumps({**said, 'scenes': [
        {'scene': 'a', 'split': 'train', 'source': 'here'},
        {'scene': 'b', 'split': 'val', 'depth_scale': 3}]}))
    a, b = pairs.find_pairs(tmp_path)[0]
    assert (a.depth_scale, a.source, a.split) == (0.0002, 'here', 'train')
    assert b.depth_scale == 3.0
    assert [p.name for p in pairs.find_pairs(tmp_path, split='val')[0]] == \
        ['b']
    # What the user says goes before it.
    assert pairs.find_pairs(tmp_path, 'cm')[0][0].depth_scale is None
    with pytest.raises(ValueError, match="split='test'"):
        pairs.find_pairs(tmp_path, split='test')


def test_errors(tmp_path):
    with pytest.raises(FileNotFoundError, match='gone: no such folder'):
        pairs.find_pairs(tmp_path / 'gone')
    with pytest.raises(ValueError, match='Known layouts'):
        pairs.find_pairs(tmp_path)
    touch(tmp_path, 'image/a.png', 'image/a.jpg', 'depth/a.png')
    with pytest.raises(ValueError, match='both named a'):
        pairs.find_pairs(tmp_path)
    (tmp_path / 'scenes.json').write_text('{"scenes": [{}]}')
    with pytest.raises(ValueError, match='scenes.json'):
        pairs.find_pairs(tmp_path)


@pytest.mark.parametrize('files, both', [
    (['x.jpg', 'x.png', 'x_depth.png'], ['x.jpg', 'x.png']),
    (['x.png', 'x_image.png', 'x_depth.png'], ['x.png', 'x_image.png']),
    (['x.png', 'x_depth.png', 'x.dpt'], ['x.dpt', 'x_depth.png']),
    (['a/image.jpg', 'a/image.png', 'a/depth.png'],
     ['a/image.jpg', 'a/image.png']),
    (['a/im0.png', 'a/disp0.pfm', 'a/disp0.png'],
     ['a/disp0.pfm', 'a/disp0.png']),
    (['image/x.png', 'depth/x.exr', 'depth/x.png'],
     ['depth/x.exr', 'depth/x.png'])])
def test_two_files_of_one_name_are_an_error_that_names_both(tmp_path, files,
                                                            both):
    touch(tmp_path, *files)
    with pytest.raises(ValueError, match='same name|one depth map') as caught:
        pairs.find_pairs(tmp_path)
    for name in both:
        assert str(tmp_path / name) in str(caught.value)


def test_names_that_begin_with_a_dot_are_skipped(tmp_path):
    touch(tmp_path / 'flat', 'x.png', 'x_depth.png', '._x.png',
          '._x_depth.png', '.tmp-1.png', '.hidden/y.png')
    touch(tmp_path / 'trees', 'image/x.png', 'depth/x.png', 'image/._x.png',
          'depth/.tmp-x.png', 'image/.trash/y.png')
    touch(tmp_path / 'scenes', 'a/image.png', 'a/depth.png', 'a/._image.png',
          '.hidden/image.png', '.hidden/depth.png', '.b/c/image.png')
    for layout, name in (('flat', 'x'), ('trees', 'x'), ('scenes', 'a')):
        found, missing = names(tmp_path / layout)
        assert (list(found), missing) == ([name], [])


def test_a_role_in_the_name_of_both_files(tmp_path):
    """NAME_left.png has NAME_left_depth.npy before NAME_depth.npy."""
    touch(tmp_path, 'a_left.png', 'a_left_depth.npy', 'a_right.png',
          'a_right_depth.npy', 'b_left.png', 'b_depth.npy', 'c_rgb.png',
          'c_depth.png')
    found, missing = names(tmp_path)
    assert missing == []
    assert {pair[:2] for pair in found.values()} == {
        ('a_left.png', 'a_left_depth.npy'),
        ('a_right.png', 'a_right_depth.npy'), ('b_left.png', 'b_depth.npy'),
        ('c_rgb.png', 'c_depth.png')}


def test_a_role_in_the_name_of_both_files_of_trees(tmp_path):
    touch(tmp_path, 'image/a_left.png', 'depth/a_left_depth.npy',
          'image/b_rgb.png', 'depth/b_depth.png')
    found, missing = names(tmp_path)
    assert missing == []
    assert [pair[1] for pair in found.values()] == [
        'depth/a_left_depth.npy', 'depth/b_depth.png']


@pytest.mark.parametrize('files, both', [
    (['a/image.png', 'a/im0.png', 'a/depth.png'],
     ['a/image.png', 'a/im0.png', 'a/depth.png']),
    (['image/x.png', 'rgb/x.png', 'depth/x.png'],
     ['image/x.png', 'rgb/x.png', 'depth/x.png']),
    (['x.png', 'x_left.png', 'x_depth.png'],
     ['x.png', 'x_left.png', 'x_depth.png'])])
def test_two_pictures_for_one_depth_map_are_named(tmp_path, files, both):
    touch(tmp_path, *files)
    with pytest.raises(ValueError, match='two pictures for one') as caught:
        pairs.find_pairs(tmp_path)
    for name in both:
        assert str(tmp_path / name) in str(caught.value)


def test_the_right_picture_of_middlebury_is_left_alone(tmp_path):
    touch(tmp_path, 'a/im0.png', 'a/im1.png', 'a/disp0.pfm', 'a/disp1.pfm')
    assert names(tmp_path)[0]['a'][:2] == ('a/im0.png', 'a/disp0.pfm')


def test_unknown_layout(tmp_path):
    with pytest.raises(ValueError, match="one of nyuv2.*Received: 'kity'"):
        pairs.find_pairs(tmp_path, layout='kity')


def test_a_csv_with_a_mark_and_one_that_cannot_be_read(tmp_path):
    path = tmp_path / 'list.csv'
    path.write_bytes('\ufeffimage,depth\na.png,b.png\n'.encode())
    assert pairs.find_pairs(path)[0][0].image == str(tmp_path / 'a.png')
    path.write_bytes('image,depth\na.png,b.png\n'.encode('utf-16'))
    with pytest.raises(ValueError, match=f'^{path}: '):
        pairs.find_pairs(path)
    path.write_text('image,depth,depth_scale\na.png,b.png,much\n')
    with pytest.raises(ValueError, match=f"^{path}: depth_scale .*'much'"):
        pairs.find_pairs(path)
