"""The folder for the hub: its card, its config, and the way back."""

import json
import pathlib
import shutil

import pytest

from dmenet_tf import export, hub_folder, model_files, weights


@pytest.fixture
def model(toy_flag):
    return pathlib.Path(toy_flag.removeprefix('--model='))


def metadata(card):
    """The lines between the first two '---', and the text below."""
    empty, lines, text = card.split('---\n', 2)
    assert empty == ''
    return lines.splitlines(), text


def test_the_bundled_model_is_whole_with_licence_and_card(tmp_path):
    hub_folder.write('small', tmp_path / 'hub')
    assert sorted(path.name for path in (tmp_path / 'hub').iterdir()) == [
        'README.md', 'WEIGHTS_LICENSE', 'config.json', 'model.npz']
    lines, text = metadata((tmp_path / 'hub/README.md').read_text())
    assert lines[:2] == ['library_name: dmenet_tf',
                         'pipeline_tag: image-to-image']
    assert lines[-3:] == [
        'license: other',
        'license_name: research-and-other-non-commercial-use',
        'license_link: WEIGHTS_LICENSE']
    assert "load_model('hf://OWNER/NAME')" in text
    newest = model_files.find('small').stem
    assert f'\n## `{newest}`, the bundled network\n' in text
    assert 'Where it fails' in text


def test_the_weights_are_unchanged_and_described(tmp_path, model):
    hub_folder.write(model, tmp_path / 'hub')
    assert model_files.digest(tmp_path / 'hub/model.npz') == (
        model_files.digest(model))
    config = json.loads((tmp_path / 'hub/config.json').read_text())
    assert config == weights.describe(tmp_path / 'hub/model.npz')
    assert config['architecture']['width'] == 4


def test_a_model_of_no_licence_and_no_card_says_so(tmp_path, model):
    hub_folder.write(model, tmp_path / 'hub')
    assert not (tmp_path / 'hub/WEIGHTS_LICENSE').exists()
    lines, text = metadata((tmp_path / 'hub/README.md').read_text())
    assert not [line for line in lines if line.startswith('license')]
    assert text.endswith('came without a card.\n')


def test_the_card_of_a_training_goes_with_its_weights(tmp_path, model):
    shutil.copy(model, tmp_path / 'weights.npz')
    (tmp_path / 'model_card.md').write_text('# My run\n\nLearnt at home.\n')
    hub_folder.write(tmp_path / 'weights.npz', tmp_path / 'hub')
    text = (tmp_path / 'hub/README.md').read_text()
    assert text.endswith('## My run\n\nLearnt at home.\n')


@pytest.mark.parametrize('said, name', [
    ('CC BY-NC 4.0', 'cc-by-nc-4.0'), ('for research; see X', 'for-research')])
def test_any_licence_is_a_name_that_the_hub_takes(said, name):
    assert hub_folder._licence(said, False) == (
        f'license: other\nlicense_name: {name}\n')


def test_a_folder_that_is_there_stays(tmp_path, model):
    with pytest.raises(FileExistsError):
        hub_folder.write(model, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_command_says_how_it_gets_there(tmp_path, model, run_command,
                                            capsys):
    assert run_command(export, f'--model={model}', f'--hub={tmp_path}/hub') == 0
    assert capsys.readouterr().out == (
        f'Hub: {tmp_path}/hub; hf upload OWNER/NAME {tmp_path}/hub\n')
    assert (tmp_path / 'hub/model.npz').is_file()


@pytest.mark.extra
def test_the_hubs_own_reader_understands_the_card(tmp_path):
    huggingface_hub = pytest.importorskip('huggingface_hub')
    hub_folder.write('small', tmp_path / 'hub')
    card = huggingface_hub.ModelCard.load(tmp_path / 'hub/README.md')
    assert card.data.library_name == 'dmenet_tf'
    assert card.data.license == 'other'
    assert 'defocus' in card.data.tags
    # As it reads sizes and dates: text stays text.
    assert card.data.license_name == 'research-and-other-non-commercial-use'
