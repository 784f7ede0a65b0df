"""Videos in and out, frame by frame (extra `video`: PyAV, through FFmpeg)."""

import contextlib
import itertools
import math
import pathlib
import shutil
from collections.abc import Callable, Collection, Iterable, Iterator

import numpy as np
import numpy.typing as npt

from dmenet_tf import files

# What is taken for a video, lower case.
SUFFIXES = frozenset({'.mp4', '.m4v', '.mov', '.avi', '.mkv', '.webm'})
PART = 50  # frames; what an interruption costs at most


def is_video(path: pathlib.Path) -> bool:
    """Whether a file is a video, by its name."""
    return path.suffix.lower() in SUFFIXES


def frame_rate(path: pathlib.Path) -> tuple[float, int]:
    """(frames a second in the mean, how many by the file's header or 0).

    Raises:
        ValueError, FileNotFoundError: One line that names the file.
    """
    with _opened(path) as (_, stream):
        rate = stream.average_rate or stream.guessed_rate or 25
        return float(rate), int(stream.frames)


def frames(path: pathlib.Path, every: float = 0.0
           ) -> Iterator[tuple[float, npt.NDArray[np.uint8]]]:
    """The frames of a video, upright.

    Args:
        path: Of its file.
        every: Seconds from one frame to the next that is wanted; 0: all.

    Yields:
        Its time in seconds, and the frame, RGB [h, w, 3].

    Raises:
        ValueError, FileNotFoundError: One line that names the file.
    """
    wanted = 0.0
    with _opened(path) as (container, stream):
        for frame in container.decode(stream):
            time = float(frame.time or 0.0)
            if time + 1e-6 < wanted:
                continue
            # Of times that rounding has put a hair before a whole one, too.
            wanted = (math.floor(time / every + 1e-6) + 1) * every if (
                every) else 0.0
            image = frame.to_ndarray(format='rgb24')
            yield time, np.rot90(image, round(frame.rotation / 90))


@contextlib.contextmanager
def _opened(path):
    """(container, video stream); whatever goes wrong becomes one line."""
    import av
    if not path.is_file():
        raise FileNotFoundError(f'{path}: no such file.')
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise ValueError('there is no picture in it')
            stream = container.streams.video[0]
            stream.thread_type = 'AUTO'
            yield container, stream
    except (av.FFmpegError, ValueError) as error:
        line = ' '.join(str(error).split()).replace(str(path), '').strip(" ':")
        raise ValueError(f'{path}: damaged, or no video that can be read: '
                         f'{line}.') from error


@contextlib.contextmanager
def writing(path: pathlib.Path, rate: float, said: str | None = None
            ) -> Iterator[Callable[[npt.NDArray[np.uint8]], None]]:
    """Gives a function that appends RGB frames [h, w, 3] to an .mp4 (H.264).

    The file is there, whole, when the context ends without an error. An odd
    side repeats its last row or column, as the format wants it.

    Args:
        path: Of the .mp4.
        rate: Frames a second.
        said: What it is made with, see made_with.
    """
    import imageio.v3 as iio
    with (files.atomic_path(path) as temporary,
          iio.imopen(temporary, 'w', plugin='pyav', extension='.mp4') as file):
        if said is not None:
            file.container_metadata['comment'] = said
        file.init_video_stream('libx264', fps=rate)

        def append(frame):
            odd = [(0, n % 2) for n in frame.shape[:2]]
            file.write_frame(np.ascontiguousarray(
                np.pad(frame, [*odd, (0, 0)], 'edge')))
        yield append


class Parts:
    """Videos that are being made, PART frames after PART frames.

    What is whole stays when a process is killed; who makes the same videos
    the same way goes on from there.

    Attributes:
        done: How many frames all of the videos have; after the last one at
            most PART - 1 more.
    """

    def __init__(self, folder: pathlib.Path, names: Collection[str],
                 said: str | None):
        """Finds what is there already.

        Args:
            folder: Of the parts; nothing else is in it.
            names: Of the videos.
            said: What they are made of, and with; parts of anything else are
                removed, and with None all.
        """
        self._folder, self._names = folder, names
        note = folder / 'made_with.txt'
        if not (said and note.is_file() and note.read_text('utf-8') == said):
            self.remove()
            with files.atomic_path(note) as temporary:
                temporary.write_text(said or '', 'utf-8')
        self._count = next(number for number in itertools.count() if not all(
            self._path(name, number).is_file() for name in names))

    @property
    def done(self) -> int:
        return PART * self._count

    def _path(self, name, number):
        return self._folder / f'{name}_{number:06}.mp4'

    def append(self, made: Iterable[dict[str, npt.NDArray[np.uint8]]],
               rate: float) -> None:
        """Appends frames, RGB [h, w, 3], a name of a video -> its frame.

        Args:
            made: The frames after those that are done.
            rate: Frames a second.
        """
        made = iter(made)
        for first in made:
            with contextlib.ExitStack() as stack:
                add = {name: stack.enter_context(writing(
                    self._path(name, self._count), rate))
                    for name in self._names}
                for shown in itertools.chain(
                        [first], itertools.islice(made, PART - 1)):
                    for name in self._names:
                        add[name](shown[name])
            self._count += 1

    def join(self, name: str, path: pathlib.Path,
             said: str | None = None) -> None:
        """Writes one of the videos as a whole; nothing is encoded again.

        Args:
            name: Of the video; it has a frame at least.
            path: Of the .mp4.
            said: What it is made with, see made_with.
        """
        import av
        with (files.atomic_path(path) as temporary,
              av.open(str(temporary), 'w', format='mp4') as whole):
            if said is not None:
                whole.metadata['comment'] = said
            stream, begin = None, 0
            for number in range(self._count):
                with av.open(str(self._path(name, number))) as part:
                    [own] = part.streams.video
                    stream = stream or whole.add_stream_from_template(own)
                    for packet in part.demux(own):
                        if packet.dts is not None:  # The last one is empty.
                            packet.dts += begin
                            packet.pts += begin
                            packet.stream = stream
                            whole.mux(packet)
                    begin += own.duration

    def remove(self) -> None:
        """Removes the parts."""
        shutil.rmtree(self._folder, ignore_errors=True)
