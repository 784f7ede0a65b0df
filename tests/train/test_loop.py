"""A whole run of a toy: what moves, what it writes, how it ends."""

import json
import pathlib
import shutil
import types
import weakref

import keras
import numpy as np
import pytest
import tensorflow as tf

from dmenet_tf import train, variables, weights
from dmenet_tf.train import loop, steps
from dmenet_tf.train.initialise import build_content, build_networks


@pytest.fixture(scope='module')
def finished(of_all_four, tmp_path_factory):
    """(Config of a run of two steps, C before and after it)."""
    # Without what only takes longer to trace: side heads, rotations by any
    # angle, statistics of all datasets.
    config = of_all_four(tmp_path_factory.mktemp('run'), steps=2, seed=3,
                         lambda_aux=0.0, preset='official',
                         batch_norm='synthetic')
    kept = []

    def build(config):
        content = build_content(config)
        kept.append((content, content.get_weights()))
        return content
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, 'build_content', build)
        patch.setattr(loop.published, 'FINAL_BATCHES', 5)
        # Tracing a step takes longer than two of them.
        tf.config.run_functions_eagerly(True)
        try:
            assert train.run(config) == 0
        finally:
            tf.config.run_functions_eagerly(False)
    (content, before), = kept
    return config, before, content.get_weights()


def test_b_d_and_s_move_and_c_stays(finished):
    config, before, after = finished
    for a, b in zip(before, after, strict=True):
        np.testing.assert_array_equal(a, b)
    keras.utils.set_random_seed(config.seed)
    first = build_networks(config)
    last, _ = weights.load(f'{config.workdir}/weights.npz')
    for letter in 'BDS':
        a, b = (variables.of(getattr(nets, letter)) for nets in (first, last))
        trained = {variable.name for variable
                   in getattr(first, letter).trainable_variables}
        moved = [not np.array_equal(variable, b[name])
                 for name, variable in a.items() if variable.name in trained]
        # So narrow a network can have a layer whose units are all off.
        assert np.mean(moved) > 0.9, letter


def test_a_run_leaves_records_of_itself(finished):
    config = finished[0]
    workdir = pathlib.Path(config.workdir)
    _, metadata = weights.load(workdir / 'weights.npz')
    trained = metadata['trained']
    assert trained['steps'] == 2 and trained['hours'] > 0
    assert trained['flags']['seed'] == 3
    flags = json.loads((workdir / 'flags.json').read_text())
    assert flags['settings'] == trained['flags']
    assert trained['datasets'] == {
        name: {**found, 'folders': [folder]} for (name, found), folder in zip(
            flags['datasets']['train'].items(), ('syn', 'bin', 'real'),
            strict=True)}
    best = json.loads((workdir / 'best.json').read_text())
    assert best['step'] == 2 and best['mse'] > 0
    _, of_best = weights.load(workdir / 'best.npz')
    assert of_best['held_out']['mse'] == best['mse']
    card = (workdir / 'model_card.md').read_text()
    assert '2 steps' in card and f'mse {best["mse"]:.4f}' in card
    assert {path.stem for path in (workdir / 'checkpoints').glob('*.index')
            } == {'ckpt-2'}


def test_event_files_hold_losses_and_pictures(finished):
    tags, sizes = set(), {}
    for path in (pathlib.Path(finished[0].workdir) / 'events').iterdir():
        for record in tf.data.TFRecordDataset(str(path)):
            event = tf.compat.v1.Event.FromString(record.numpy())
            for value in event.summary.value:
                tags.add(value.tag)
                if value.metadata.plugin_data.plugin_name == 'images':
                    png = value.tensor.string_val[2]
                    sizes[value.tag] = tf.io.decode_png(png).shape
    assert {'L_B', 'L_C', 'L_S', 'L_adv', 'L_D', 'L_g', 'held_out/mse',
            'held_out/L_B', 'held_out/accuracy', 'steps_per_s',
            'images_per_s', 'data_wait_share', 'learning_rate'} <= tags
    # Cut to multiples of 16; photograph, map and label side by side.
    assert sizes['synthetic/0'] == (32, 3 * 48, 3)
    assert sizes['real/0'] == (32, 2 * 48, 3)


@pytest.fixture
def b_alone(of_all_four, tmp_path, monkeypatch):
    """Function of changes to the Config of a run of B alone."""
    monkeypatch.setattr(loop.published, 'FINAL_BATCHES', 2)
    return lambda **changes: of_all_four(tmp_path, **{
        'lambda_adv': 0.0, 'lambda_S': 0.0, 'lambda_C': 0.0,
        'lambda_aux': 0.0, 'validate_every': 100, **changes})


@pytest.fixture
def fake_steps(monkeypatch):
    """Function of L_g: steps only count, and note here when they are made."""
    made = []

    def fake(loss):
        def make(trainer, *args):
            def step(batch):
                trainer.step.assign_add(1)
                made.append((trainer.steps_done, batch))
                return {'L_g': tf.constant(loss)}
            return step
        monkeypatch.setattr(steps, 'make_train_step', make)
        return made
    return fake


@pytest.mark.long
def test_a_run_goes_on_from_its_checkpoint_in_the_same_process(
        b_alone, fake_steps, tmp_path):
    made = fake_steps(1.0)
    assert train.run(b_alone(steps=3)) == 0
    whole = [batch['synthetic']['image'].numpy() for _, batch in made]
    shutil.rmtree(tmp_path / 'checkpoints')
    (tmp_path / 'flags.json').unlink()
    made.clear()
    assert train.run(b_alone(steps=2)) == 0
    assert train.run(b_alone(steps=3)) == 0
    assert [step for step, _ in made] == [1, 2, 3]
    np.testing.assert_array_equal(
        whole, [batch['synthetic']['image'].numpy() for _, batch in made])


@pytest.mark.long
@pytest.mark.parametrize('hold_out, best', [(0.0, False), (0.5, True)])
def test_the_end_tells_what_there_is(b_alone, fake_steps, capsys, hold_out,
                                     best):
    fake_steps(1.0)
    assert train.run(b_alone(steps=1, hold_out=hold_out)) == 0
    told = capsys.readouterr().out
    assert 'weights.npz' in told and ('/best.npz' in told) == best
    assert ('There is no best.npz: mse was measured' in told) != best


@pytest.mark.long
def test_the_policy_of_precision_ends_with_the_run(b_alone, fake_steps):
    made = fake_steps(1.0)
    assert train.run(b_alone(steps=1, precision='mixed_bfloat16')) == 0
    assert len(made) == 1
    assert keras.mixed_precision.global_policy().name == 'float32'


@pytest.mark.long
def test_losses_are_checked_before_anything_is_kept(b_alone, fake_steps,
                                                    tmp_path):
    """NaN between two looks neither validates nor becomes the best."""
    fake_steps(float('nan'))
    config = b_alone(validate_every=1, log_every=100, checkpoint_every=100)
    with pytest.raises(FloatingPointError, match='step 1: L_g'):
        train.run(config)
    assert not (tmp_path / 'best.npz').exists()


def test_equal_bits_are_not_promised_where_threads_run_already(b_alone,
                                                               tmp_path):
    tf.zeros(1)  # TensorFlow has started.
    with pytest.raises(ValueError, match='started with several threads'):
        train.run(b_alone(deterministic=True))
    assert not any(tmp_path.glob('**/flags.json'))


def test_hours_are_those_of_all_sessions():
    states = types.SimpleNamespace(restore=lambda: True, restored='ckpt-2',
                                   seconds=7200.0)
    now = types.SimpleNamespace(checkpoints=states)
    loop.Run.restore(now)
    assert loop.Run.seconds(now) == pytest.approx(7200.0, abs=1.0)


class Batches:
    """Stands for an iterator."""


@pytest.mark.long
def test_an_error_takes_its_batches_with_it(b_alone, monkeypatch):
    """Nothing that an error refers to keeps iterators of tf.data alive."""
    seen = []

    def fail(now):
        batches = Batches()
        seen.append(weakref.ref(batches))
        assert 'batches' in locals()  # TensorFlow too makes this copy.
        try:
            raise KeyError('within')
        except KeyError as error:
            raise OSError('no more') from error
    monkeypatch.setattr(loop, 'train_loop', fail)
    with pytest.raises(OSError, match='no more') as kept:
        train.run(b_alone())
    assert seen[0]() is None
    assert isinstance(kept.value.__cause__, KeyError)
