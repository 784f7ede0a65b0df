# TF Serving with the exported model, REST on port 8501, gRPC on 8500:
#   docker build -f docker/serving.Dockerfile -t dmenet-serving .
#   docker run --rm -p 8501:8501 dmenet-serving
# --build-arg MODEL=my.npz exports a weights file of the checkout instead.
FROM python:3.11-slim AS export

WORKDIR /src
COPY . .
# addons holds TensorFlow at 2.15.1, the version that serves.
# hadolint ignore=DL3013
RUN pip install --no-cache-dir '.[addons,serving]'
ARG MODEL=small
RUN python -m dmenet_tf.export --model="$MODEL" --output_dir=/models/dmenet

FROM tensorflow/serving:2.15.1

COPY --from=export /models/dmenet /models/dmenet
ENV MODEL_NAME=dmenet
