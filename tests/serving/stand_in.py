"""A stand-in for tensorflow_model_server: the same models, run by TensorFlow.

REST as TF Serving's api_rest.md describes it; gRPC is in grpc_stand_in.py.
Its errors have TF Serving's codes; their texts are its own where the page
gives none.
"""

import base64
import contextlib
import http.server
import json
import pathlib
import re
import threading
from collections.abc import Iterator

import numpy as np
import tensorflow as tf
from google.protobuf import json_format
from tensorflow.core.protobuf import saved_model_pb2

_HTTP = {'INVALID_ARGUMENT': 400, 'NOT_FOUND': 404}
_PATH = re.compile(r'/v1/models/([^/:]+)(?:/versions/(\d+))?(/metadata)?')


class ServingError(Exception):
    """Has `code`, the name of a status such as 'NOT_FOUND', and a message."""

    def __init__(self, code: str, message: str):
        super().__init__(message)
        self.code = code


class Servable:
    """The versions of one model in a folder, as TF Serving finds them."""

    def __init__(self, base: pathlib.Path):
        self.name = base.name
        self.versions = {int(folder.name): folder for folder in base.iterdir()
                         if folder.name.isdecimal()}
        self._signatures = {number: tf.saved_model.load(str(folder)).signatures
                            for number, folder in self.versions.items()}

    def find(self, name: str, number: int | None) -> int:
        """The version that a request is for; None: the highest."""
        wanted = f'Latest({name})' if number is None else (
            f'Specific({name}, {number})')
        found = max(self.versions) if number is None else number
        if name != self.name or found not in self.versions:
            raise ServingError('NOT_FOUND', 'Servable not found for request: '
                               f'{wanted}')
        return found

    def definitions(self, number: int) -> dict:
        """Signature's name -> SignatureDef."""
        model = saved_model_pb2.SavedModel.FromString(
            (self.versions[number] / 'saved_model.pb').read_bytes())
        return {name: definition for name, definition
                in model.meta_graphs[0].signature_def.items()
                if not name.startswith('__')}

    def inputs(self, number: int, signature: str) -> dict[str, tf.TensorSpec]:
        """Input's name -> its specification."""
        return self._signature(number, signature).structured_input_signature[1]

    def run(self, number: int, signature: str, arrays: dict[str, np.ndarray]
            ) -> dict[str, np.ndarray]:
        """Input's name -> array to output's name -> array."""
        function = self._signature(number, signature)
        wanted = set(self.inputs(number, signature))
        if set(arrays) != wanted:
            raise ServingError('INVALID_ARGUMENT', 'Inputs needed: '
                               f'{sorted(wanted)}. Received: {sorted(arrays)}.')
        try:
            outputs = function(**{name: tf.constant(array)
                                  for name, array in arrays.items()})
        except tf.errors.OpError as error:
            raise ServingError('INVALID_ARGUMENT', error.message) from error
        except (TypeError, ValueError) as error:
            raise ServingError('INVALID_ARGUMENT', str(error)) from error
        return {name: value.numpy() for name, value in outputs.items()}

    def _signature(self, number, name):
        signatures = self._signatures[number]
        if name not in signatures:
            raise ServingError(
                'INVALID_ARGUMENT', f'Serving signature name: "{name}" not '
                'found in signature def')
        return signatures[name]


def _status(servable, name, number):
    if number is not None or name != servable.name:
        servable.find(name, number)
    return {'model_version_status': [
        {'version': str(each), 'state': 'AVAILABLE',
         'status': {'error_code': 'OK', 'error_message': ''}}
        for each in sorted(servable.versions, reverse=True)
        if number in (None, each)]}


def _metadata(servable, name, number):
    number = servable.find(name, number)
    return {
        'model_spec': {'name': name, 'signature_name': '',
                       'version': str(number)},
        'metadata': {'signature_def': {'signature_def': {
            signature: json_format.MessageToDict(
                definition, preserving_proto_field_name=True)
            for signature, definition
            in servable.definitions(number).items()}}}}


def _predict(servable, name, number, body):
    number = servable.find(name, number)
    try:
        request = json.loads(body)
    except ValueError as error:
        raise ServingError('INVALID_ARGUMENT',
                           f'JSON Parse error: {error}') from error
    keys = {'instances', 'inputs'} & set(request)
    if len(keys) != 1:
        raise ServingError('INVALID_ARGUMENT',
                           "Needs one of 'instances' and 'inputs'.")
    signature = request.get('signature_name', 'serving_default')
    specs = servable.inputs(number, signature)
    columns = (_columns if keys == {'inputs'} else _rows)(
        request[keys.pop()], list(specs))
    arrays = {key: _array(value, specs[key]) for key, value in columns.items()
              if key in specs}
    outputs = servable.run(number, signature, {**columns, **arrays})
    values = {key: array.tolist() for key, array in outputs.items()}
    if len(values) == 1:
        values, = values.values()
    return {'outputs' if 'inputs' in request else 'predictions': values}


def _columns(value, names):
    return value if _named(value) else {names[0]: value}


def _rows(instances, names):
    if not isinstance(instances, list) or not instances:
        raise ServingError('INVALID_ARGUMENT',
                           "'instances' must be a list that is not empty.")
    if not _named(instances[0]):
        return {names[0]: instances}
    return {name: [instance[name] for instance in instances]
            for name in instances[0]}


def _named(value):
    return isinstance(value, dict) and set(value) != {'b64'}


def _array(value, spec):
    """Nested lists, with files as {"b64": ...}, to the dtype of an input."""
    if spec.dtype == tf.string:
        return np.array(_decoded(value), object)
    try:
        array = np.asarray(value)
    except ValueError as error:  # Lists of several lengths.
        raise ServingError('INVALID_ARGUMENT', str(error)) from error
    exact = array.astype(spec.dtype.as_numpy_dtype)
    if spec.dtype.is_integer and not np.array_equal(exact, array):
        raise ServingError('INVALID_ARGUMENT', 'A JSON value is not of '
                           f'expected type: {spec.dtype.name}')
    return exact


def _decoded(value):
    if isinstance(value, list):
        return [_decoded(item) for item in value]
    return base64.b64decode(value['b64']) if isinstance(value, dict) else value


def _answer(servable, method, path, body):
    """The JSON of one request."""
    predict = path.endswith(':predict') and method == 'POST'
    match = _PATH.fullmatch(path.removesuffix(':predict') if predict else path)
    if not match or not predict and method == 'POST' or predict and match[3]:
        raise ServingError('INVALID_ARGUMENT',
                           f'Malformed request: {method} {path}')
    name, number = match[1], match[2] and int(match[2])
    if predict:
        return _predict(servable, name, number, body)
    return (_metadata if match[3] else _status)(servable, name, number)


@contextlib.contextmanager
def serve_rest(base: pathlib.Path) -> Iterator[int]:
    """Serves the model of a folder; gives the port."""
    servable = Servable(base)

    class Handler(http.server.BaseHTTPRequestHandler):
        def _reply(self):
            length = int(self.headers.get('Content-Length', 0))
            status = 200
            try:
                answer = _answer(servable, self.command, self.path,
                                 self.rfile.read(length))
            except ServingError as error:
                status, answer = _HTTP[error.code], {'error': str(error)}
            self.send_response(status)
            self.send_header('Content-Type', 'application/json')
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        do_GET = do_POST = _reply

        def log_message(self, *_):
            pass

    with http.server.HTTPServer(('localhost', 0), Handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield running.server_port
        running.shutdown()
