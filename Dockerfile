# The toolkit on CPUs, set up as the README says; serves the JSON API to clients that have a key (docs/serving.md).
FROM debian:12.11-slim

# The archive of a Debian keeps no older versions than its own: what is pinned is the base.
# hadolint ignore=DL3008
RUN apt-get update && \
    apt-get install -y --no-install-recommends ca-certificates make python3 python3-venv && \
    rm -rf /var/lib/apt/lists/*

WORKDIR /opt/vsr-lip2speech
COPY . .
# Reads and voices the clip that ships with the project: an image that cannot is not built.
RUN make demo && rm -rf demo/out

RUN useradd --create-home --uid 10001 reader
USER 10001
WORKDIR /home/reader
ENV PATH=/opt/vsr-lip2speech/.venv/bin:$PATH

EXPOSE 8000
HEALTHCHECK CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/healthz')"]
ENTRYPOINT ["lip2speech"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8000", "--key-file", "/run/secrets/keys"]
