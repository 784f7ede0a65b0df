"""What a run may go on with, and what a full disk leaves."""

import dataclasses
import json
import logging
import pathlib
import shutil

import imageio.v3 as iio
import numpy as np
import pytest
import tensorflow as tf

from dmenet_tf.train import checkpoints, folders
from dmenet_tf.train.changes import Augment


def digests_of(config):
    return checkpoints.digests(*folders.find_datasets(config))


@pytest.fixture
def begun(of_all_four, coded_folders, tmp_path):
    """The Config of a run that has begun, on folders of its own."""
    shutil.copytree(coded_folders, tmp_path / 'data')
    config = of_all_four(tmp_path / 'run', **{
        name: tmp_path / 'data' / folder for name, folder in
        (('synthetic', 'syn'), ('binary', 'bin'), ('real', 'real'))})
    checkpoints.save_or_check_flags(config, digests_of(config),
                                    {'teacher.npz': 'abc'})
    return config


def go_on(config, **changes):
    config = dataclasses.replace(config, **changes)
    checkpoints.save_or_check_flags(config, digests_of(config),
                                    {'teacher.npz': 'abc'})


def test_the_same_run_goes_on(begun):
    go_on(begun)


def test_other_settings_are_refused_by_their_names(begun):
    with pytest.raises(ValueError, match=(
            '--augment.noise=0.0 then, 8.0 now; '
            '--learning_rate=0.001 then, 0.0005 now')):
        go_on(begun, learning_rate=5e-4, augment=Augment(noise=8.0))


def edit_flags(config, **changes):
    """Changes flags.json as a run of another version would have written it."""
    path = f'{config.workdir}/flags.json'
    with open(path) as file:
        flags = json.load(file)
    for name, value in changes.items():
        if value is None:
            del flags['settings'][name]
        else:
            flags['settings'][name] = value
    with open(path, 'w') as file:
        json.dump(flags, file)


def test_a_setting_that_did_not_exist_then_was_at_its_default(begun):
    edit_flags(begun, map_error=None, padding=None)
    go_on(begun)
    with pytest.raises(ValueError, match='--map_error=mse then, mae now'):
        go_on(begun, map_error='mae')
    with pytest.raises(ValueError, match='--padding=symmetric then, zero now'):
        go_on(begun, padding='zero')


def test_a_setting_that_exists_no_more_is_named(begun):
    edit_flags(begun, warm_up_steps=9)
    with pytest.raises(ValueError, match='--warm_up_steps=9 then, None now'):
        go_on(begun)


def test_settings_are_compared_by_value(begun):
    edit_flags(begun, ema=0, init_weights=[])
    go_on(begun)


def test_other_weights_of_the_same_name_are_refused(begun):
    with pytest.raises(ValueError,
                       match='teacher.npz holds other weights than then'):
        checkpoints.save_or_check_flags(begun, digests_of(begun),
                                        {'teacher.npz': 'abd'})


def test_folders_may_move(begun, tmp_path, monkeypatch):
    (tmp_path / 'data').rename(tmp_path / 'moved')
    monkeypatch.chdir(tmp_path)
    go_on(begun, synthetic=['moved/syn'], binary=['moved/bin'],
          real=[str(tmp_path / 'moved/real')])


def test_an_added_picture_is_refused(begun, tmp_path):
    iio.imwrite(tmp_path / 'data/real/added.png',
                np.zeros((40, 40, 3), np.uint8))
    with pytest.raises(ValueError,
                       match=r'the real dataset had (\d) pictures then, (\d)'):
        go_on(begun)


def test_another_label_is_refused(begun, tmp_path):
    masks = sorted((tmp_path / 'data/bin/gt').iterdir())
    for path in masks:
        iio.imwrite(path, 255 - iio.imread(path))
    with pytest.raises(ValueError, match='the binary dataset has other files '
                       'than then; the binary held-out dataset has other'):
        go_on(begun)


def test_a_dataset_that_is_new_is_refused(begun, tmp_path):
    with pytest.raises(ValueError, match='the real dataset had . pictures '
                       'then, 0 now'):
        go_on(begun, real=[])


def test_checkpoints_without_flags_are_refused(begun, tmp_path):
    folder = tmp_path / 'run/checkpoints'
    tf.train.Checkpoint().save(str(folder / 'ckpt'))
    (tmp_path / 'run/flags.json').unlink()
    with pytest.raises(ValueError, match='has checkpoints but no flags.json'):
        go_on(begun)
    assert not (tmp_path / 'run/flags.json').exists()


def test_steps_may_grow_unless_the_schedule_depends_on_them(begun, tmp_path):
    go_on(begun, steps=9)
    (tmp_path / 'run/flags.json').unlink()
    go_on(begun, schedule='cosine')
    with pytest.raises(ValueError, match='steps=4 then, 9 now'):
        go_on(begun, schedule='cosine', steps=9)


class NoTrainer:
    """What a checkpoint needs of a Trainer, without any network."""

    def __init__(self):
        self.step, self.optimizers = tf.Variable(1, dtype=tf.int64), {}
        self.loss_scale = tf.Module()
        self.networks = type('None', (), {'_asdict': lambda self: {}})()

    @property
    def steps_done(self):
        return int(self.step)


def test_a_full_disk_leaves_the_old_checkpoint(tmp_path, monkeypatch):
    kept = checkpoints.Checkpoints(NoTrainer(), None, tmp_path)
    old = kept.save()

    def full(*args, **kwargs):
        raise tf.errors.ResourceExhaustedError(None, None, 'No space left')
    monkeypatch.setattr(tf.train.Checkpoint, '_write', full, raising=False)
    monkeypatch.setattr(tf.train.Checkpoint, 'write', full)
    monkeypatch.setattr(tf.train.Checkpoint, 'save', full)
    with pytest.raises(OSError, match='No space left.*ckpt-1'):
        kept.save()
    assert kept.latest == old
    assert tf.train.load_checkpoint(old).get_tensor(
        'step/.ATTRIBUTES/VARIABLE_VALUE') == 1


def test_the_last_three_are_kept_with_the_time_they_took(tmp_path):
    trainer = NoTrainer()
    kept = checkpoints.Checkpoints(trainer, None, tmp_path)
    for step in (1, 2, 3, 4):
        trainer.step.assign(step)
        kept.save(seconds=10.0 * step)
    names = {path.stem for path in (tmp_path / 'checkpoints').glob('*.index')}
    assert names == {'ckpt-2', 'ckpt-3', 'ckpt-4'}
    again = checkpoints.Checkpoints(NoTrainer(), None, tmp_path)
    assert again.restore() and again.seconds == 40.0


def cut(file):
    file.write_bytes(file.read_bytes()[:-5])


def flip(file):
    codes = bytearray(file.read_bytes())
    codes[len(codes) // 2] ^= 1
    file.write_bytes(codes)


@pytest.fixture
def three(tmp_path):
    """Steps 1, 2 and 3 are kept."""
    trainer = NoTrainer()
    kept = checkpoints.Checkpoints(trainer, None, tmp_path)
    for step in (1, 2, 3):
        trainer.step.assign(step)
        kept.save()
    return tmp_path / 'checkpoints'


@pytest.mark.parametrize('damage', [cut, flip, pathlib.Path.unlink])
@pytest.mark.parametrize('part', ['data-00000-of-00001', 'index'])
def test_a_damaged_checkpoint_is_passed_over(three, tmp_path, caplog, damage,
                                             part):
    damage(three / f'ckpt-3.{part}')
    trainer = NoTrainer()
    kept = checkpoints.Checkpoints(trainer, None, tmp_path)
    with caplog.at_level(logging.WARNING, 'absl'):
        assert kept.restore()
    assert trainer.steps_done == 2
    assert kept.restored.endswith('ckpt-2')
    assert f'{three}/ckpt-3 is damaged: ' in caplog.text
    # Written again it is whole again.
    trainer.step.assign(3)
    kept.save()
    again = NoTrainer()
    assert checkpoints.Checkpoints(again, None, tmp_path).restore()
    assert again.steps_done == 3


def test_where_all_are_damaged_it_says_so(three, tmp_path):
    for step in (1, 2, 3):
        flip(three / f'ckpt-{step}.index')
    with pytest.raises(ValueError, match='none of its checkpoints can be'):
        checkpoints.Checkpoints(NoTrainer(), None, tmp_path).restore()


def test_digests_are_kept_of_what_is_kept(three, tmp_path):
    trainer = NoTrainer()
    trainer.step.assign(4)
    checkpoints.Checkpoints(trainer, None, tmp_path).save()
    assert {path.stem for path in three.glob('*.sha256')} == {
        'ckpt-2', 'ckpt-3', 'ckpt-4'}


def test_other_processes_write_where_nobody_looks(tmp_path):
    names = 'worker_0', 'worker_1'
    for name in names:
        other = checkpoints.Checkpoints(NoTrainer(), None, tmp_path, name)
        other.save()
        assert other.latest is None
    assert {path.name for path in
            (tmp_path / 'checkpoints/other_workers').iterdir()} == set(names)
