"""The gRPC services of tensorflow_model_server over stand_in.Servable."""

import concurrent.futures
import contextlib
import pathlib
from collections.abc import Iterator

import grpc
import stand_in
import tensorflow as tf
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

_AVAILABLE = get_model_status_pb2.ModelVersionStatus.AVAILABLE


class _Service:
    """What both services share: the model, and how errors are answered."""

    def __init__(self, servable):
        self.servable = servable

    def find(self, spec):
        """The version of a ModelSpec; not set: the highest."""
        chosen = spec.WhichOneof('version_choice') == 'version'
        return self.servable.find(spec.name,
                                  spec.version.value if chosen else None)


@contextlib.contextmanager
def _answered(context):
    try:
        yield
    except stand_in.ServingError as error:
        context.abort(grpc.StatusCode[error.code], str(error))


class Prediction(_Service,
                 prediction_service_pb2_grpc.PredictionServiceServicer):
    """Predict and GetModelMetadata."""

    def Predict(self, request, context):
        with _answered(context):
            number = self.find(request.model_spec)
            signature = request.model_spec.signature_name or 'serving_default'
            outputs = self.servable.run(number, signature, {
                name: tf.make_ndarray(tensor)
                for name, tensor in request.inputs.items()})
        reply = predict_pb2.PredictResponse()
        reply.model_spec.name = self.servable.name
        reply.model_spec.signature_name = signature
        reply.model_spec.version.value = number
        for name, array in outputs.items():
            reply.outputs[name].CopyFrom(tf.make_tensor_proto(array))
        return reply

    def GetModelMetadata(self, request, context):
        with _answered(context):
            number = self.find(request.model_spec)
            if list(request.metadata_field) != ['signature_def']:
                raise stand_in.ServingError(
                    'INVALID_ARGUMENT', 'Metadata field '
                    f'{list(request.metadata_field)} is not supported')
        found = get_model_metadata_pb2.SignatureDefMap()
        for name, definition in self.servable.definitions(number).items():
            found.signature_def[name].CopyFrom(definition)
        reply = get_model_metadata_pb2.GetModelMetadataResponse()
        reply.model_spec.name = self.servable.name
        reply.model_spec.version.value = number
        reply.metadata['signature_def'].Pack(found)
        return reply


class Status(_Service, model_service_pb2_grpc.ModelServiceServicer):
    """GetModelStatus."""

    def GetModelStatus(self, request, context):
        with _answered(context):
            number = self.find(request.model_spec)
        chosen = request.model_spec.WhichOneof('version_choice')
        reply = get_model_status_pb2.GetModelStatusResponse()
        for each in [number] if chosen else sorted(self.servable.versions):
            reply.model_version_status.add(version=each, state=_AVAILABLE)
        return reply


@contextlib.contextmanager
def serve_grpc(base: pathlib.Path) -> Iterator[int]:
    """Serves the model of a folder; gives the port."""
    servable = stand_in.Servable(base)
    server = grpc.server(
        concurrent.futures.ThreadPoolExecutor(2),
        options=[('grpc.max_receive_message_length', -1)])
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
        Prediction(servable), server)
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(
        Status(servable), server)
    port = server.add_insecure_port('localhost:0')
    server.start()
    yield port
    server.stop(None)
