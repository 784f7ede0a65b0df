"""No folder of the server is told."""

import pytest

from dmenet_tf.demo import told


@pytest.mark.parametrize('error, expected', [
    (ValueError('/tmp/dmenet_demo_x/ab/my photo.jpg: damaged picture: x.'),
     'my photo.jpg: damaged picture: x'),
    (OSError(28, 'No space left on device', '/tmp/x/a.png'),
     "[Errno 28] No space left on device: 'a.png'"),
    (ValueError('a.png is 3/4 black: 1/2 px'), 'a.png is 3/4 black: 1/2 px'),
    (ValueError('see https://example.org/a/b'),
     'see https://example.org/a/b')])
def test_visitors_are_not_told_of_folders(error, expected):
    assert told.said(error) == expected


def test_samples_are_copies(tmp_path):
    copies = told.copy_samples(tmp_path / 'samples')
    assert 'coffee.jpg' in [path.name for path in copies]
    assert all(path.parent == tmp_path / 'samples' for path in copies)
