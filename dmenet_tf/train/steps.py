"""One compiled training step: D first, then B and S against the updated D.

B runs once per dataset and step, and its features F are where the two games
meet:

    synthetic -> B -> F_S, map -> L_B, L_C          one tape over B's passes
    binary    -> B -> F_B, map -> S -> L_S
    real      -> B -> F_R, both maps -> L_T      where there is a teacher
    F_S, F_B, F_R detached -> D -> L_d -> D moves
    F_B, F_R -> the new D -> L_adv -> dL_adv/dF     a small tape over D
    backward through B from L_g's other terms and from dL_adv/dF, together
    -> B and S move

B is run on one dataset at a time, as the authors do, so batch normalisation
sees the statistics of one domain at a time; one pass over all three at once
would normalise them by their mixture. Its moving averages take one step per
dataset; normalisation.py puts better statistics in their place. D and S are
in training mode too; their moving averages move in every pass, D's also in
the pass of L_adv, which moves none of its weights.

A network whose weight is 0 is not in the graph at all, and neither is a
dataset that no loss looks at. Under tf.distribute each replica has its own
batch, batch statistics and losses; gradients and logged losses are means over
the replicas.
"""

import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from dmenet_tf.networks import Networks
from dmenet_tf.train import losses


class Weights(NamedTuple):
    """The lambdas of Eqs. 3 to 5; preset and map error, see config."""
    lambda_adv: float = 1e-3
    lambda_D: float = 1.0
    lambda_C: float = 1e-4
    lambda_S: float = 2e-2
    lambda_aux: float = 1.0
    preset: str = 'paper'
    map_error: str = 'mse'


class GatedRate(keras.optimizers.schedules.LearningRateSchedule):
    """A schedule of the training's step that LossScale's gate can shut.

    Args:
        schedule: step -> learning rate.
        step: Variable; optimizers have counters of their own, which are not
            looked at.
        gate: Variable, 1 or 0.
    """

    def __init__(self, schedule: Callable[[Any], Any], step: tf.Variable,
                 gate: tf.Variable):
        self.schedule, self.step, self.gate = schedule, step, gate

    def __call__(self, _: Any) -> tf.Tensor:
        return tf.cast(self.schedule(self.step), tf.float32) * self.gate

    def get_config(self) -> dict[str, Any]:
        return {'schedule': self.schedule}


def _scalar(value, dtype):
    return tf.Variable(value, dtype=dtype, trainable=False,
                       aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA)


class LossScale(tf.Module):
    """Dynamic loss scaling for float16; a factor of 1 otherwise.

    Keras 2 and 3 both have one, with different interfaces and different
    behaviour under tf.distribute, and neither spans two optimizers that share
    a step. Here one factor serves both: it halves when a gradient overflows
    and doubles after `patience` steps without. An overflow moves no weight of
    its optimizer: gradients and learning rate are 0 in that step (there is no
    branch, so it works under every strategy and XLA), and Adam's moments fade
    by one step.
    """

    def __init__(self, enabled: bool, initial: float = 2.0**15,
                 patience: int = 2000):
        super().__init__(name='loss_scale')
        self.enabled, self.patience = enabled, patience
        self.factor = _scalar(initial if enabled else 1.0, tf.float32)
        self.good_steps = _scalar(0, tf.int32)
        self.gate = _scalar(1.0, tf.float32)

    def unscale(self, gradients: list[tf.Tensor]
                ) -> tuple[list[tf.Tensor], tf.Tensor | bool]:
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

    def update(self, finite: tf.Tensor | bool) -> None:
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
        networks: Networks; D and S may be None if not used.
        content: C, or None.
        teacher: See initialise.build_teacher; or None.
        step: Steps done, int64 variable.
        optimizers: {'g': of B and S, 'd': of D}.
    """

    def __init__(self, networks: Networks, content: keras.Model | None,
                 schedule: Callable[[Any], Any], float16: bool = False,
                 teacher: Callable[[tf.Tensor], tf.Tensor] | None = None):
        """Builds the optimizers (Adam, beta1 0.9).

        Args:
            networks, content, teacher: As the attributes.
            schedule: step -> learning rate.
            float16: Scale the loss, see LossScale.
        """
        super().__init__(name='trainer')
        self.networks, self.content = networks, content
        self.teacher = teacher
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
    def steps_done(self) -> int:
        """`step` as an int, under any strategy."""
        return int(tf.convert_to_tensor(self.step))

    def generator_variables(self) -> list[Any]:
        """theta_B (with its side heads) and theta_S."""
        variables = list(self.networks.B.trainable_variables)
        if self.networks.S is not None:
            variables += self.networks.S.trainable_variables
        return variables

    def apply(self, which: str, gradients: list[tf.Tensor | None],
              variables: list[Any]) -> tuple[tf.Tensor, tf.Tensor | bool]:
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


def _photographs(names):
    """The datasets of photographs among them, D_B first."""
    return [name for name in ('binary', 'real') if name in names]


def _datasets_used(trainer, batch, weights):
    """Those that some loss looks at; the synthetic one always."""
    if weights.lambda_adv or trainer.teacher:
        return ['synthetic', *_photographs(batch)]
    return ['synthetic', 'binary'] if weights.lambda_S else ['synthetic']


def _supervised(trainer, batch, outputs, weights):
    """L_B, L_aux, L_C, L_S and L_T, whose gradients need no D."""
    terms = {}
    y, valid = (batch['synthetic'].get(key) for key in ('defocus', 'valid'))
    terms['L_B'], terms['L_aux'] = losses.blur_loss(
        outputs['synthetic'], y, weights.lambda_aux, weights.preset,
        weights.map_error, valid)
    if weights.lambda_C:
        if valid is not None:  # C sees no difference where y is not known.
            y = tf.where(valid > 0, y, outputs['synthetic']['defocus'])
        phi_y = tf.stop_gradient(trainer.content(y, training=False))
        phi = trainer.content(outputs['synthetic']['defocus'], training=False)
        terms['L_C'] = losses.content_loss(phi, phi_y)
    if weights.lambda_S:
        logits = trainer.networks.S(outputs['binary']['defocus'],
                                    training=True)
        terms['L_S'] = losses.sharpness_loss(
            logits, batch['binary']['blurred'], weights.preset)
    if trainer.teacher:
        terms['L_T'] = losses.teacher_loss([
            (outputs[name]['defocus'], trainer.teacher(batch[name]['image']))
            for name in _photographs(outputs)])
    return terms


def update_discriminator(
        trainer: Trainer, features: Mapping[str, tf.Tensor], weights: Weights
        ) -> tuple[dict[str, tf.Tensor], tf.Tensor | bool]:
    """Moves D on detached features [Lee 2019, Eqs. 4 and 7].

    Args:
        trainer: Trainer.
        features: B's, [b, h, w, c] of each dataset by its name.
        weights: Weights.

    Returns:
        (L_D, L_d and the norm of D's gradients, whether these were finite).
    """
    d = trainer.networks.D
    with tf.GradientTape() as tape:
        per_dataset = {name: losses.discriminator_loss(
            d(tf.stop_gradient(f), training=True),
            1.0 if name == 'synthetic' else 0.0)
            for name, f in features.items()}
        real = [loss for name, loss in per_dataset.items()
                if name != 'synthetic']
        total = losses.total_discriminator_loss(
            per_dataset['synthetic'], real, weights.lambda_D, weights.preset)
        scaled = total * trainer.loss_scale.factor
    gradients = tape.gradient(scaled, d.trainable_variables)
    norm, finite = trainer.apply('d', gradients, d.trainable_variables)
    mean = (per_dataset['synthetic'] + tf.add_n(real) / len(real)) / 2.0
    return {'L_D': mean, 'L_d': total, 'gradient_d': norm}, finite


def adversarial_gradients(
        trainer: Trainer, features: Mapping[str, tf.Tensor], weights: Weights
        ) -> tuple[tf.Tensor, list[tf.Tensor]]:
    """L_adv of the photographs against the updated D, and its dL/dF.

    Args:
        trainer, features, weights: See update_discriminator.

    Returns:
        (L_adv, lambda_adv times its gradient, times the loss scale, for each
        dataset but the synthetic one, in their order).
    """
    names = [name for name in features if name != 'synthetic']
    real = [features[name] for name in names]
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(real)
        loss = losses.total_adversarial_loss(
            [losses.adversarial_loss(trainer.networks.D(f, training=True))
             for f in real], weights.preset)
        scaled = loss * weights.lambda_adv * trainer.loss_scale.factor
    return loss, tape.gradient(scaled, real)


def replica_step(trainer: Trainer, batch: Mapping[str, Any],
                 weights: Weights) -> dict[str, tf.Tensor]:
    """The step of one replica; see the top of this file.

    Args:
        trainer: Trainer.
        batch, weights: See make_train_step.

    Returns:
        Its terms, see make_train_step.
    """
    theta = trainer.generator_variables()
    with tf.GradientTape() as tape:
        outputs = {name: trainer.networks.B(batch[name]['image'],
                                            training=True)
                   for name in _datasets_used(trainer, batch, weights)}
        terms = _supervised(trainer, batch, outputs, weights)
        supervised = losses.generator_loss(
            terms['L_B'], terms.get('L_C', 0.0), terms.get('L_S', 0.0), 0.0,
            weights) + terms.get('L_T', 0.0)
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


def make_train_step(
        trainer: Trainer, weights: Weights,
        strategy: tf.distribute.Strategy | None = None,
        jit_compile: bool = False
        ) -> Callable[[Mapping[str, Any]], dict[str, tf.Tensor]]:
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
        [0, 1], 'defocus': [b, h, w, 1] in [0, 1]}, and, if some labels have
        holes, 'valid': 1, or 0 where left out, 'binary': {'image', 'blurred':
        1 or 0}, 'real': {'image'}}, to a dict of float32 scalars: L_B, L_aux,
        L_C, L_S, L_T, L_adv, L_D, L_g, L_d, and gradient_g and gradient_d,
        the norms of a replica's share of the gradients.
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
