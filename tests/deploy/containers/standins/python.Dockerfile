# What stands in for python:3.11-slim-bookworm where no registry can be reached: Debian's own Python.
FROM heart-reader-standin-debian
RUN apt-get update -q \
    && apt-get install -yq --no-install-recommends ca-certificates python3-venv \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/* \
    && python3 -m venv /usr/local
