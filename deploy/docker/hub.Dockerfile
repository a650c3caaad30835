# The hub, without anything of Bluetooth or serial lines. Build from the repository's root:
#   docker build -f deploy/docker/hub.Dockerfile -t bedside-hub .
FROM python:3.13-slim-bookworm AS build
WORKDIR /src
COPY requirements/hub.txt requirements/build.txt ./requirements/
RUN python -m venv /venv \
 && /venv/bin/pip install --no-cache-dir --require-hashes -r requirements/build.txt -r requirements/hub.txt
COPY pyproject.toml README.md LICENSE ./
COPY vitals ./vitals
COPY hub ./hub
COPY bedside ./bedside
RUN /venv/bin/pip install --no-cache-dir --no-deps --no-build-isolation .

FROM python:3.13-slim-bookworm
RUN useradd --system --uid 10001 --home-dir /var/lib/bedside --create-home bedside
COPY --from=build /venv /venv
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1
USER bedside
WORKDIR /var/lib/bedside
EXPOSE 5054
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:5054/health/ready', timeout=2)"]
ENTRYPOINT ["bedside"]
CMD ["hub", "--config", "/etc/bedside/hub.toml"]
