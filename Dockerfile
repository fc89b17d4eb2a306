# syntax=docker/dockerfile:1
# Stages: `build` installs from the hashed locks, the last one receives the result and nothing else.

# A tag can move, a digest can not. None is written here because it must be read where the registry is reachable:
#   docker buildx imagetools inspect python:3.12-slim-bookworm
#   docker build --build-arg BASE=python:3.12-slim-bookworm@sha256:<digest> .
ARG BASE=python:3.12-slim-bookworm

FROM ${BASE} AS build
WORKDIR /src
COPY . .
RUN sh deploy/install.sh /opt/nitro-verifier

FROM ${BASE}
LABEL org.opencontainers.image.title="nitro-verifier" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /opt/nitro-verifier /opt/nitro-verifier

# The root file system may be read-only: nothing is written but /tmp (metrics of several workers) and, where the
# single-use guard is on, /data.
ENV PATH=/opt/nitro-verifier/bin:/usr/local/bin:/usr/bin:/bin
ENV PYTHONDONTWRITEBYTECODE=1
ENV PYTHONUNBUFFERED=1
ENV PYTHONSAFEPATH=1
RUN install -d -o 10001 -g 10001 /data
VOLUME /data

# A number, so that Kubernetes' runAsNonRoot can see that it is not root.
USER 10001:10001
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s --retries=3 CMD ["python", "-c", "import http.client as h, sys; c = h.HTTPConnection('127.0.0.1', 8080, timeout=2); c.request('GET', '/readyz'); sys.exit(c.getresponse().status != 200)"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["nitro-verifier"]
# No policy is in the image: mount yours. Without one the service says so and does not start.
CMD ["serve", "--host", "0.0.0.0", "--port", "8080", "--policies", "/etc/nitro-verifier/policies"]
