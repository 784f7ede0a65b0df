"""The joint step: what it computes, what it moves, in which precision.

Most steps run eagerly, because tracing one takes seconds; one traced step is
shared.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf

from dmenet_tf import networks
from dmenet_tf.train import losses, steps

pytestmark = pytest.mark.long

ONLY = dict.fromkeys(('lambda_adv', 'lambda_C', 'lambda_S', 'lambda_aux'), 0.0)
RATE = 1e-3


def make_trainer(seed=1, float16=False):
    keras.utils.set_random_seed(seed)
    nets = networks.Networks(networks.build_blur_estimator(4, 0),
                             networks.build_discriminator(4, 4),
                             networks.build_sharpness(4))
    return steps.Trainer(nets, networks.build_content(4), lambda _: RATE,
                         float16)


def make_batch(b=2, size=32, seed=0):
    random = np.random.default_rng(seed)

    def draw(channels):
        return tf.constant(random.random((b, size, size, channels)),
                           tf.float32)
    return {'synthetic': {'image': draw(3), 'defocus': draw(1)},
            'binary': {'image': draw(3), 'blurred': tf.round(draw(1))},
            'real': {'image': draw(3)}}


def snapshot(trainer):
    """Trainable weights by network, and all of C's."""
    values = {letter: [np.array(v) for v in model.trainable_variables]
              for letter, model in trainer.networks._asdict().items()}
    return values | {'C': trainer.content.get_weights()}


def moved(before, after):
    return {letter for letter in before
            if any(not np.array_equal(a, b)
                   for a, b in zip(before[letter], after[letter],
                                   strict=True))}


def largest_difference(a, b):
    return max(float(np.max(np.abs(x - y))) if x.size else 0.0
               for letter in a
               for x, y in zip(a[letter], b[letter], strict=True))


@pytest.fixture(scope='module')
def traced():
    """(trainer, compiled step, terms and weights after it, initial weights).
    """
    trainer = make_trainer()
    before = snapshot(trainer)
    train_step = steps.make_train_step(trainer, steps.Weights())
    terms = train_step(make_batch())
    return trainer, train_step, terms, snapshot(trainer), before


def plain_step(trainer, batch, w):
    """The same step in the open: a forward pass and a tape per loss."""
    b, d, s = trainer.networks
    images = {name: part['image'] for name, part in batch.items()}
    y = batch['synthetic']['defocus']

    def features(name):
        return b(images[name], training=True)['features']
    with tf.GradientTape() as tape:
        loss_d = (losses.discriminator_loss(
            d(features('synthetic'), training=True), 1.0)
            + losses.discriminator_loss(
                d(features('binary'), training=True), 0.0) / 2
            + losses.discriminator_loss(
                d(features('real'), training=True), 0.0) / 2)
    gradients = tape.gradient(loss_d, d.trainable_variables)
    trainer.optimizers['d'].apply_gradients(
        zip(gradients, d.trainable_variables, strict=True))

    def l_b():
        return losses.blur_loss(b(images['synthetic'], training=True), y)[0]

    def l_c():
        phi = trainer.content(b(images['synthetic'], training=True)['defocus'])
        return w.lambda_C * losses.content_loss(phi, trainer.content(y))

    def l_s():
        logits = s(b(images['binary'], training=True)['defocus'],
                   training=True)
        return w.lambda_S * losses.sharpness_loss(
            logits, batch['binary']['blurred'])

    def l_adv(name):
        return w.lambda_adv * losses.adversarial_loss(
            d(features(name), training=True))
    theta = trainer.generator_variables()
    total = [0.0] * len(theta)
    for loss in (l_b, l_c, l_s, lambda: l_adv('binary'),
                 lambda: l_adv('real')):
        with tf.GradientTape() as tape:
            value = loss()
        gradients = tape.gradient(value, theta)
        total = [t if g is None else t + g
                 for t, g in zip(total, gradients, strict=True)]
    trainer.optimizers['g'].apply_gradients(zip(total, theta, strict=True))


def test_joint_step_equals_separate_passes_and_tapes(monkeypatch):
    """The gradients that the optimizers get are equal to rounding.

    BN's moving averages differ: every pass of B moves them, and there are
    eight passes in the open, three in the joint step.
    """
    def gradients_of(step):
        trainer, taken = make_trainer(), {}
        for which, optimizer in trainer.optimizers.items():
            monkeypatch.setattr(
                optimizer, 'apply_gradients',
                lambda pairs, which=which: taken.setdefault(
                    which, [np.array(g) for g, _ in pairs]))
        step(trainer)
        return taken
    joint = gradients_of(
        lambda t: steps.replica_step(t, make_batch(), steps.Weights()))
    plain = gradients_of(
        lambda t: plain_step(t, make_batch(), steps.Weights()))
    for which in ('d', 'g'):
        # Biases before BN have no gradient but rounding, hence one atol.
        scale = max(np.abs(b).max() for b in plain[which])
        for a, b in zip(joint[which], plain[which], strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-6 * scale)


def test_step_is_traced_once(traced):
    trainer, train_step, *_ = traced
    for seed in (1, 2):
        train_step(make_batch(seed=seed))
    assert train_step.experimental_get_tracing_count() == 1
    assert int(trainer.step) == 3


def test_all_terms_add_up(traced):
    _, _, terms, *_ = traced
    w = steps.Weights()
    expected = (terms['L_B'] + w.lambda_C * terms['L_C']
                + w.lambda_S * terms['L_S'] + w.lambda_adv * terms['L_adv'])
    np.testing.assert_allclose(terms['L_g'], expected, rtol=1e-5)
    np.testing.assert_allclose(terms['L_d'], 2 * terms['L_D'], rtol=1e-5)
    assert all(value.dtype == tf.float32 for value in terms.values())


def test_c_never_moves_and_the_others_do(traced):
    _, _, _, after, before = traced
    assert moved(before, after) == {'B', 'D', 'S'}


def heads(trainer):
    return [np.array(v) for layer in trainer.networks.B.layers
            if '_aux' in layer.name for v in layer.trainable_variables]


@pytest.mark.parametrize('changes, expected', [
    ({'lambda_aux': 1.0}, {'B'}),
    ({'lambda_C': 1e-4}, {'B'}),
    ({'lambda_S': 1.0}, {'B', 'S'}),
    ({'lambda_adv': 1e-3}, {'B', 'D'}),
])
def test_what_each_term_moves(changes, expected):
    trainer = make_trainer()
    before, heads_before = snapshot(trainer), heads(trainer)
    steps.replica_step(trainer, make_batch(),
                       steps.Weights(**ONLY)._replace(**changes))
    assert moved(before, snapshot(trainer)) == expected
    heads_moved = any(not np.array_equal(a, b) for a, b in
                      zip(heads_before, heads(trainer), strict=True))
    assert heads_moved == ('lambda_aux' in changes)


def test_a_teacher_adds_its_gradient_to_the_others(monkeypatch):
    weights = steps.Weights(**ONLY)
    batch = make_batch()
    teacher = {'binary': 0.25, 'real': 0.75}

    def teach(image):
        name = next(n for n in teacher if image is batch[n]['image'])
        return tf.fill(image.shape[:3] + [1], teacher[name])
    trainer, taken = make_trainer(), []
    trainer.teacher = teach
    monkeypatch.setattr(trainer.optimizers['g'], 'apply_gradients',
                        lambda pairs: taken.extend(g for g, _ in pairs))
    terms = steps.replica_step(trainer, batch, weights)
    b, theta = make_trainer().networks.B, trainer.generator_variables()
    with tf.GradientTape() as tape:
        maps = {name: b(part['image'], training=True)['defocus']
                for name, part in batch.items()}
        l_b = tf.reduce_mean((maps['synthetic']
                              - batch['synthetic']['defocus'])**2)
        l_t = sum(tf.reduce_mean(tf.abs(maps[name] - value))
                  for name, value in teacher.items()) / 2
        total = l_b + l_t
    expected = tape.gradient(total, b.trainable_variables)
    np.testing.assert_allclose(terms['L_T'], l_t, rtol=1e-5)
    np.testing.assert_allclose(terms['L_g'], total, rtol=1e-5)
    assert terms.keys() == {'L_B', 'L_aux', 'L_T', 'L_g', 'gradient_g'}
    of_b = [g for g in expected if g is not None]
    scale = max(np.abs(g).max() for g in of_b)
    for found, g in zip(taken, expected, strict=False):
        np.testing.assert_allclose(found, 0.0 if g is None else g, rtol=1e-3,
                                   atol=1e-6 * scale)
    assert len(taken) == len(theta)


def test_labels_do_not_count_where_they_are_left_out():
    """Neither for L_B, L_aux nor for C, whose kernels reach across."""
    valid = np.ones((2, 32, 32, 1), np.float32)
    valid[:, 8:24, 8:24] = 0.0
    results = []
    for hole in (0.0, 1.0, None):
        trainer, batch = make_trainer(), make_batch()
        if hole is not None:
            y = batch['synthetic']['defocus']
            batch['synthetic'] |= {'valid': tf.constant(valid),
                                   'defocus': tf.where(valid > 0, y, hole)}
        terms = steps.replica_step(trainer, batch, steps.Weights(
            **ONLY)._replace(lambda_aux=1.0, lambda_C=1.0))
        results.append((terms, snapshot(trainer)))
    (zero, after), (one, same), (everywhere, other) = results
    for name in ('L_B', 'L_aux', 'L_C'):
        assert float(zero[name]) == float(one[name]) > 0
        assert float(zero[name]) != float(everywhere[name])
    assert largest_difference(after, same) == 0.0
    assert largest_difference(after, other) > 0.0


def test_a_batch_without_any_label_moves_nothing_by_it():
    trainer, batch = make_trainer(), make_batch()
    batch['synthetic']['valid'] = tf.zeros([2, 32, 32, 1])
    terms = steps.replica_step(trainer, batch, steps.Weights(
        **ONLY)._replace(lambda_aux=1.0, lambda_C=1.0))
    assert [float(terms[name]) for name in (
        'L_B', 'L_aux', 'L_C', 'gradient_g')] == [0.0] * 4


def test_l_d_moves_d_alone_and_l_adv_b_alone():
    """Each of the two games on its own, by their gradients' sources."""
    trainer, weights = make_trainer(), steps.Weights()
    batch = make_batch()
    before = snapshot(trainer)
    features = {name: trainer.networks.B(part['image'])['features']
                for name, part in batch.items()}
    steps.update_discriminator(trainer, features, weights)
    assert moved(before, snapshot(trainer)) == {'D'}
    before = snapshot(trainer)
    steps.adversarial_gradients(trainer, features, weights)
    assert moved(before, snapshot(trainer)) == set()


def test_l_adv_is_measured_by_the_updated_discriminator(traced):
    trainer, weights = make_trainer(), steps.Weights()
    features = {name: trainer.networks.B(part['image'], training=True)[
        'features'] for name, part in make_batch().items()}
    steps.update_discriminator(trainer, features, weights)
    expected, _ = steps.adversarial_gradients(trainer, features, weights)
    terms = traced[2]
    np.testing.assert_allclose(terms['L_adv'], expected, rtol=1e-3)


@pytest.mark.slow
def test_without_adversary_unlabelled_photos_do_not_move_b():
    results = []
    for seed in (0, 1):
        trainer, batch = make_trainer(), make_batch()
        batch['real'] = make_batch(seed=seed)['real']
        steps.replica_step(trainer, batch, steps.Weights(lambda_adv=0.0))
        results.append(snapshot(trainer))
    assert largest_difference(*results) == 0.0


def test_loss_scale_halves_on_overflow_and_no_weight_moves():
    trainer = make_trainer(float16=True)
    batch = make_batch()
    batch['synthetic']['defocus'] *= float('inf')
    before, factor = snapshot(trainer), float(trainer.loss_scale.factor)
    steps.replica_step(trainer, batch, steps.Weights(**ONLY))
    assert moved(before, snapshot(trainer)) == set()
    assert float(trainer.loss_scale.factor) == factor / 2


def test_overflow_of_d_alone_is_noticed():
    """D's gradients alone are infinite: D stays, B and S move, the scale falls.
    """
    trainer = make_trainer(float16=True)
    before, factor = snapshot(trainer), float(trainer.loss_scale.factor)
    terms = steps.replica_step(trainer, make_batch(),
                               steps.Weights(lambda_D=1e37))
    assert np.isfinite(terms['L_d']) and np.isfinite(terms['gradient_g'])
    assert terms['gradient_d'] == 0  # As given to D: zeroes in their place.
    assert moved(before, snapshot(trainer)) == {'B', 'S'}
    assert float(trainer.loss_scale.factor) == factor / 2


def test_loss_scale_doubles_after_good_steps():
    scale = steps.LossScale(True, initial=8.0, patience=2)
    for expected in (8.0, 16.0, 16.0, 32.0):
        scale.update(tf.constant(True))
        assert float(scale.factor) == expected


@pytest.mark.slow
def test_scaled_loss_gives_the_same_gradients(traced):
    trainer = make_trainer(float16=True)
    scaled = steps.replica_step(trainer, make_batch(), steps.Weights())
    for name, value in traced[2].items():
        np.testing.assert_allclose(value, scaled[name], rtol=1e-3,
                                   err_msg=name)


@pytest.mark.parametrize('policy', [
    'mixed_float16', pytest.param('mixed_bfloat16', marks=pytest.mark.slow)])
def test_half_precision_keeps_losses_and_maps_in_float32(policy):
    keras.mixed_precision.set_global_policy(policy)
    try:
        trainer = make_trainer(float16=policy == 'mixed_float16')
    finally:
        keras.mixed_precision.set_global_policy('float32')
    batch = make_batch()
    for _ in range(2):
        terms = steps.replica_step(trainer, batch, steps.Weights())
        assert all(np.isfinite(v) for v in terms.values())
        assert all(v.dtype == tf.float32 for v in terms.values())
    outputs = trainer.networks.B(batch['real']['image'])
    assert outputs['defocus'].dtype == tf.float32
    assert outputs['features'].dtype == tf.as_dtype(policy[len('mixed_'):])


@pytest.mark.slow
@pytest.mark.parametrize('policy', ['mixed_float16', 'mixed_bfloat16'])
def test_half_precision_stays_finite_for_50_steps(policy):
    keras.mixed_precision.set_global_policy(policy)
    try:
        trainer = make_trainer(float16=policy == 'mixed_float16')
    finally:
        keras.mixed_precision.set_global_policy('float32')
    train_step = steps.make_train_step(trainer, steps.Weights())
    first = last = None
    for i in range(50):
        last = train_step(make_batch(seed=i % 4))
        first = first or last
        assert all(np.isfinite(v) for v in last.values())
    assert last['L_B'] < first['L_B']


@pytest.mark.slow
def test_xla_gives_the_same_step(traced):
    _, _, terms, *_ = traced
    trainer = make_trainer()
    compiled = steps.make_train_step(trainer, steps.Weights(),
                                     jit_compile=True)
    for name, value in compiled(make_batch()).items():
        np.testing.assert_allclose(value, terms[name], rtol=1e-2,
                                   err_msg=name)
