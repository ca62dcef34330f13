# The local AWS for docker-compose.yaml: an environment of its own, from its own lock.
FROM python:3.12.13-slim-bookworm

# An index of your own, when the build's environment names one. It stays in the image's history: no passwords.
ARG PIP_INDEX_URL
ARG PIP_EXTRA_INDEX_URL

RUN useradd --uid 10001 --no-create-home localaws && mkdir /state && chown localaws /state
COPY requirements/localaws.lock /tmp/localaws.lock
RUN pip install --no-cache-dir --require-hashes --requirement /tmp/localaws.lock
COPY packages/localaws /app/localaws
RUN pip install --no-cache-dir --no-deps --no-build-isolation /app/localaws

WORKDIR /app
USER localaws
VOLUME /state
EXPOSE 4566
# All addresses: those of a container. docker-compose.yaml publishes the port on 127.0.0.1 alone.
ENTRYPOINT ["localaws", "--host", "0.0.0.0", "--port", "4566", "--state", "/state"]
