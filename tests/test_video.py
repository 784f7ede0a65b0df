"""Videos in, map videos out."""

import fractions
import json
import pathlib

import numpy as np
import pytest

av = pytest.importorskip('av')
iio = pytest.importorskip('imageio.v3')

from dmenet_tf import (  # noqa: E402
    command,
    focus,
    inference,
    made_with,
    maps,
    network_flags,
    predict,
    video,
)
from dmenet_tf.rank import __main__ as rank  # noqa: E402

pytestmark = pytest.mark.extra
REDS = [20, 60, 100, 140, 180, 220]


@pytest.fixture
def clip(tmp_path):
    """Six even frames of 64 x 48 px, four a second, ever redder."""
    path = tmp_path / 'clip.mp4'
    with video.writing(path, 4) as append:
        for red in REDS:
            append(np.full((48, 64, 3), (red, 9, 9), np.uint8))
    return path


def reds(path):
    return [float(np.median(frame[..., 0])) for _, frame in video.frames(path)]


def test_frames_come_back_in_order_with_their_times(clip):
    assert reds(clip) == pytest.approx(REDS, abs=3)
    assert [time for time, _ in video.frames(clip)] == pytest.approx(
        [0, 0.25, 0.5, 0.75, 1, 1.25])
    assert video.frame_rate(clip) == (4.0, 6)


@pytest.mark.parametrize('every, times', [
    (0.5, [0, 0.5, 1]), (0.3, [0, 0.5, 0.75, 1, 1.25]), (9, [0])])
def test_frames_may_be_left_out(clip, every, times):
    assert [time for time, _ in video.frames(clip, every)] == pytest.approx(
        times)


def test_odd_sides_are_padded_and_settings_kept(tmp_path):
    path = tmp_path / 'odd.mp4'
    said = made_with.text({'model': 'ä"\'\\'})
    with video.writing(path, 25, said) as append:
        append(np.full((31, 47, 3), 99, np.uint8))
    [(_, frame)] = video.frames(path)
    assert frame.shape == (32, 48, 3)
    assert made_with.read(path) == said


def test_a_failure_leaves_nothing(tmp_path):
    with pytest.raises(RuntimeError), video.writing(
            tmp_path / 'a.mp4', 25) as append:
        append(np.zeros((32, 32, 3), np.uint8))
        raise RuntimeError
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize('every', [0.1, 0.2, 0.3, 0.4])
def test_every_is_kept_through_rounding(tmp_path, every):
    """0.3 // 0.1 is 2."""
    path = tmp_path / 'a.mp4'
    with video.writing(path, 30) as append:
        for _ in range(60):
            append(np.zeros((32, 32, 3), np.uint8))
    times = [time for time, _ in video.frames(path, every)]
    assert times == pytest.approx(np.arange(0, 2 - 1e-9, every), abs=1 / 30)


def test_the_rate_is_the_mean_one(tmp_path):
    """As of a screen that stood still: the map has the video's length."""
    path = tmp_path / 'a.mp4'
    with av.open(str(path), 'w') as file:
        stream = file.add_stream('libx264', rate=30)
        stream.width, stream.height, stream.pix_fmt = 32, 32, 'yuv420p'
        for number in range(40):
            frame = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8))
            frame.time_base = fractions.Fraction(1, 30)
            frame.pts = number if number < 20 else 20 + 15 * (number - 20)
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
    last = [time for time, _ in video.frames(path)][-1]
    rate, count = video.frame_rate(path)
    assert count == 40 and 39 / rate == pytest.approx(last, rel=0.15)


@pytest.mark.parametrize('content', [b'', b'no video', b'\0' * 5000])
def test_what_is_no_video_is_one_line(tmp_path, content):
    path = tmp_path / 'a.mp4'
    path.write_bytes(content)
    for call in (video.frame_rate, lambda p: list(video.frames(p))):
        with pytest.raises(ValueError, match=f'^{path}: damaged') as error:
            call(path)
        assert '\n' not in str(error.value)
        assert str(error.value).count(str(path)) == 1


def test_a_turned_video_is_upright(tmp_path):
    plain = tmp_path / 'plain.mp4'
    picture = np.zeros((32, 64, 3), np.uint8)
    picture[:, :32] = 200
    with video.writing(plain, 4) as append:
        append(picture)
    turned = tmp_path / 'turned.mov'
    with av.open(str(plain)) as source, av.open(str(turned), 'w') as sink:
        stream = sink.add_stream_from_template(source.streams.video[0])
        if not hasattr(stream, 'set_display_matrix'):
            pytest.skip('this PyAV cannot write a rotation')
        # A quarter counterclockwise, as av_display_rotation_set writes it.
        stream.set_display_matrix([0, -(1 << 16), 0, 1 << 16, 0, 0, 0, 0,
                                   1 << 30])
        for packet in source.demux(video=0):
            if packet.dts is not None:  # The last one only says so.
                packet.stream = stream
                sink.mux(packet)
    [(_, frame)] = video.frames(turned)
    assert frame.shape == (64, 32, 3)
    assert frame[8, 16, 0] < 20 and frame[-8, 16, 0] > 180


@pytest.fixture
def run(monkeypatch, toy_b, run_command):
    """Runs a command with a network whose sigma is red / 50."""
    monkeypatch.setattr(network_flags, 'load', lambda found: (
        inference.build_estimator(toy_b, 'sigma7'),
        lambda batch: np.float32(batch[..., :1]) / 50))
    return run_command


def test_a_map_video_has_one_scale_for_all_frames(run, clip, toy_flag,
                                                  tmp_path):
    out = tmp_path / 'out'
    arguments = [clip, toy_flag, f'--output_dir={out}',
                 '--format=npy,color,mask', '--mask_below=3']
    assert run(predict, *arguments) == 0
    assert sorted(path.name for path in out.iterdir()) == [
        'clip_mask.mp4', 'clip_sigma.mp4']
    frames = [frame for _, frame in video.frames(out / 'clip_sigma.mp4')]
    assert len(frames) == len(REDS)
    for red, frame in zip(REDS, frames, strict=True):
        expected = maps.color_sigma(np.full((1, 1), red / 50), 7.0)[0, 0]
        np.testing.assert_allclose(frame[24, 32], expected, atol=12)
    masks = [frame[24, 32, 0] for _, frame in video.frames(
        out / 'clip_mask.mp4')]
    np.testing.assert_allclose(masks, [255] * 4 + [0] * 2, atol=3)
    made = (out / 'clip_sigma.mp4').stat().st_mtime_ns
    assert run(predict, *arguments) == 0
    assert (out / 'clip_sigma.mp4').stat().st_mtime_ns == made
    assert run(predict, *arguments, '--max_sigma=3') == 0
    assert (out / 'clip_sigma.mp4').stat().st_mtime_ns != made


@pytest.fixture
def run_until(monkeypatch, toy_b, run_command):
    """As run, with a network that stops after so many frames."""
    def run(stop, *arguments):
        seen = []

        def runner(batch):
            if len(seen) == stop:
                raise KeyboardInterrupt
            seen.append(batch)
            return np.float32(batch[..., :1]) / 50
        monkeypatch.setattr(network_flags, 'load', lambda found: (
            inference.build_estimator(toy_b, 'sigma7'), runner))
        try:
            run_command(predict, *arguments)
        except KeyboardInterrupt:
            return None
        return len(seen)
    return run


def test_a_video_that_was_interrupted_goes_on(run_until, clip, toy_flag,
                                              tmp_path, monkeypatch):
    monkeypatch.setattr(video, 'PART', 2)
    whole, parts = tmp_path / 'whole', tmp_path / 'parts'
    call = [clip, toy_flag, '--format=color,mask']
    assert run_until(99, *call, f'--output_dir={whole}') == 6
    call += [f'--output_dir={parts}']
    assert run_until(3, *call) is None
    assert [path.name for path in parts.iterdir()] == ['.clip.parts']
    assert run_until(1, *call) is None  # Not one part more.
    assert run_until(99, *call) == 4
    names = ['clip_mask.mp4', 'clip_sigma.mp4']
    assert sorted(path.name for path in parts.iterdir()) == names
    for name in names:
        (times, frames), (others, expected) = (
            zip(*video.frames(folder / name), strict=True)
            for folder in (parts, whole))
        assert times == others == pytest.approx([0, .25, .5, .75, 1, 1.25])
        np.testing.assert_array_equal(frames, expected)
        assert made_with.read(parts / name) == made_with.read(whole / name)


@pytest.mark.parametrize('change', ['settings', 'file', 'formats'])
def test_parts_of_something_else_are_not_taken(run_until, clip, toy_flag,
                                               tmp_path, monkeypatch, change):
    monkeypatch.setattr(video, 'PART', 2)
    call = [clip, toy_flag, f'--output_dir={tmp_path / "out"}']
    assert run_until(5, *call) is None
    if change == 'file':
        with video.writing(clip, 4) as append:
            for red in REDS:
                append(np.full((48, 64, 3), (240 - red, 9, 9), np.uint8))
    more = {'settings': ['--max_sigma=3'], 'file': [],
            'formats': ['--format=color,mask']}[change]
    assert run_until(99, *call, *more) == 6


def test_masks_of_frames_are_by_sigma_alone(run, tmp_path, toy_flag):
    """A photograph like these frames is in focus everywhere, see focus."""
    frame = np.full((48, 256, 3), (60, 30, 30), np.uint8)  # sigma 1.2
    stripes = np.where(np.arange(192) % 8 < 4, 0, 255)
    frame[:, :192] = stripes[:, None] * [0, 1, 1]  # sigma 0
    path = tmp_path / 'clip.mp4'
    with video.writing(path, 4) as append:
        append(frame)
    [(_, seen)] = video.frames(path)
    assert focus.everywhere(np.float32(seen[..., 0]) / 50, seen)
    out = tmp_path / 'out'
    assert run(predict, path, toy_flag, f'--output_dir={out}',
               '--format=mask') == 0
    [(_, mask)] = video.frames(out / 'clip_mask.mp4')
    np.testing.assert_allclose(mask[24, [8, 240], 0], [255, 0], atol=3)


def test_a_broken_video_costs_a_line(run, clip, toy_flag, tmp_path, capsys):
    broken = tmp_path / 'broken.mp4'
    broken.write_bytes(clip.read_bytes()[:900])
    out = tmp_path / 'out'
    assert run(predict, broken, clip, toy_flag, f'--output_dir={out}') == 1
    assert f'error: {broken}: damaged' in capsys.readouterr().err
    assert [path.name for path in out.iterdir()] == ['clip_sigma.mp4']


def test_numbers_of_a_video_are_refused(run, clip, toy_flag):
    with pytest.raises(command.UsageError, match='is a video, which needs'):
        run(predict, clip, toy_flag, '--format=npy')


def test_the_sharpest_frames_come_first(run, clip, toy_flag, capsys):
    assert run(rank, clip, toy_flag, '--every=0.5s', '--format=jsonl') == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row['time_s'] for row in rows] == [0, 0.5, 1]
    assert pathlib.Path(rows[0]['photograph']) == clip
    with pytest.raises(command.UsageError, match='--xmp is for photographs'):
        run(rank, clip, toy_flag, '--xmp')
    with pytest.raises(command.UsageError, match='such as 1s'):
        run(rank, clip, toy_flag, '--every=often')


def test_frames_are_no_photographs_without_a_time(run, clip, toy_flag,
                                                  tmp_path, capsys):
    iio.imwrite(tmp_path / 'photo.png', np.full((48, 64, 3), 90, np.uint8))
    assert run(rank, clip, tmp_path / 'photo.png', toy_flag, '--per=burst',
               '--every=0.5s') == 0
    assert '1 of 1 photographs do not say' in capsys.readouterr().err
