"""Ranks photographs by how sharp they are, and tells where; writes no maps.

    python -m dmenet_tf.rank holiday/ --recursive --per=folder

prints, the sharpest first, for each photograph
    sharpest   sigma of its sharpest region, in px of a longer side of 1000 px
    in focus   the share of its pixels that are in focus
and with --format=csv or jsonl where that region is. What is said does not
depend on how many pixels a photograph has. Arguments are photographs, folders,
.txt lists of paths, or `-` for such a list on standard input.

Of a video, which has to be named itself, a frame every second is ranked, or
every --every=SECONDS.

--best=N keeps the N sharpest of all, of each folder or of each burst, and
--move, --copy or --link puts these into a folder.

For a camera that does not move, --save_reference=REF.json keeps how sharp it
is, and --reference=REF.json prints a line of JSON for each later photograph
and ends with status 3 where one is more than --worse_than times as blurred.

Blur is blur: a picture that was shaken counts as blurred too, but what the
network has learnt is defocus, see the page about choosing photographs.
"""

import csv
import dataclasses
import json
import sys

from absl import flags

from dmenet_tf import (
    command,
    files,
    jobs,
    model_files,
    network_flags,
    sources,
    video,
    workers,
)
from dmenet_tf.rank import chosen, groups, scores, seen, watch

WORSE = 3  # Exit status.
_GROUPS = {'What is ranked': ['per', 'by', 'best', 'burst_seconds', 'every'],
           'What is done with it': ['format', 'move', 'copy', 'link', 'xmp'],
           'A fixed camera': ['save_reference', 'reference', 'region',
                              'worse_than']}


@dataclasses.dataclass(frozen=True)
class _Row:
    """A photograph and its place in its group."""

    seen: seen.Seen
    group: str
    rank: int

    def values(self) -> dict[str, object]:
        return {'photograph': str(self.seen.photograph),
                'time_s': self.seen.time_s, 'group': self.group,
                'rank': self.rank, **dataclasses.asdict(self.seen.score)}


def define_flags() -> None:
    """Defines the flags of this command."""
    network_flags.define_flags()
    jobs.define_input_flags()
    workers.define_flags()
    flags.DEFINE_enum(
        'per', 'all', ['all', 'folder', 'burst'], 'What is compared: all '
        'photographs, those of each folder, or those of each burst: taken '
        'shortly one after the other, by EXIF, and alike.')
    flags.DEFINE_float('burst_seconds', 2, 'The longest time between two '
                       'photographs of a burst.', lower_bound=0)
    flags.DEFINE_enum(
        'by', 'sharpest', ['sharpest', 'in_focus'], 'sharpest: the sharpest '
        'region decides, so that a portrait before a soft background is a '
        'sharp photograph. in_focus: the share in focus.')
    flags.DEFINE_integer('best', None, 'Only the first N of each group.',
                         lower_bound=1)
    flags.DEFINE_string('every', '1s', 'Of a video: the time between the '
                        'frames that are ranked, in seconds.')
    flags.DEFINE_enum('format', 'table', ['table', 'csv', 'jsonl'],
                      'How they are printed.')
    for name, what in (('move', 'Moves'), ('copy', 'Copies'),
                       ('link', 'Links')):
        flags.DEFINE_string(name, None, f'{what} those of --best into this '
                            'folder; nothing there is overwritten.')
    flags.DEFINE_bool(
        'xmp', False, 'Write a rating of one to five stars beside each '
        'photograph, photo.jpg.xmp, unless that is there already.')
    flags.DEFINE_string('save_reference', None, 'Writes how sharp the one '
                        'photograph named is to this .json.')
    flags.DEFINE_string('reference', None, 'Compares with this .json.')
    flags.DEFINE_list('region', None, 'LEFT,TOP,WIDTH,HEIGHT in px: what '
                      '--save_reference looks at, by default all.')
    flags.DEFINE_float('worse_than', 1.5, 'How many times the blur of the '
                       'reference is too much.', lower_bound=1)


def main(arguments: list[str]) -> int:
    """Ranks what the command line names; returns the exit status."""
    jobs.require_names(arguments)
    _check_flags()
    jobs.value_range()  # A wrong one is said before anything is read.
    pairs, failed = sources.find_photographs(arguments, flags.FLAGS.recursive)
    for line in failed:
        files.complain(line)
    paths = list({sources.place(path): path for path, _ in pairs}.values())
    if flags.FLAGS.save_reference:
        return _save_reference(paths)
    if flags.FLAGS.reference:
        return _watch(paths, failed)
    return _rank(paths, failed)


def _check_flags():
    flag = flags.FLAGS
    workers.check_flags()
    places = [name for name in ('move', 'copy', 'link') if flag[name].value]
    if len(places) > 1:
        raise command.UsageError(f'--{places[0]} or --{places[1]}: give one.')
    if places and flag.best is None:
        raise command.UsageError(f'--{places[0]} needs --best=N.')
    watching = flag.reference or flag.save_reference
    if flag.reference and flag.save_reference:
        raise command.UsageError('--reference or --save_reference: give one.')
    if watching and (places or flag.xmp or flag.best):
        raise command.UsageError('A fixed camera is watched by itself, '
                                 'without --best, --xmp and the like.')
    if flag.region and not flag.save_reference:
        raise command.UsageError('--region belongs to --save_reference, which '
                                 'keeps it.')


def _rank(paths, failed):
    todo = [jobs.Job(path, path) for path in paths]
    _check_videos(paths)
    outcomes = _outcomes(todo) if todo else ()
    found, lines = [], 0
    for outcome in files.progress(outcomes, total=len(todo), unit='photo'):
        if outcome.error is None:
            found += outcome.made
        else:
            files.complain(outcome.error)
            lines += 1
    rows = _rows(found, _grouped(found))
    _print(rows)
    return 1 if lines + len(failed) + _act(rows) else 0


def _outcomes(todo):
    """Yields what becomes of each, photographs first in one process."""
    flag = flags.FLAGS
    how = seen.Reading(jobs.value_range(), flag.develop, flag.per == 'burst',
                       _seconds())
    if workers.asked():
        for job, outcome in workers.results(seen.one, todo, how):
            made = [one._replace(photograph=job.photograph)
                    for one in outcome.made or ()]
            yield jobs.Outcome(job, outcome.error, made)
        return
    network = network_flags.load(todo)
    videos = [job for job in todo if video.is_video(job.photograph)]
    yield from seen.photographs(
        [job for job in todo if job not in videos], network, how)
    for job in videos:
        yield seen.frames(job, network, how)


def _check_videos(paths):
    videos = [path for path in paths if video.is_video(path)]
    if not videos:
        return
    command.require('av', 'video')
    _seconds()
    for name in ('move', 'copy', 'link', 'xmp'):
        if flags.FLAGS[name].value:
            raise command.UsageError(f'{videos[0]}: is a video; --{name} is '
                                     'for photographs.')


def _seconds():
    text = flags.FLAGS.every
    try:
        seconds = float(text.removesuffix('s'))
    except ValueError:
        seconds = -1
    if not 0 < seconds < float('inf'):
        raise command.UsageError('--every needs a time such as 1s or 0.5s. '
                                 f'Received: {text!r}.')
    return seconds


def _grouped(found):
    """The name of each one's group."""
    per, paths = flags.FLAGS.per, [one.photograph for one in found]
    if per == 'folder':
        return groups.by_folder(paths)
    if per == 'burst':
        # Frames of videos have none.
        photographs = [one.shot for one in found if one.shot]
        untimed = sum(shot.taken is None for shot in photographs)
        if untimed:
            print(f'{untimed} of {len(photographs)} photographs do not say in '
                  'EXIF when they were taken: each is a burst of its own.',
                  file=sys.stderr)
        shots = [one.shot or groups.NOTHING for one in found]
        return groups.by_burst(paths, shots, flags.FLAGS.burst_seconds)
    return [''] * len(paths)


def _rows(found, names):
    """_Row of what is kept, group by group."""
    def order(i):
        score = found[i].score
        by = ((score.sharpest_px, -score.in_focus_share)
              if flags.FLAGS.by == 'sharpest'
              else (-score.in_focus_share, score.sharpest_px))
        return names[i], by, str(found[i])

    rows = []
    for i in sorted(range(len(found)), key=order):
        same = rows and rows[-1].group == names[i]
        rows.append(_Row(found[i], names[i], rows[-1].rank + 1 if same else 1))
    best = flags.FLAGS.best or len(rows)
    return [row for row in rows if row.rank <= best]


def _print(rows):
    kind = flags.FLAGS.format
    if kind == 'jsonl':
        for row in rows:
            print(json.dumps(row.values()))
    elif kind == 'csv':
        names = [field.name for field in dataclasses.fields(scores.Score)]
        table = csv.DictWriter(
            sys.stdout, ['photograph', 'time_s', 'group', 'rank', *names],
            lineterminator='\n')
        table.writeheader()
        table.writerows(row.values() for row in rows)
    else:
        _print_table(rows)


def _print_table(rows):
    group = ''
    if rows:
        print('   #   sharpest  in focus  photograph')
    for row in rows:
        if row.group != group:
            group = row.group
            print(f'{group}:')
        score = row.seen.score
        print(f'{row.rank:4d}  {score.sharpest_px:6.2f} px'
              f'  {score.in_focus_share:8.0%}  {row.seen}')


def _act(rows):
    """Sidecars and files put elsewhere, and how many; how many failed."""
    flag, lines = flags.FLAGS, []
    if flag.xmp:
        lines += filter(None, (
            chosen.write_sidecar(row.seen.photograph,
                                 chosen.stars(row.seen.score.sharpest_px))
            for row in rows))
        _tell(rows, lines, 'have their rating beside them')
    for name in ('move', 'copy', 'link'):
        if flag[name].value:
            failed = chosen.place([row.seen.photograph for row in rows],
                                  flag[name].value, getattr(chosen, name))
            _tell(rows, failed, f'are in {flag[name].value}')
            lines += failed
    for line in lines:
        files.complain(line)
    return len(lines)


def _tell(rows, failed, what):
    """Not on stdout, which may be read as CSV."""
    print(f'{len(rows) - len(failed)} of {len(rows)} photographs {what}.',
          file=sys.stderr)


def _save_reference(paths):
    if len(paths) != 1:
        raise command.UsageError('--save_reference needs one photograph. '
                                 f'Received: {len(paths)}.')
    image = jobs.read(paths[0])
    sigma, region = watch.measure(image, _region(), *network_flags.load(
        [jobs.Job(paths[0], paths[0])]))
    watch.write(flags.FLAGS.save_reference, watch.Reference(
        str(paths[0]), image.shape[1], image.shape[0], region,
        round(sigma, 4), model_files.digest(flags.FLAGS.model)))
    print(f'{flags.FLAGS.save_reference}: sigma is {sigma:.2f} px in the '
          f'region {",".join(map(str, region))}.')
    return 0


def _region():
    region = flags.FLAGS.region
    if region is None:
        return None
    try:
        left, top, width, height = map(int, region)
    except ValueError:
        raise command.UsageError(
            '--region needs LEFT,TOP,WIDTH,HEIGHT, four whole numbers of px. '
            f'Received: {",".join(region)!r}.') from None
    return left, top, width, height


def _watch(paths, failed):
    reference = watch.read(flags.FLAGS.reference)
    if reference.model != model_files.digest(flags.FLAGS.model):
        raise ValueError(f'{flags.FLAGS.reference}: was made with other '
                         'weights; make it again with --save_reference.')
    model, runner = network_flags.load(
        [jobs.Job(path, path) for path in paths])
    failures, worse = len(failed), False
    for path in paths:
        try:
            image = jobs.read(path)
            found = watch.compare(str(path), image, reference, model, runner)
        except (ValueError, OSError) as error:
            files.complain(error)
            failures += 1
            continue
        print(json.dumps(found), flush=True)
        worse = worse or found['times'] > flags.FLAGS.worse_than
    return WORSE if worse else int(failures > 0)


if __name__ == '__main__':
    command.run(main, define_flags, __doc__, _GROUPS)
