"""Whose requests the page answers: those of its own pages, and of programs.

A browser says where the page that asks comes from. Without this check any
page that a visitor has open could upload and read here, through his browser;
and one whose name was pointed at 127.0.0.1 could do it on his own machine.
"""

import json
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

LOCAL = frozenset({'localhost', '127.0.0.1', '::1'})


class OwnPagesOnly:
    """ASGI middleware that refuses requests of other sites' pages.

    Args:
        app: What is protected.
        local: Whether the server listens on this machine alone: then it must
            be called by one of the names of that.
    """

    def __init__(self, app: Callable[..., Awaitable[None]], local: bool):
        self._app, self._local = app, local

    async def __call__(self, scope: dict[str, Any], receive: Callable,
                       send: Callable) -> None:
        """Answers 403, or hands on."""
        if scope['type'] == 'http' and not is_own(
                dict(scope['headers']), self._local):
            await send({'type': 'http.response.start', 'status': 403,
                        'headers': [(b'content-type', b'application/json')]})
            body = {'detail': 'Open the page by its own address.'}
            await send({'type': 'http.response.body',
                        'body': json.dumps(body).encode()})
            return
        await self._app(scope, receive, send)


def is_own(headers: dict[bytes, bytes], local: bool) -> bool:
    """Whether a request is of the page itself or of a program.

    Args:
        headers: Lower-case names. Behind a proxy x-forwarded-host counts; no
            page can send it without being asked for leave.
        local: As OwnPagesOnly takes it.
    """
    host = headers.get(b'host', b'').decode('latin-1')
    if local and urlsplit(f'//{host}').hostname not in LOCAL:
        return False
    origin = headers.get(b'origin')
    named = {host, headers.get(b'x-forwarded-host', b'').decode('latin-1')}
    named.discard('')  # What no origin, 'null', would be equal to.
    return origin is None or urlsplit(origin.decode('latin-1')).netloc in named
