"""Commands that are killed at random moments, and started until they end.

    python tests/campaigns/kills.py --work=render --count=100 --seed=1

render, estimate, rank, train, masks (training with them) and evaluate, on
toys. After each kill the same command is started again; what it leaves at last
is compared, byte by byte, with an undisturbed run, and no `.tmp-*` may be
left. Findings: `differs`, `missing`, `more` or `left`, and the file.
"""

import argparse
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

import children
import numpy as np
import pytest
from PIL import Image

from dmenet_tf import files

ENDED = 600  # s; what has not ended until then never does.
SIDE = 32
# What tells of times, and of the machine.
TRAINED = ('weights.npz', 'best.npz')


def prepare(folder):
    """Pictures, maps and masks, and a model of four kernels."""
    rng = np.random.default_rng(0)
    for name in ('syn/image', 'syn/sigma', 'bin/image', 'bin/gt'):
        (folder / name).mkdir(parents=True)
    for k in range(4):
        picture = rng.integers(0, 256, (SIDE, SIDE + 8, 3), np.uint8)
        mask = np.zeros(picture.shape[:2], np.uint8)
        mask[:, SIDE // 2:] = 255
        for name, array in (('syn/image', picture), ('bin/image', picture),
                            ('syn/sigma', mask.astype(np.uint16) * 20),
                            ('bin/gt', mask)):
            Image.fromarray(array).save(folder / name / f'{k}.png')
    code = ('import sys; from dmenet_tf import networks, weights\n'
            'b = networks.build_blur_estimator(4, 1, side_heads=False)\n'
            'weights.save(sys.argv[1], networks.Networks(b, None, None), '
            '{"convention": "sigma7"})')
    if children.start(['-c', code, str(folder / 'toy.npz')]).wait():
        sys.exit('No model could be made.')


def commands(folder, out):
    """Name -> arguments of a command whose results are in `out`."""
    model, pictures = f'--model={folder}/toy.npz', f'{folder}/bin/image'
    train = ['train', f'--synthetic={folder}/syn', f'--workdir={out}',
             '--width=4', '--refine_blocks=0', '--crop=32', '--batch=1',
             '--vgg19=none', '--steps=8', '--lambda_S=0', '--lambda_adv=0',
             '--lambda_C=0', '--deterministic', '--checkpoint_every=2',
             '--hold_out=0.25', '--validate_every=4']
    return {
        'render': ['syndof', '--source=procedural', '--count=6',
                   '--max_size=64', f'--output_dir={out}'],
        'estimate': ['predict', pictures, model, f'--output_dir={out}',
                     '--format=npy,png16,color'],
        'rank': ['rank', pictures, model, f'--copy={out}', '--best=2'],
        'train': train,
        'masks': [*train, f'--binary={folder}/bin', '--lambda_S=0.5'],
        'evaluate': ['evaluate', '--protocol=cuhk', '--split=all', model,
                     f'--images={pictures}', f'--ground_truth={folder}/bin/gt',
                     f'--output_dir={out}']}


def results(work, out):
    """Relative path -> what must be the same."""
    found = {}
    for path in sorted(out.rglob('*')):
        name = path.name
        if not path.is_file() or name == '.lock':
            continue
        if work in ('train', 'masks') and name not in TRAINED or (
                work == 'evaluate' and path.suffix != '.csv'):
            continue
        found[str(path.relative_to(out))] = (
            _arrays(path) if work in ('train', 'masks') else
            path.read_bytes())
    return found


def _arrays(path):
    with np.load(path) as archive:
        return {name: archive[name].tobytes() for name in archive.files
                if name != 'metadata'}


def start(work, folder, out):
    return children.start(
        ['-m', 'dmenet_tf.' + commands(folder, out)[work][0],
         *commands(folder, out)[work][1:]],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def finish(process):
    """Waits for its end; raises RuntimeError unless that was a good one."""
    said = process.communicate(timeout=ENDED)[1]
    if process.returncode:
        raise RuntimeError(f'status {process.returncode}: {said[-500:]}')


def killed(work, folder, out, seconds):
    """Whether it was still at work after so long; it is not any more."""
    process = start(work, folder, out)
    try:
        process.communicate(timeout=seconds)
        return False
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return True


def compare(whole, out, work):
    """Findings: [what, file]."""
    found = results(work, out)
    return ([['differs', name] for name in whole
             if name in found and found[name] != whole[name]]
            + [['missing', name] for name in whole if name not in found]
            + [['left' if '.tmp-' in name else 'more', name]
               for name in found if name not in whole])


def campaign(work, count, seed, folder):
    """(kills, files compared, findings)."""
    rng = np.random.default_rng(seed)
    prepare(folder)
    begin = time.monotonic()
    finish(start(work, folder, folder / 'whole'))
    lasts = time.monotonic() - begin
    whole = results(work, folder / 'whole')
    kills = compared = 0
    findings = []
    shown = files.progress(total=count, desc=work, unit='kill')
    while kills < count:
        out = folder / 'parts'
        for _ in range(rng.integers(1, 5)):
            if killed(work, folder, out, rng.uniform(0.3, 1) * lasts):
                kills += 1
            else:  # The machine is less busy than it was.
                lasts *= 0.9
                break
        finish(start(work, folder, out))
        findings += compare(whole, out, work)
        findings += [['left', str(path)] for path in out.rglob('.tmp-*')]
        compared += len(whole)
        shown.update(kills - shown.n)
        shutil.rmtree(out)
    shown.close()
    return kills, compared, findings


@pytest.mark.slow
@pytest.mark.parametrize('work', commands(pathlib.Path(), pathlib.Path()))
def test_what_is_killed_ends_as_if_it_had_not_been(work, tmp_path):
    kills, compared, findings = campaign(work, 1, 0, tmp_path)
    assert kills and compared and not findings


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--work', default='render',
                        choices=commands(pathlib.Path(), pathlib.Path()))
    parser.add_argument('--count', type=int, default=10)
    parser.add_argument('--seed', type=int, default=1)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        kills, compared, findings = campaign(
            asked.work, asked.count, asked.seed, pathlib.Path(folder))
    for finding in findings:
        print(*finding)
    print(f'{asked.work}: {kills} kills, {compared} files compared, '
          f'{len(findings)} findings')
    sys.exit(1 if findings else 0)


if __name__ == '__main__':
    main()
