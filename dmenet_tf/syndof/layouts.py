"""Where well-known datasets keep pictures and depth, and what their codes mean.

Patterns are regular expressions of a picture's path below the dataset's folder
(or below any folder in it), and what makes the path of its depth map of a
match. TUM RGB-D, which associates by time, and the datasets inside MATLAB's
files are found by layout_search itself.
"""

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType

_PICTURE = r'\.(?:jpg|jpeg|png)'
_SATURATED = (65535.0,)


@dataclasses.dataclass(frozen=True)
class Layout:
    """One dataset.

    Attributes:
        title: Its name, the source of its pairs.
        type: 'real' or 'synthetic'.
        unit: Of depth, one of rgbd.UNITS.
        scale: What a code is worth, in `unit`; None: 1.
        unknown: Codes that mean no depth, besides 0 and nan.
        sky: Codes that mean sky, besides what is sky anyway.
        focal_widths: For distance from the camera's centre: focal length in
            widths of the picture; None: depth is along the axis.
        patterns: (picture, depth map) of each way in which it is laid out.
        renderings: Whether several patterns are of the same scenes; those of
            the first that is there are taken.
        mask: Path of the mask beside a depth map: 0 leaves a pixel out.
        resize: Whether pictures may be larger than depth maps.
        first_channel: Whether depth is the first of three channels, whatever
            the others hold; such files alone are of this layout.
        warning: What `--check` says of each pair.
        expected: What to tell who asked for it and has another folder.
    """

    title: str = ''
    type: str = 'real'
    unit: str = 'auto'
    scale: float | None = None
    unknown: tuple[float, ...] = ()
    sky: tuple[float, ...] = ()
    focal_widths: float | None = None
    patterns: tuple[tuple[str, str], ...] = ()
    renderings: bool = False
    mask: str = ''
    resize: bool = False
    first_channel: bool = False
    warning: str = ''
    expected: str = ''


PLAIN = Layout()

NYUV2 = Layout(
    'NYUv2', unit='m', expected='a .mat (HDF5) with images and depths')
IBIMS1 = Layout(
    'iBims-1', unit='m', expected='.mat files with a struct data: rgb, depth')
TUM = Layout(
    'TUM RGB-D', unit='m', scale=1 / 5000,
    expected='rgb/TIMESTAMP.png and depth/TIMESTAMP.png')

_BY_PATTERN = {
    'nyuv2_bts': Layout(
        'NYUv2', unit='mm', expected='rgb_N.jpg beside sync_depth_N.png',
        patterns=((rf'rgb_(?P<n>\d+){_PICTURE}',
                   r'sync_depth_\g<n>.png'),)),
    'hypersim': Layout(
        'Hypersim', 'synthetic', 'm', focal_widths=886.81 / 1024,
        expected='CAM_final_preview/frame.N.tonemap.jpg and '
                 'CAM_geometry_hdf5/frame.N.depth_meters.hdf5',
        patterns=((
            rf'(?P<cam>[^/]+)_final_preview/(?P<n>frame\.\d+)\.tonemap'
            rf'{_PICTURE}',
            r'\g<cam>_geometry_hdf5/\g<n>.depth_meters.hdf5'),)),
    'scannet': Layout(
        'ScanNet', unit='mm', resize=True,
        expected='color/N.jpg and depth/N.png',
        patterns=((rf'color/(?P<n>\d+){_PICTURE}', r'depth/\g<n>.png'),)),
    '7scenes': Layout(
        '7-Scenes', unit='mm', unknown=_SATURATED, resize=True,
        expected='NAME.color.png beside NAME.depth.png',
        patterns=((rf'(?P<n>[^/]+)\.color{_PICTURE}', r'\g<n>.depth.png'),
                  (rf'(?P<n>[^/]+)\.color{_PICTURE}', r'\g<n>.depth.pgm'))),
    'kitti': Layout(
        'KITTI', unit='m', scale=1 / 256,
        warning='KITTI depth is sparse: between its points it is filled from '
                'neighbours, with ragged edges',
        expected='image/NAME.png and groundtruth_depth/NAME.png',
        patterns=((r'image/(?P<n>.+)\.png', r'groundtruth_depth/\g<n>.png'),
                  (r'image/(?P<a>.+)_image_(?P<b>\d+_image_0\d)\.png',
                   r'groundtruth_depth/\g<a>_groundtruth_depth_\g<b>.png'))),
    'vkitti2': Layout(
        'Virtual KITTI 2', 'synthetic', 'cm', sky=_SATURATED,
        expected='rgb/Camera_0/rgb_N.jpg and depth/Camera_0/depth_N.png',
        patterns=((rf'rgb/(?P<cam>Camera_\d+)/rgb_(?P<n>\d+){_PICTURE}',
                   r'depth/\g<cam>/depth_\g<n>.png'),)),
    'tartanair': Layout(
        'TartanAir', 'synthetic', 'm',
        expected='image_left/N_left.png and depth_left/N_left_depth.npy',
        patterns=((r'image_(?P<side>left|right)/(?P<n>[^/]+)\.png',
                   r'depth_\g<side>/\g<n>_depth.npy'),)),
    'diode': Layout(
        'DIODE', unit='m', mask=r'\g<n>_depth_mask.npy',
        expected='NAME.png beside NAME_depth.npy and NAME_depth_mask.npy',
        patterns=((r'(?P<n>[^/]+)\.png', r'\g<n>_depth.npy'),)),
    'sintel': Layout(
        'Sintel', 'synthetic', 'm', renderings=True,
        expected='clean/SCENE/frame_N.png and depth/SCENE/frame_N.dpt',
        patterns=tuple((rf'{kind}/(?P<n>.+)\.png', r'depth/\g<n>.dpt')
                       for kind in ('clean', 'final'))),
    'synthia': Layout(
        'SYNTHIA', 'synthetic', 'cm', sky=_SATURATED, first_channel=True,
        expected='RGB/NAME.png and Depth/NAME.png of 16 bits in RGB',
        patterns=((r'RGB/(?P<n>.+)\.png', r'Depth/\g<n>.png'),)),
}
# Found as any folder is; the unit alone is theirs.
_BY_NAME = {
    'middlebury': Layout('Middlebury', unit='px'),
    'airsim': Layout('AirSim', 'synthetic', 'm'),
    'plain': PLAIN,
}
LAYOUTS: Mapping[str, Layout] = MappingProxyType({
    'nyuv2': NYUV2, 'ibims1': IBIMS1, 'tum': TUM, **_BY_PATTERN, **_BY_NAME})
UNSEARCHED = frozenset(_BY_NAME)
