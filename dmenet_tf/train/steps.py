"""One compiled training step: D first, then B and S against the updated D.

B runs once per set and step, and its features F are where the two games meet:

    synthetic -> B -> F_S, map -> L_B, L_C          one tape over B's passes
    binary    -> B -> F_B, map -> S -> L_S
    real      -> B -> F_R
    F_S, F_B, F_R detached -> D -> L_d -> D moves
    F_B, F_R -> the new D -> L_adv -> dL_adv/dF     a small tape over D
    backward through B from L_g's other terms and from dL_adv/dF, together
    -> B and S move

B is run on one set at a time, as the authors do, so batch normalisation sees
the statistics of one domain at a time; one pass over all three sets at once
would normalise them by their mixture. Its moving averages take one step per
set, or follow the synthetic one alone (Trainer.averages). D and S are in
training mode too; their moving averages move in every pass, D's also in the
pass of L_adv, which moves none of its weights.

A network whose weight is 0 is not in the graph at all, and neither is a set
that no loss looks at. Under tf.distribute each replica has its own batch,
batch statistics and losses; gradients and logged losses are means over the
replicas.
"""

import functools
from typing import NamedTuple

import keras
import tensorflow as tf

from dmenet_tf.train import losses


class Weights(NamedTuple):
    """The lambdas of Eqs. 3 to 5; preset and error of losses.py."""
    lambda_adv: float = 1e-3
    lambda_D: float = 1.0
    lambda_C: float = 1e-4
    lambda_S: float = 2e-2
    lambda_aux: float = 1.0
    preset: str = 'paper'
    map_error: str = 'mse'

    def warm_up(self):
        """L_B alone: the weights of a step that only B and its sides learn."""
        return self._replace(lambda_adv=0.0, lambda_C=0.0, lambda_S=0.0)


class GatedRate(keras.optimizers.schedules.LearningRateSchedule):
    """A schedule of the training's own step that a gate can shut.

    Optimizers count their own updates; with a warm-up, D's would lag behind.
    """

    def __init__(self, schedule, step, gate):
        self.schedule, self.step, self.gate = schedule, step, gate

    def __call__(self, _):
        return tf.cast(self.schedule(self.step), tf.float32) * self.gate

    def get_config(self):
        return {'schedule': self.schedule}


def _scalar(value, dtype):
    return tf.Variable(value, dtype=dtype, trainable=False,
                       aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA)


class LossScale(tf.Module):
    """Dynamic loss scaling for float16; a factor of 1 otherwise.

    Keras 2 and 3 both have one, with different interfaces and different
    behaviour under tf.distribute, and neither spans two optimizers that share
    a step. Here one factor serves both: it halves when a gradient overflows
    and doubles after `patience` steps without. An overflow moves no weight:
    gradients and learning rate are 0 in that step (there is no branch, so it
    works under every strategy and XLA), and Adam's moments fade by one step.
    """

    def __init__(self, enabled, initial=2.0**15, patience=2000):
        super().__init__(name='loss_scale')
        self.enabled, self.patience = enabled, patience
        self.factor = _scalar(initial if enabled else 1.0, tf.float32)
        self.good_steps = _scalar(0, tf.int32)
        self.gate = _scalar(1.0, tf.float32)

    def unscale(self, gradients):
        """Divides by the factor, shuts the gate and zeroes on an overflow.

        Returns:
            (gradients, whether they were finite on every replica).
        """
        if not self.enabled:
            return gradients, True
        gradients = [g / self.factor for g in gradients]
        finite = tf.reduce_all([tf.reduce_all(tf.math.is_finite(g))
                                for g in gradients])
        finite = _over_replicas(tf.cast(finite, tf.float32)) >= 1.0
        self.gate.assign(tf.cast(finite, tf.float32))
        return [tf.where(finite, g, tf.zeros_like(g))
                for g in gradients], finite

    def update(self, finite):
        """Adapts the factor at the end of a step.

        Args:
            finite: Whether every gradient of the step was.
        """
        if not self.enabled:
            return
        good = tf.where(finite, self.good_steps + 1, 0)
        grow = good >= self.patience
        factor = tf.where(finite, self.factor, self.factor / 2.0)
        self.factor.assign(tf.clip_by_value(
            tf.where(grow, factor * 2.0, factor), 1.0, 2.0**24))
        self.good_steps.assign(tf.where(grow, 0, good))


def _over_replicas(value):
    """The mean over the replicas, in a replica's own code."""
    replica = tf.distribute.get_replica_context()
    if replica.num_replicas_in_sync == 1:
        return value
    return replica.all_reduce(tf.distribute.ReduceOp.MEAN, value)


class Trainer(tf.Module):
    """What moves in training besides the networks, and what a step needs.

    Attributes:
        networks: networks.Networks; D and S may be None if not used.
        content: C, or None.
        step: Steps done, int64 variable.
        averages: Whose statistics move B's moving averages: 'all' sets', or
            the 'synthetic' one's alone.
        optimizers: {'g': of B and S, 'd': of D}.
    """

    def __init__(self, networks, content, schedule, float16=False,
                 averages='all'):
        """Builds the optimizers (Adam, beta1 0.9).

        Args:
            networks, content, averages: As the attributes.
            schedule: step -> learning rate.
            float16: Scale the loss, see LossScale.
        """
        super().__init__(name='trainer')
        self.networks, self.content = networks, content
        self.averages = averages
        self.step = _scalar(0, tf.int64)
        self.loss_scale = LossScale(float16)
        rate = GatedRate(schedule, self.step, self.loss_scale.gate)
        self.rate = rate
        self.optimizers = {'g': keras.optimizers.Adam(rate, beta_1=0.9)}
        self.optimizers['g'].build(self.generator_variables())
        if networks.D is not None:
            self.optimizers['d'] = keras.optimizers.Adam(rate, beta_1=0.9)
            self.optimizers['d'].build(networks.D.trainable_variables)

    @property
    def steps_done(self):
        """`step` as an int, under any strategy."""
        return int(tf.convert_to_tensor(self.step))

    def generator_variables(self):
        """theta_B (with its side heads) and theta_S."""
        variables = list(self.networks.B.trainable_variables)
        if self.networks.S is not None:
            variables += self.networks.S.trainable_variables
        return variables

    def apply(self, which, gradients, variables):
        """Moves `variables`; the optimizers sum over replicas, hence the /n.

        Returns:
            (norm of the gradients, whether they were finite).
        """
        n = tf.distribute.get_strategy().num_replicas_in_sync
        gradients = [tf.zeros_like(v) if g is None else g / n
                     for g, v in zip(gradients, variables, strict=True)]
        gradients, finite = self.loss_scale.unscale(gradients)
        self.optimizers[which].apply_gradients(
            zip(gradients, variables, strict=True))
        return tf.linalg.global_norm(gradients), finite


def _sets_used(batch, weights):
    """The sets that some loss looks at; the synthetic one always."""
    real = [name for name in ('binary', 'real') if name in batch]
    if weights.lambda_adv:
        return ['synthetic', *real]
    return ['synthetic', 'binary'] if weights.lambda_S else ['synthetic']


def _run_b(trainer, batch, name):
    """B on one set, in training mode."""
    b, image = trainer.networks.B, batch[name]['image']
    if name == 'synthetic' or trainer.averages == 'all':
        return b(image, training=True)
    kept = [(v, tf.convert_to_tensor(v)) for v in b.non_trainable_variables]
    outputs = b(image, training=True)
    for variable, value in kept:
        variable.assign(value)
    return outputs


def _supervised(trainer, batch, outputs, weights):
    """L_B, L_aux, L_C and L_S, whose gradients need no D."""
    terms = {}
    y = batch['synthetic']['defocus']
    terms['L_B'], terms['L_aux'] = losses.blur_loss(
        outputs['synthetic'], y, weights.lambda_aux, weights.preset,
        weights.map_error)
    if weights.lambda_C:
        phi_y = tf.stop_gradient(trainer.content(y, training=False))
        phi = trainer.content(outputs['synthetic']['defocus'], training=False)
        terms['L_C'] = losses.content_loss(phi, phi_y)
    if weights.lambda_S:
        logits = trainer.networks.S(outputs['binary']['defocus'],
                                    training=True)
        terms['L_S'] = losses.sharpness_loss(
            logits, batch['binary']['blurred'], weights.preset)
    return terms


def update_discriminator(trainer, features, weights):
    """Moves D on detached features; -> (its terms, finite) (Eqs. 4 and 7)."""
    d = trainer.networks.D
    with tf.GradientTape() as tape:
        per_set = {name: losses.discriminator_loss(
            d(tf.stop_gradient(f), training=True),
            1.0 if name == 'synthetic' else 0.0)
            for name, f in features.items()}
        real = [loss for name, loss in per_set.items() if name != 'synthetic']
        total = losses.total_discriminator_loss(
            per_set['synthetic'], real, weights.lambda_D, weights.preset)
        scaled = total * trainer.loss_scale.factor
    gradients = tape.gradient(scaled, d.trainable_variables)
    norm, finite = trainer.apply('d', gradients, d.trainable_variables)
    mean = (per_set['synthetic'] + tf.add_n(real) / len(real)) / 2.0
    return {'L_D': mean, 'L_d': total, 'gradient_d': norm}, finite


def adversarial_gradients(trainer, features, weights):
    """L_adv over the real sets against the updated D, and its dL/dF."""
    names = [name for name in features if name != 'synthetic']
    real = [features[name] for name in names]
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(real)
        loss = losses.total_adversarial_loss(
            [losses.adversarial_loss(trainer.networks.D(f, training=True))
             for f in real], weights.preset)
        scaled = loss * weights.lambda_adv * trainer.loss_scale.factor
    return loss, tape.gradient(scaled, real)


def replica_step(trainer, batch, weights):
    """The step of one replica; see the top of this file. -> dict of terms."""
    theta = trainer.generator_variables()
    with tf.GradientTape() as tape:
        outputs = {name: _run_b(trainer, batch, name)
                   for name in _sets_used(batch, weights)}
        terms = _supervised(trainer, batch, outputs, weights)
        supervised = losses.generator_loss(
            terms['L_B'], terms.get('L_C', 0.0), terms.get('L_S', 0.0), 0.0,
            weights)
        targets = [supervised * trainer.loss_scale.factor]
    seeds, finite = [tf.ones_like(targets[0])], True
    if weights.lambda_adv:
        features = {name: out['features'] for name, out in outputs.items()}
        d_terms, finite = update_discriminator(trainer, features, weights)
        terms |= d_terms
        terms['L_adv'], d_features = adversarial_gradients(
            trainer, features, weights)
        targets += [features[name] for name in features if name != 'synthetic']
        seeds += d_features
    terms['L_g'] = supervised + weights.lambda_adv * terms.get('L_adv', 0.0)
    gradients = tape.gradient(targets, theta, output_gradients=seeds)
    terms['gradient_g'], g_finite = trainer.apply('g', gradients, theta)
    trainer.loss_scale.update(tf.logical_and(finite, g_finite))
    trainer.step.assign_add(1)
    return {name: _over_replicas(tf.cast(value, tf.float32))
            for name, value in terms.items()}


def make_train_step(trainer, weights, strategy=None, jit_compile=False):
    """Returns the compiled step.

    Args:
        trainer: Trainer.
        weights: Weights. Terms of weight 0 stay out of the graph; without
            lambda_adv D does not move, without lambda_S S does not.
        strategy: tf.distribute.Strategy that trainer was built under, or
            None.
        jit_compile: Compile with XLA.

    Returns:
        Function of a batch, {'synthetic': {'image': [b, h, w, 3] RGB in
        [0, 1], 'defocus': [b, h, w, 1] in [0, 1]}, 'binary': {'image',
        'blurred': 1 or 0}, 'real': {'image'}}, to a dict of float32 scalars:
        L_B, L_aux, L_C, L_S, L_adv, L_D, L_g, L_d, and gradient_g and
        gradient_d, the norms of a replica's share of the gradients.
    """
    strategy = strategy or tf.distribute.get_strategy()
    one_replica = functools.partial(replica_step, trainer, weights=weights)
    if jit_compile:
        one_replica = tf.function(one_replica, jit_compile=True)

    # Without AutoGraph: no branch here depends on a tensor, and it doubles
    # the time of tracing.
    @functools.partial(tf.function, autograph=False)
    def train_step(batch):
        terms = strategy.run(one_replica, args=(batch,))
        # Every replica holds the mean already; local values are the same.
        return {name: strategy.experimental_local_results(value)[0]
                for name, value in terms.items()}
    return train_step
