# FlowSteer with the embedded model's engine, the endpoint and the viewer; compose.yaml starts all three.
FROM python:3.12-slim

# llama.cpp computes with OpenMP, which the slim image lacks.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libgomp1 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 1000 flowsteer \
    && install --directory --owner flowsteer /work /home/flowsteer/.cache

WORKDIR /build
COPY pyproject.toml README.md LICENSE ./
COPY src src
COPY examples examples
# hadolint ignore=DL3013
RUN pip install --no-cache-dir '.[local,serve,view]'

USER 1000
WORKDIR /work
ENTRYPOINT ["flowsteer"]
CMD ["--help"]
