# Herald in a container. No token is baked in: they come from the environment, from mounted files (HERALD_..._FILE),
# or from a mounted /app/config/herald.toml. What Herald keeps (database, key) is in the volume /data.
#
#   docker build -t herald .
#   docker run -d --name herald -v herald:/data -v ./config:/app/config:ro --env-file herald.env herald

FROM python:3.11-slim-bookworm AS build
WORKDIR /app
ENV HERALD_VENV=/opt/herald
# The environment changes only with the lock, so it is a layer of its own. It is made by the very functions of ./run.
COPY scripts/environment.sh scripts/environment.sh
COPY requirements.lock ./
RUN set -eu; root=$PWD; . scripts/environment.sh; prepare requirements.lock
COPY bot bot
RUN /opt/herald/bin/python -m compileall -q bot && /opt/herald/bin/herald version

FROM python:3.11-slim-bookworm
RUN useradd --system --uid 10001 --user-group --no-create-home --home-dir /data herald \
    && install -d -o herald -g herald -m 0700 /data
COPY --from=build /opt/herald /opt/herald
WORKDIR /app
COPY --from=build /app/bot bot
COPY prompts prompts
COPY config config
COPY LICENSE ./
ENV HERALD_DATA_DIR=/data \
    PATH=/opt/herald/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER herald
VOLUME /data
# Herald writes down that it is alive; `herald health` looks how long ago that was.
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s --retries=3 CMD ["herald", "health"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["herald"]
CMD ["run"]
