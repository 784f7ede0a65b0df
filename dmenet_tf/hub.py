"""Models on the Hugging Face hub: hf://owner/name -> a file on this machine.

What hub_folder writes can be read here. huggingface_hub, an extra, keeps what
it fetched, and takes it from there without a network.
"""

import logging
import pathlib
import re

PREFIX = 'hf://'
WEIGHTS = 'model.npz'  # Its name in a repository of the hub.


def fetch(source: str) -> pathlib.Path:
    """The weights file of a repository, fetched if it is not here yet.

    Args:
        source: 'hf://owner/name', or 'hf://owner/name@revision', where the
            revision is a branch, a tag or a commit; main if it is not told.

    Returns:
        Its path in the hub's cache.

    Raises:
        ImportError: huggingface_hub is not installed.
        ValueError: It names no repository.
        OSError: One line: what the hub, or the network, said.
    """
    named = re.fullmatch(r'hf://([\w.-]+/[\w.-]+)(?:@([\w./-]+))?', source)
    if not named:
        raise ValueError(f'{source}: a model of the hub is hf://owner/name, or '
                         'hf://owner/name@revision.')
    try:
        from huggingface_hub import hf_hub_download
    except ImportError as error:
        raise ImportError(f'{source} needs huggingface_hub: pip install '
                          "'dmenet_tf[hub]'.") from error
    repository, revision = named.groups()
    log = logging.getLogger('huggingface_hub')
    level = log.level
    # The error says it all; each of five tries would say it, too.
    log.setLevel(logging.ERROR)
    try:
        return pathlib.Path(hf_hub_download(
            repository, WEIGHTS, revision=revision))
    except (OSError, ValueError) as error:  # All of its own are one of them.
        said = ' '.join(str(error).split('\n')[0].split())
        raise OSError(f'{source}: {said or repr(error)}') from error
    finally:
        log.setLevel(level)
