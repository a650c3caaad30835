# The gateway's agent, without the hub's database and web libraries. Build from the repository's root:
#   docker build -f deploy/docker/agent.Dockerfile -t bedside-agent .
# Bluetooth needs the host's D-Bus: run with -v /run/dbus/system_bus_socket:/run/dbus/system_bus_socket; serial lines with --device.
FROM python:3.13-slim-bookworm AS build
WORKDIR /src
COPY requirements/edge.txt requirements/build.txt ./requirements/
RUN python -m venv /venv \
 && /venv/bin/pip install --no-cache-dir --require-hashes -r requirements/build.txt -r requirements/edge.txt
COPY pyproject.toml README.md LICENSE ./
COPY vitals ./vitals
COPY device_drivers ./device_drivers
COPY edge_agent ./edge_agent
COPY bedside ./bedside
RUN /venv/bin/pip install --no-cache-dir --no-deps --no-build-isolation .

FROM python:3.13-slim-bookworm
RUN useradd --system --uid 10001 --groups dialout --home-dir /var/lib/bedside --create-home bedside
COPY --from=build /venv /venv
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1
USER bedside
WORKDIR /var/lib/bedside
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s --retries=3 \
  CMD ["bedside", "agent", "status", "--config", "/etc/bedside/gateway.toml"]
ENTRYPOINT ["bedside"]
CMD ["agent", "run", "--config", "/etc/bedside/gateway.toml"]
