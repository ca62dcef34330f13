# Airflow for docker-compose.yaml: the official image with exactly the packages that this project is tested with.
FROM apache/airflow:3.3.1-python3.12

# An index of your own, when the build's environment names one. It stays in the image's history: no passwords.
ARG PIP_INDEX_URL
ARG PIP_EXTRA_INDEX_URL

# The lock names the image's own Airflow, so that pip cannot put another one in its place.
COPY requirements/airflow.lock /tmp/airflow.lock
RUN pip install --no-cache-dir --require-hashes --requirement /tmp/airflow.lock
