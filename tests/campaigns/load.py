"""Many clients at once, sound and broken, on the page and on a served model.

    python tests/campaigns/load.py --requests=500 --clients=8 --seed=1
    python tests/campaigns/load.py --requests=500 --clients=8 --seed=1 --served

A sound request must be answered with the map of its own picture; a broken one
must be refused; slow senders and uploads that end half-way must keep nobody
waiting; and memory must not grow with the number of requests. --served asks
the stand-in for TF Serving of tests/serving, not the page. Needs the extras
demo and serving.
"""

import argparse
import base64
import collections
import concurrent.futures
import contextlib
import http.client
import io
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time

import children
import kills
import numpy as np
import pytest
from PIL import Image

GROWTH_MIB = 200
SERVE = '''
import pathlib, sys, time
sys.path.insert(0, sys.argv[1])
import stand_in
from dmenet_tf import export
base = pathlib.Path(sys.argv[3])
export.export_saved_model(pathlib.Path(sys.argv[2]), base)
with stand_in.serve_rest(base) as port:
    print(f'http://127.0.0.1:{port} is open', flush=True)
    time.sleep(1e6)
'''


@contextlib.contextmanager
def server(folder, served):
    """(process, port) of the page or of the stand-in."""
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    model = folder / 'toy.npz'
    arguments = (['-c', SERVE, str(children.ROOT / 'tests/serving'),
                  str(model), str(folder / 'dmenet')] if served else
                 ['-m', 'dmenet_tf.demo', f'--model={model}',
                  f'--port={port}', '--max_waiting=500'])
    process = children.start(arguments, stdout=subprocess.PIPE, text=True)
    try:
        for line in process.stdout:
            if 'is open' in line:
                break
        yield process, int(re.search(r':(\d+)', line)[1])
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def picture(k):
    """One of a size and a grey of its own, as a file."""
    stream = io.BytesIO()
    size = 32 + 16 * (k % 5), 48 + 16 * (k // 5 % 5)
    rng = np.random.default_rng(k)
    Image.fromarray(rng.integers(0, 256, (*size, 3), np.uint8)).save(
        stream, 'PNG')
    return stream.getvalue(), size


def ask_served(port, content):
    """The answer's status, and (height, width) of the map."""
    body = json.dumps({'signature_name': 'bytes', 'inputs': {
        'image': [{'b64': base64.b64encode(content).decode()}]}})
    status, answer = post(port, '/v1/models/dmenet:predict', body.encode(),
                          'application/json')
    if status != 200:
        return status, None
    return status, np.squeeze(np.array(json.loads(answer)['outputs'])).shape


def ask_page(port, content):
    """Uploads, maps, and reads the size off the sentence about the map."""
    status, answer = post(port, '/gradio_api/upload', multipart(content),
                          'multipart/form-data; boundary=x')
    [path] = json.loads(answer)
    file = {'path': path, 'meta': {'_type': 'gradio.FileData'}}
    status, answer = post(port, '/gradio_api/call/map', json.dumps({
        'data': [file, 'toy', 'several', 1.0, ['npy']]}).encode(),
        'application/json')
    connection = http.client.HTTPConnection('127.0.0.1', port, timeout=300)
    connection.request('GET', '/gradio_api/call/map/'
                       + json.loads(answer)['event_id'])
    said = connection.getresponse().read().decode()
    found = re.search(r'(\d+) x (\d+) px', said)
    if str(children.ROOT) in said:
        return 'told of a folder', None
    if found:
        return 200, (int(found[2]), int(found[1]))
    return (400 if 'That did not work' in said else said[-200:]), None


def multipart(content):
    return (b'--x\r\nContent-Disposition: form-data; name="files"; '
            b'filename="a.png"\r\nContent-Type: image/png\r\n\r\n' + content
            + b'\r\n--x--\r\n')


def post(port, path, body, kind):
    connection = http.client.HTTPConnection('127.0.0.1', port, timeout=300)
    connection.request('POST', path, body, {'Content-Type': kind})
    answer = connection.getresponse()
    return answer.status, answer.read()


def broken_off(port, slow):
    """Half of an upload; a slow sender keeps its connection open."""
    client = socket.create_connection(('127.0.0.1', port))
    client.sendall(b'POST /gradio_api/upload HTTP/1.1\r\nHost: 127.0.0.1\r\n'
                   b'Content-Type: multipart/form-data; boundary=x\r\n'
                   b'Content-Length: 100000\r\n\r\n'
                   + multipart(b'')[:60])
    if slow:
        return client
    client.close()
    return None


def one(port, k, kind, served):
    """'answered', 'refused', or what went wrong with request k."""
    content, size = picture(k)
    if kind == 'cancelled':
        broken_off(port, slow=False)
        return 'refused'
    if kind == 'broken':
        content = content[:40] + os.urandom(60)
    status, found = (ask_served if served else ask_page)(port, content)
    if kind == 'broken':
        return 'refused' if found is None and status == 400 else f'{status}'
    return 'answered' if found == size else f'{status}: {found}, not {size}'


def campaign(requests, clients, seed, folder, served):
    """(counts by what became of a request, MiB before, MiB after)."""
    kills.prepare(folder)
    kinds = np.random.default_rng(seed).choice(
        ['sound', 'broken', 'cancelled'], requests, p=[0.8, 0.15, 0.05])
    with server(folder, served) as (process, port):
        # The stand-in serves one connection at a time: no slow ones there.
        slow = [] if served else [broken_off(port, slow=True)
                                  for _ in range(2)]
        if served:
            kinds[kinds == 'cancelled'] = 'broken'
        warm = min(requests // 5, 50)
        counts = collections.Counter(
            one(port, k, 'sound', served) for k in range(warm))
        before = memory_mib(process)
        with concurrent.futures.ThreadPoolExecutor(clients) as pool:
            counts.update(pool.map(
                lambda k: one(port, k, kinds[k], served), range(requests)))
        for client in slow:
            client.close()
        return counts, before, memory_mib(process)


def memory_mib(process):
    status = pathlib.Path(f'/proc/{process.pid}/status').read_text()
    return int(re.search(r'VmRSS:\s+(\d+)', status)[1]) / 1024


@pytest.mark.slow
@pytest.mark.extra
@pytest.mark.parametrize('served', [False, True])
def test_every_request_gets_its_own_answer(tmp_path, served):
    pytest.importorskip('gradio')
    counts, before, after = campaign(40, 4, 0, tmp_path, served)
    assert set(counts) == {'answered', 'refused'}
    assert after - before < GROWTH_MIB


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--requests', type=int, default=500)
    parser.add_argument('--clients', type=int, default=8)
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--served', action='store_true')
    asked = parser.parse_args()
    begin = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        counts, before, after = campaign(
            asked.requests, asked.clients, asked.seed, pathlib.Path(folder),
            asked.served)
    print(f'{dict(counts)}; {before:.0f} MiB, then {after:.0f} MiB; '
          f'{time.monotonic() - begin:.0f} s')
    sys.exit(set(counts) != {'answered', 'refused'}
             or after - before > GROWTH_MIB)


if __name__ == '__main__':
    main()
