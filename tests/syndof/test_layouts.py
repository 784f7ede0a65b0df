"""A tiny dataset in each layout, as it is published: metres, gaps, pictures."""

import pickle
import struct

import h5py
import imagecodecs
import imageio.v3 as iio
import numpy as np
import pytest
import scipy.io
from PIL import Image

from dmenet_tf.syndof import (
    check,
    distinct,
    generate,
    layout_search,
    layouts,
    pairs,
    rgbd,
)

HEIGHT, WIDTH = 24, 32
ROWS, COLUMNS = np.mgrid[:HEIGHT, :WIDTH]
DEPTH_M = (1.5 + 0.1 * COLUMNS + 0.01 * ROWS).astype(np.float32)
PICTURE = np.stack([8 * COLUMNS, 10 * ROWS, 255 - 8 * COLUMNS], -1).astype(
    np.uint8)
# What a dataset leaves out, and its sky; [0, 0] and the end of the first row.
GAP, SKY = (0, 0), (0, slice(-4, None))


def codes(per_metre, gap=0, sky=None, dtype=np.uint16):
    values = np.rint(DEPTH_M * per_metre) if dtype == np.uint16 else (
        DEPTH_M * per_metre)
    values[GAP] = gap
    if sky is not None:
        values[SKY] = sky
    return values.astype(dtype)


def write(root, name, array):
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == '.npy':
        np.save(path, array)
    elif path.suffix == '.dpt':
        path.write_bytes(b'PIEH' + struct.pack('<ii', *array.shape[::-1])
                         + array.astype('<f4').tobytes())
    elif path.suffix == '.hdf5':
        with h5py.File(path, 'w') as file:
            file['dataset'] = array
    elif array.dtype == np.uint16 and array.ndim == 3:
        path.write_bytes(imagecodecs.png_encode(array))
    elif path.suffix == '.jpg':
        Image.fromarray(array).save(path, quality=100, subsampling=0)
    else:
        iio.imwrite(path, array)


def nyuv2(root):
    with h5py.File(root / 'nyu_depth_v2_labeled.mat', 'w') as file:
        file['images'] = np.stack([PICTURE.T, PICTURE.T // 2])
        depth = codes(1, dtype=np.float32)
        file['depths'] = np.stack([depth.T, 2 * depth.T])
        file['rawDepths'] = np.zeros((2, WIDTH, HEIGHT), np.float32)


def nyuv2_bts(root):
    write(root, 'bathroom_0001/rgb_00045.jpg', PICTURE)
    write(root, 'bathroom_0001/sync_depth_00045.png', codes(1000))


def ibims1(root):
    mask = np.ones((HEIGHT, WIDTH), np.uint8)
    mask[GAP] = 0
    (root / 'ibims1_core_mat').mkdir()
    scipy.io.savemat(root / 'ibims1_core_mat/corridor_01.mat', {'data': {
        'rgb': PICTURE, 'depth': DEPTH_M.astype(np.float64),
        'mask_invalid': mask, 'mask_transp': np.ones_like(mask)}})


def hypersim(root):
    focal = 886.81 * WIDTH / 1024
    u, v = COLUMNS + 0.5 - WIDTH / 2, ROWS + 0.5 - HEIGHT / 2
    distance = DEPTH_M * np.sqrt(u**2 + v**2 + focal**2) / focal
    distance[GAP] = np.nan
    scene = 'ai_001_001/images/scene_cam_00'
    write(root, f'{scene}_final_preview/frame.0000.tonemap.jpg', PICTURE)
    write(root, f'{scene}_final_preview/frame.0000.color.jpg', PICTURE)
    write(root, f'{scene}_geometry_hdf5/frame.0000.depth_meters.hdf5',
          distance.astype(np.float16))


def tum(root):
    root = root / 'rgbd_dataset_freiburg1_xyz'
    for stamp, picture in (('1305031102.175304', PICTURE),
                           ('1305031102.211214', PICTURE // 2),
                           ('1305031109.000000', PICTURE // 3)):
        write(root, f'rgb/{stamp}.png', picture)
    for stamp in ('1305031102.160407', '1305031102.226738'):
        write(root, f'depth/{stamp}.png', codes(5000))


def scannet(root):
    large = Image.fromarray(PICTURE).resize((2 * WIDTH, 2 * HEIGHT),
                                            Image.Resampling.NEAREST)
    write(root, 'scene0000_00/color/10.jpg', np.asarray(large))
    write(root, 'scene0000_00/depth/10.png', codes(1000))


def seven_scenes(root):
    write(root, 'chess/seq-01/frame-000000.color.png', PICTURE)
    write(root, 'chess/seq-01/frame-000000.depth.png', codes(1000, 65535))


def kitti(root):
    write(root, 'image/0000000005.png', PICTURE)
    write(root, 'groundtruth_depth/0000000005.png', codes(256))
    stem = '2011_09_26_drive_0002_sync_{}_0000000008_image_02.png'
    write(root, 'image/' + stem.format('image'), PICTURE)
    write(root, 'groundtruth_depth/' + stem.format('groundtruth_depth'),
          codes(256))


def vkitti2(root):
    root = root / 'Scene01/clone/frames'
    write(root, 'rgb/Camera_0/rgb_00000.jpg', PICTURE)
    write(root, 'depth/Camera_0/depth_00000.png', codes(100, 0, 65535))


def tartanair(root):
    for side in ('left', 'right'):
        write(root, f'P001/image_{side}/000000_{side}.png', PICTURE)
        write(root, f'P001/depth_{side}/000000_{side}_depth.npy',
              codes(1, 0, 10000, np.float32))


def diode(root):
    mask = np.ones((HEIGHT, WIDTH), np.float64)
    mask[GAP] = 0
    folder = root / 'indoors/scene_00019/scan_00183'
    write(folder, '00019_00183_indoors_000_010.png', PICTURE)
    write(folder, '00019_00183_indoors_000_010_depth.npy', DEPTH_M[..., None])
    write(folder, '00019_00183_indoors_000_010_depth_mask.npy', mask)


def sintel(root):
    for kind in ('clean', 'final'):
        write(root, f'training/{kind}/alley_1/frame_0001.png', PICTURE)
    write(root, 'training/depth/alley_1/frame_0001.dpt',
          codes(1, 0, 1e11, np.float32))


def synthia(root):
    depth = np.stack([codes(100, 0, 65535)] + 2 * [codes(7)], -1)
    write(root, 'RGB/Stereo_Left/Omni_F/000000.png', PICTURE)
    write(root, 'Depth/Stereo_Left/Omni_F/000000.png', depth)


def middlebury(root):
    disparity = 40.0 * 100.0 / (1000.0 * DEPTH_M)
    disparity[GAP] = np.inf
    write(root, 'Piano-perfect/im0.png', PICTURE)
    write(root, 'Piano-perfect/im1.png', PICTURE)
    (root / 'Piano-perfect/calib.txt').write_text(
        'cam0=[100 0 16; 0 100 12; 0 0 1]\ndoffs=0\nbaseline=40\n')
    (root / 'Piano-perfect/disp0.pfm').write_bytes(
        f'Pf\n{WIDTH} {HEIGHT}\n-1\n'.encode()
        + disparity[::-1].astype('<f4').tobytes())


LAYOUTS = {
    # builder: (layout, its title, pairs, whether there is sky, tolerance, m)
    nyuv2: ('nyuv2', 'NYUv2', 2, False, 0),
    nyuv2_bts: ('nyuv2_bts', 'NYUv2', 1, False, 5e-4),
    ibims1: ('ibims1', 'iBims-1', 1, False, 0),
    hypersim: ('hypersim', 'Hypersim', 1, False, 3e-3),
    tum: ('tum', 'TUM RGB-D', 2, False, 1e-4),
    scannet: ('scannet', 'ScanNet', 1, False, 5e-4),
    seven_scenes: ('7scenes', '7-Scenes', 1, False, 5e-4),
    kitti: ('kitti', 'KITTI', 2, False, 2e-3),
    vkitti2: ('vkitti2', 'Virtual KITTI 2', 1, True, 5e-3),
    tartanair: ('tartanair', 'TartanAir', 2, True, 0),
    diode: ('diode', 'DIODE', 1, False, 0),
    sintel: ('sintel', 'Sintel', 1, True, 0),
    synthia: ('synthia', 'SYNTHIA', 1, True, 5e-3),
    middlebury: ('middlebury', '', 1, False, 1e-6)}


@pytest.fixture(params=LAYOUTS, ids=lambda build: build.__name__)
def dataset(request, tmp_path):
    root = tmp_path / 'data'
    root.mkdir()
    request.param(root)
    return root, *LAYOUTS[request.param]


def test_each_layout_is_found_and_read_in_metres(dataset):
    root, name, title, count, has_sky, tolerance = dataset
    found, missing = pairs.find_pairs(root)
    assert (len(found), missing) == (count, [])
    assert {pair.layout for pair in found} == {name if title else ''}
    for place, pair in enumerate(found):
        report = check.inspect(pair)
        assert report.problem == ''
        factor = 2 if name == 'nyuv2' and place else 1
        expected = DEPTH_M * factor
        known = np.ones(expected.shape, bool)
        known[GAP] = False
        if has_sky:
            known[SKY] = False
        assert report.unknown == pytest.approx(1 / expected.size)
        assert report.sky == pytest.approx(4 / expected.size * has_sky)
        image, depth_m = check.read_pair(pair)
        np.testing.assert_allclose(depth_m[known], expected[known],
                                   atol=tolerance + 1e-6, rtol=0)
        # Sky stands at the farthest depth there is, and no farther.
        assert depth_m.max() <= expected.max() + tolerance + 1e-6
        if title:
            assert check.line(report).split('read as ')[1].startswith(title)


def test_pictures_are_upright_and_belong_to_their_depth(dataset):
    found, _ = pairs.find_pairs(dataset[0])
    image, _ = check.read_pair(found[0])
    assert np.abs(image - PICTURE / 255).mean() < 0.02
    if len(found) > 1 and dataset[1] in ('nyuv2', 'tum'):
        image, _ = check.read_pair(found[1])
        assert np.abs(image - PICTURE // 2 / 255).mean() < 0.02


def test_each_layout_renders(dataset, tmp_path):
    found, _ = pairs.find_pairs(dataset[0])
    records, errors = generate.generate(
        tmp_path / 'out', 1, generate.Recipe(max_coc=8.0), found)
    assert errors == [] and len(records) == 1
    assert 1.4 < records[0]['S1'] < 2 * DEPTH_M.max()
    sigma = iio.imread(tmp_path / 'out/sigma/000000.png')
    assert sigma.shape == (HEIGHT, WIDTH) and len(np.unique(sigma)) > 5


def test_a_layout_that_is_asked_for_is_the_only_one(dataset):
    root, name, title, count, _, _ = dataset
    found, _ = pairs.find_pairs(root, layout=name)
    assert [pair.layout for pair in found] == [name] * count
    other = 'hypersim' if name != 'hypersim' else 'diode'
    with pytest.raises(ValueError, match=f'--layout={other} has it: '):
        pairs.find_pairs(root, layout=other)


def test_pairs_travel_to_other_processes(dataset):
    found, _ = pairs.find_pairs(dataset[0], sky_depth=3.0)
    sent = pickle.loads(pickle.dumps(found))
    assert sent == found
    assert check.inspect(sent[-1]) == check.inspect(found[-1])
    assert check.inspect(sent[0]).far < 3.0


def test_frames_inside_a_file_are_told_apart(tmp_path):
    nyuv2(tmp_path)
    one, two = pairs.find_pairs(tmp_path)[0]
    small = [distinct.thumbnail(pair)[1] for pair in (one, two)]
    np.testing.assert_allclose(small[1], small[0] / 2, atol=0.01)
    kept, drops = distinct.drop_similar([one, two], small, max_psnr=30)
    assert (kept, drops) == ([one, two], [])


@pytest.mark.parametrize('build', [nyuv2, ibims1])
def test_a_single_matlab_file_can_be_named(tmp_path, build):
    build(tmp_path)
    path = next(tmp_path.rglob('*.mat'))
    found, _ = pairs.find_pairs(path)
    assert found[0].image == str(path)
    assert check.inspect(found[0]).problem == ''


def test_damaged_matlab_files_have_a_line_each(tmp_path):
    ibims1(tmp_path)
    content = next(tmp_path.rglob('*.mat')).read_bytes()
    (tmp_path / 'ibims1_core_mat/torn.mat').write_bytes(content[:300])
    reports = [check.inspect(p) for p in pairs.find_pairs(tmp_path)[0]]
    assert reports[0].problem == ''
    assert f'{tmp_path}/ibims1_core_mat/torn.mat: ' in reports[1].problem
    nyuv2(tmp_path)
    path = tmp_path / 'nyu_depth_v2_labeled.mat'
    path.write_bytes(path.read_bytes()[:2000])
    found, missing = pairs.find_pairs(tmp_path)
    assert len(found) == 2
    assert len(missing) == 1 and missing[0].startswith(f'{path}: ')


def test_kitti_is_said_to_be_sparse(tmp_path):
    kitti(tmp_path)
    report = check.inspect(pairs.find_pairs(tmp_path)[0][0])
    assert 'sparse' in report.warnings[0]
    assert check.line(report).startswith('WARN   image/0000000005: ')
    assert 'KITTI, 0.003906 m a code' in check.line(report)


def test_scannet_says_that_the_picture_was_made_smaller(tmp_path):
    """By area: each pixel is the mean of four."""
    scannet(tmp_path)
    rng = np.random.default_rng(0)
    large = rng.integers(0, 256, (2 * HEIGHT, 2 * WIDTH, 3)).astype(np.uint8)
    write(tmp_path, 'scene0000_00/color/11.png', large)
    write(tmp_path, 'scene0000_00/depth/11.png', codes(1000))
    pair = pairs.find_pairs(tmp_path)[0][1]
    assert check.line(check.inspect(pair)).endswith(
        'read as ScanNet, mm; image made smaller, from 64 x 48')
    means = large.reshape(HEIGHT, 2, WIDTH, 2, 3).mean((1, 3)) / 255
    np.testing.assert_allclose(check.read_pair(pair)[0], means, atol=1e-6)
    write(tmp_path, 'scene0000_00/color/11.png', large[:-8])
    assert 'must show the same pixels' in check.inspect(pair).problem


def test_times_are_associated_once_and_the_nearest_first():
    assert layout_search.associate([1.0, 1.03, 5.0], [1.015, 1.02, 1.05]) == [
        (1.0, 1.015), (1.03, 1.02)]
    assert layout_search.associate([1.0, 1.01], [1.011]) == [(1.01, 1.011)]
    start = 1305031102.0
    assert layout_search.associate([start], [start + 0.0201]) == []
    assert len(layout_search.associate([start], [start + 0.02])) == 1


def test_tum_lists_say_the_times(tmp_path):
    tum(tmp_path)
    root = tmp_path / 'rgbd_dataset_freiburg1_xyz'
    (root / 'depth.txt').write_text(
        '# depth maps\n1305031109.01 depth/1305031102.160407.png\n')
    found, _ = pairs.find_pairs(tmp_path)
    assert [(pair.image, pair.depth) for pair in found] == [
        (f'{root}/rgb/1305031109.000000.png',
         f'{root}/depth/1305031102.160407.png')]


def test_two_pictures_of_one_depth_map_are_an_error(tmp_path):
    nyuv2_bts(tmp_path)
    write(tmp_path, 'bathroom_0001/rgb_00045.png', PICTURE)
    with pytest.raises(ValueError, match='two pictures for one') as caught:
        pairs.find_pairs(tmp_path)
    for name in ('rgb_00045.jpg', 'rgb_00045.png', 'sync_depth_00045.png'):
        assert f'{tmp_path}/bathroom_0001/{name}' in str(caught.value)


def test_datasets_side_by_side_are_all_found(tmp_path):
    for build in (tum, diode, vkitti2, middlebury):
        (tmp_path / build.__name__).mkdir()
        build(tmp_path / build.__name__)
    write(tmp_path, 'mine/image.png', PICTURE)
    write(tmp_path, 'mine/depth.png', codes(1000))
    found, missing = pairs.find_pairs(tmp_path)
    assert missing == []
    assert sorted(pair.layout for pair in found) == [
        '', '', 'diode', 'tum', 'tum', 'vkitti2']


def test_a_picture_without_depth_in_a_layout_is_named(tmp_path):
    vkitti2(tmp_path)
    lonely = 'Scene01/clone/frames/rgb/Camera_0/rgb_00001.jpg'
    write(tmp_path, lonely, PICTURE)
    found, missing = pairs.find_pairs(tmp_path)
    assert len(found) == 1
    assert missing == [f'{tmp_path}/{lonely}: has no depth map as Virtual '
                       'KITTI 2 has']


def test_what_the_user_says_goes_before_the_layout(tmp_path):
    vkitti2(tmp_path)
    pair = pairs.find_pairs(tmp_path, 'mm')[0][0]
    assert (pair.layout, pair.depth_unit) == ('vkitti2', 'mm')
    assert check.inspect(pair).near == pytest.approx(0.151)
    with pytest.raises(ValueError, match='Known layouts'):
        pairs.find_pairs(tmp_path, layout='plain')


def test_airsim_pfm_is_depth(tmp_path):
    """By its sky alone, or told so."""
    depth = codes(1, 0, 65504, np.float32)
    for name, values in (('a', depth), ('b', DEPTH_M)):
        write(tmp_path, f'{name}.png', PICTURE)
        (tmp_path / f'{name}_depth.pfm').write_bytes(
            f'Pf\n{WIDTH} {HEIGHT}\n-1\n'.encode()
            + values[::-1].astype('<f4').tobytes())
    a, b = pairs.find_pairs(tmp_path)[0]
    assert check.inspect(a).read_as == 'm'
    assert check.inspect(b).read_as == 'disparity'
    assert 'pass --depth_unit=m' in check.inspect(b).warnings[0]
    b = pairs.find_pairs(tmp_path, layout='airsim')[0][1]
    report = check.inspect(b)
    assert (report.read_as, report.warnings) == ('AirSim, m', ())
    assert report.far == pytest.approx(DEPTH_M.max())


def test_every_layout_names_a_unit_and_what_it_expects():
    for name, layout in layouts.LAYOUTS.items():
        assert layout.unit in rgbd.UNITS[1:] or name == 'plain'
        assert bool(layout.expected) == (name not in layouts.UNSEARCHED)
