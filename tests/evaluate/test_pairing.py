"""Pairing: names, splits, what two files of one name are."""

import pathlib

import pytest

from dmenet_tf.evaluate import pairing


def touch(folder, *names):
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).touch()
    return folder


def test_splits_are_the_papers():
    train, test, hundred = (pairing.split_names(*wanted) for wanted in (
        ('cuhk', 'train'), ('cuhk', None), ('detection', None)))
    assert (len(train), len(test), len(hundred)) == (504, 200, 100)
    assert train[0] == 'out_of_focus0001' and train[-1] == 'out_of_focus0504'
    assert test[0] == 'out_of_focus0505' and test[-1] == 'out_of_focus0704'
    assert not set(train) & set(test)
    # The detection literature's hundred are of both parts.
    assert len(set(hundred) & set(train)) == 65
    assert len(set(hundred) & set(test)) == 35
    assert (hundred[0], hundred[-1]) == ('out_of_focus0037',
                                         'out_of_focus0103')
    assert pairing.split_names('rtf', None) is None


@pytest.mark.parametrize('protocol, split', [
    ('cuhk', 'half.txt'), ('rtf', 'test')])
def test_a_split_that_there_is_not_is_named(protocol, split):
    with pytest.raises(ValueError, match='no such list of names; --split'):
        pairing.split_names(protocol, split)


def test_detection_has_no_list_to_train_on():
    with pytest.raises(ValueError, match='no list of training pictures'):
        pairing.split_names('detection', 'train')


def test_the_splits_travel_with_an_installed_package():
    tomllib = pytest.importorskip('tomllib')
    said = tomllib.loads(pathlib.Path('pyproject.toml').read_text())
    patterns = said['tool']['setuptools']['package-data']['dmenet_tf']
    folder = pathlib.Path(pairing.__file__).parents[1]
    taken = {path for pattern in patterns for path in folder.glob(pattern)}
    for name in ('cuhk_train', 'cuhk_test', 'cuhk100_test'):
        assert folder / f'tables/{name}.txt' in taken


def test_maps_are_matched_with_and_without_a_suffix(tmp_path):
    touch(tmp_path, 'a_sigma.png', 'a.npy', 'a_b-blur.png', 'c10.png', 'x.txt')
    matches, problems = pairing.match_predictions(
        tmp_path, ['a', 'a_b', 'c1'], {'a', 'a_b', 'c1'})
    assert {name: path.name for name, path in matches.items()} == {
        'a': 'a.npy', 'a_b': 'a_b-blur.png'}
    assert len(problems) == 2
    assert 'c10.png' in problems[0] and 'no map for 1 of 3' in problems[1]


def test_two_maps_of_one_name_are_a_problem_that_names_both(tmp_path):
    touch(tmp_path, 'a.png', 'a.tif', 'b.png')
    found, problems = pairing.maps_in(tmp_path)
    assert list(found) == ['b'] and len(problems) == 1
    assert f'{tmp_path}/a.png and a.tif have the same name' in problems[0]


def test_numbers_are_taken_before_a_picture_of_them(tmp_path):
    touch(tmp_path, 'a.npy', 'a.mat', 'a.png')
    found, problems = pairing.maps_in(tmp_path)
    assert not problems and found == {'a': tmp_path / 'a.npy'}


def test_hidden_and_half_written_files_are_neither_maps_nor_photographs(
        tmp_path):
    touch(tmp_path, 'a.png', '._a.png', '.tmp-x.png', '.tmp-y.npy')
    assert pairing.maps_in(tmp_path) == ({'a': tmp_path / 'a.png'}, [])
    assert pairing.photographs(tmp_path) == {'a': tmp_path / 'a.png'}


@pytest.mark.parametrize('names', [('a.jpg', 'a.png'),
                                   ('05.png', 'image_05.png')])
def test_two_photographs_of_one_name_are_an_error_that_names_both(tmp_path,
                                                                  names):
    image = touch(tmp_path / 'image', *names)
    truth = touch(tmp_path / 'gt', 'a.png', '05.png')
    with pytest.raises(ValueError, match='|'.join(names)) as error:
        pairing.find_cases(image, truth)
    assert all(name in str(error.value) for name in names)


def test_rtf_keeps_photographs_and_truths_in_one_folder(tmp_path):
    touch(tmp_path, 'image_05.png', 'map_05.mat', 'image_06.png', 'map_06.png',
          'convertion.mat')
    for images in (tmp_path, None):
        found = pairing.find_cases(images, tmp_path)
        assert not found.problems and found.wanted == 2
        assert [(case.name, case.truth.name, case.image and case.image.name)
                for case in found.cases] == [
                    ('05', 'map_05.mat', images and 'image_05.png'),
                    ('06', 'map_06.png', images and 'image_06.png')]


def test_a_photograph_may_be_called_map(tmp_path):
    image = touch(tmp_path / 'image', 'map_of_rome.jpg', 'dog.jpg')
    truth = touch(tmp_path / 'gt', 'map_of_rome.png', 'dog.png')
    found = pairing.find_cases(image, truth)
    assert not found.problems
    assert {case.image.stem: case.truth.stem for case in found.cases} == {
        'dog': 'dog', 'map_of_rome': 'map_of_rome'}


def test_without_photographs_the_truths_are_the_cases(tmp_path):
    truth = touch(tmp_path / 'gt', 'a.png', 'b.png', 'c.png')
    found = pairing.find_cases(None, truth, ['b', 'a', 'x'])
    assert [case.name for case in found.cases] == ['b', 'a']
    assert {case.image for case in found.cases} == {None}
    assert found.wanted == 3 and found.names == {'a', 'b', 'c'}
    assert found.problems == [
        f'{truth}: lacks 1 of the 3 images of the split: x.']


def test_a_list_may_have_comments_suffixes_and_gaps():
    assert pairing.read_split(['# a list', 'b.2', '', 'a.jpg  # first',
                               'map_05.png', 'image_06', 'a', 'a.png']) == [
        'b.2', 'a', '05', '06']


@pytest.mark.parametrize('code', ['utf-8', 'utf-8-sig', 'utf-16'])
def test_a_list_may_be_of_any_code_that_editors_write(tmp_path, code):
    path = tmp_path / 'list.txt'
    path.write_bytes('a.jpg\r\nß.png\r\n'.encode(code))
    assert pairing.split_names('blur', str(path)) == ['a', 'ß']


def test_a_line_that_is_no_text_is_named(tmp_path):
    path = tmp_path / 'list.txt'
    path.write_bytes(b'a.jpg\n\xff.png\n')
    with pytest.raises(ValueError, match='list.txt, line 2: not text in'):
        pairing.split_names('blur', str(path))
