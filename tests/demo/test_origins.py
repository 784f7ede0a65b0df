"""Pages of other sites are refused, in one process and without gradio."""

import asyncio

import pytest

from dmenet_tf.demo import origins

OWN = {b'host': b'127.0.0.1:7860'}


@pytest.mark.parametrize('headers, local, own', [
    ({}, True, True),  # A program says no origin.
    ({b'origin': b'http://127.0.0.1:7860'}, True, True),
    ({b'origin': b'http://127.0.0.1:8000'}, True, False),  # Another's page.
    ({b'origin': b'https://elsewhere.example'}, True, False),
    ({b'origin': b'null'}, True, False),
    ({b'host': b'localhost:7860'}, True, True),
    ({b'host': b'[::1]:7860'}, True, True),
    # A name that was pointed at this machine.
    ({b'host': b'elsewhere.example', b'origin': b'http://elsewhere.example'},
     True, False),
    ({b'host': b'maps.example', b'origin': b'https://maps.example'}, False,
     True),
    ({b'host': b'maps.example', b'origin': b'https://elsewhere.example'},
     False, False),
    ({b'host': b'10.0.0.1', b'origin': b'https://maps.example',
      b'x-forwarded-host': b'maps.example'}, False, True)])
def test_who_is_answered(headers, local, own):
    assert origins.is_own({**OWN, **headers}, local) == own


@pytest.mark.parametrize('origin, status', [
    (b'http://127.0.0.1:7860', 200), (b'http://elsewhere.example', 403)])
def test_the_application_does_not_see_what_is_refused(origin, status):
    sent = []

    async def application(scope, receive, send):
        await send({'type': 'http.response.start', 'status': 200})

    async def send(message):
        sent.append(message)

    scope = {'type': 'http', 'headers': [*OWN.items(), (b'origin', origin)]}
    asyncio.run(origins.OwnPagesOnly(application, True)(scope, None, send))
    assert sent[0]['status'] == status
