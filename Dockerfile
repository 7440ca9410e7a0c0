# The launcher with its bot, its page and what plays vendors' rooms. Nothing is fetched when it starts.
# Built and run nowhere yet: linted only (docs/production.md says what that means).

FROM node:22-slim AS viewer
WORKDIR /viewer
COPY web/viewer/package.json web/viewer/package-lock.json ./
RUN npm ci --no-audit --no-fund

FROM python:3.11-slim AS build
ENV UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never
WORKDIR /avatarbot
RUN pip install --no-cache-dir "uv>=0.9,<1"
COPY pyproject.toml ./
ARG EXTRAS="--extra webrtc"
# shellcheck disable=SC2086
RUN uv sync --no-dev ${EXTRAS}

FROM python:3.11-slim
RUN useradd --uid 10001 --create-home avatarbot \
    && install --directory --owner avatarbot --mode 700 /state
WORKDIR /avatarbot
COPY --from=build /avatarbot/.venv .venv
COPY --from=viewer /viewer/node_modules web/viewer/node_modules
COPY . .
ENV PATH="/avatarbot/.venv/bin:$PATH" PYTHONUNBUFFERED=1 XDG_STATE_HOME=/state
USER 10001
VOLUME /state
EXPOSE 7860
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:7860/livez', timeout=2)"]
# Beyond loopback it answers only to TRUSTED_PROXIES, with the names of PUBLIC_URL.
ENTRYPOINT ["python", "-m", "launcher", "serve", "--host", "0.0.0.0"]
