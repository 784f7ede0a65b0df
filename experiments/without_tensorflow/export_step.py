"""A training step without TensorFlow: written here, run elsewhere by JAX.

    python experiments/without_tensorflow/export_step.py \\
        --flagfile=experiments/base.flags --precision=mixed_bfloat16 \\
        --workdir=runs/base --program=program

compiles the step of `dmenet_tf.train` with these flags, optimizers, moving
average and all, and writes

    program/step.hlo.gz  XLA's program, before any optimisation for a machine
    program/state.npz    every variable it begins with; kernels in 16 bits
    program/meta.json    its inputs, and what train.py needs of the settings

train.py runs it, import_result.py brings the weights back. For a machine that
has a fast accelerator and JAX, but no TensorFlow.

A cosine schedule gets its length, `total`, as a variable, which train.py may
set to what fits into a given time.
"""

import dataclasses
import gzip
import json
import math
import pathlib
import re
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf
from absl import app, flags
from tensorflow.compiler.xla.service import hlo_pb2

from dmenet_tf import networks, variables
from dmenet_tf.train import __main__ as command_line
from dmenet_tf.train import batches, config, loop, steps

_PROGRAM = flags.DEFINE_string('program', None, 'Folder to write.',
                               required=True)


def cosine(rate: float, total: tf.Variable) -> Callable:
    """keras.optimizers.schedules.CosineDecay of a length that may change."""
    def schedule(step):
        done = tf.minimum(tf.cast(step, tf.float32) / total, 1.0)
        return rate * 0.5 * (1.0 + tf.cos(math.pi * done))
    return schedule


def step_of(run: loop.Run) -> tuple[Callable, dict]:
    """The whole step of a run, of bytes, and what it takes.

    Returns:
        (tf.function of {dataset: {'image': uint8 [b, crop, crop, 3], 'codes':
        uint16 [b, crop, crop, 1], of Store.readable; not of `real`}}, the
        TensorSpecs of its batch).
    """
    c = run.config
    specs = {name: {
        'image': tf.TensorSpec([c.batch, c.crop, c.crop, 3], tf.uint8),
        'codes': tf.TensorSpec([c.batch, c.crop, c.crop, 1], tf.uint16)}
        for name in run.stores}
    if 'real' in specs:
        del specs['real']['codes']

    def step(batch):
        batch = {name: {'image': tf.cast(of['image'], tf.float32) / 255.0}
                 | batches.labels(run.stores[name].dataset, of.get('codes'),
                                  c.convention or 'sigma7')
                 for name, of in batch.items()}
        terms = steps.replica_step(run.trainer, batch, run.weights)
        if run.average is not None:
            run.average.update(run.trainer.step)
        return terms
    return tf.function(step, jit_compile=True, autograph=False), specs


def named_variables(run: loop.Run, total: tf.Variable
                    ) -> list[tuple[str, tf.Variable]]:
    """Every variable that a step may read or write, with a name for it."""
    trainer = run.trainer
    models = {letter: model
              for letter, model in trainer.networks._asdict().items()
              if model is not None}
    if trainer.content is not None:
        models['C'] = trainer.content
    named = [(f'{letter}/{name}', variable)
             for letter, model in models.items()
             for name, variable in variables.of(model).items()]
    named += [(f'adam_{letter}/{i}', variable)
              for letter, optimizer in trainer.optimizers.items()
              for i, variable in enumerate(optimizer.variables)]
    if run.average is not None:
        names = {id(variable): name for name, variable in named}
        named += [(f'average/{names[id(own)][2:]}', value)
                  for own, value in zip(
                      trainer.networks.B.trainable_variables,
                      run.average.values, strict=True)]
    scale = trainer.loss_scale
    return [*named, ('step', trainer.step), ('total', total),
            *((f'loss_scale/{name}', getattr(scale, name))
              for name in ('factor', 'good_steps', 'gate'))]


def compiled(step: Callable, specs: dict) -> tuple[bytes, list[list[int]]]:
    """XLA's program of a step.

    Returns:
        (a serialised HloModuleProto, pairs of an output and the parameter
        whose new value it is).
    """
    intermediate = step.experimental_get_compiler_ir(tf.nest.map_structure(
        lambda spec: tf.zeros(spec.shape, spec.dtype), specs))
    header = intermediate(stage='hlo').partition('\n')[0]
    aliases = [[int(out), int(parameter)] for out, parameter in
               re.findall(r'\{(\d+)\}: \((\d+), \{\}', header)]
    module = hlo_pb2.HloModuleProto.FromString(
        intermediate(stage='hlo_serialized'))
    # Plugins of JAX take StableHLO alone, which has no copy.
    for computation in module.computations:
        for instruction in computation.instructions:
            if instruction.opcode == 'copy':
                instruction.opcode = 'convert'
    return module.SerializeToString(), aliases


def parameters(run: loop.Run, total: tf.Variable, captured: list
               ) -> list[tuple[str, np.ndarray]]:
    """Names and values of what a program takes besides its batch."""
    known = {id(variable.handle): (name, variable)
             for name, variable in named_variables(run, total)}
    # The optimizers keep the last rate, which nothing here reads.
    return [(known[id(handle)][0], known[id(handle)][1].numpy())
            if id(handle) in known
            else (f'other/{i}', np.zeros((), np.float32))
            for i, handle in enumerate(captured)]


def picture_name(path: pathlib.Path) -> str:
    """FOLDER/image/NAME.png, or FOLDER/NAME.png -> FOLDER/NAME."""
    folder = path.parent.parent if path.parent.name == 'image' else path.parent
    return f'{folder.name}/{path.stem}'


def main(_: list[str]) -> None:
    """Writes the program of the run that the flags describe."""
    c = config.resolve(command_line.config_from_flags())
    keras.utils.set_random_seed(c.seed)
    with networks.policy(c.precision):
        run = loop.Run(c)
        run.restore()
        total = tf.Variable(float(run.total))
        if c.schedule == 'cosine':
            run.trainer.rate.schedule = cosine(c.learning_rate, total)
        step, specs = step_of(run)
        concrete = step.get_concrete_function(specs)
        program, aliases = compiled(step, specs)
    taken = parameters(run, total, concrete.captured_inputs)
    folder = pathlib.Path(_PROGRAM.value)
    folder.mkdir(parents=True, exist_ok=True)
    with gzip.open(folder / 'step.hlo.gz', 'wb') as file:
        file.write(program)
    np.savez_compressed(folder / 'state.npz', **{
        name: value.astype(np.float16) if value.ndim == 4 else value
        for name, value in taken})
    keys = sorted((name, key) for name in specs for key in specs[name])
    (folder / 'meta.json').write_text(json.dumps({
        'inputs': keys,
        'parameters': [(name, str(value.dtype), value.shape)
                       for name, value in taken],
        'aliases': aliases, 'terms': sorted(concrete.structured_outputs),
        'total': run.total, 'batch': c.batch, 'crop': c.crop, 'seed': c.seed,
        'any_angle': c.any_angle, 'augment': dataclasses.asdict(c.augment),
        'log_every': c.log_every,
        'datasets': {name: [picture_name(path) for path in store.dataset.images]
                     for name, store in run.stores.items()}}))
    print(f'Wrote {folder}: {len(program) / 1e6:.1f} MB, {len(taken)} '
          'variables.')


if __name__ == '__main__':
    command_line.define_flags()
    app.run(main)
