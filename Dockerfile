# Every program of dmonitor as a small image of its own: docker build --target prober .
#
# One stage builds all programs, static; each final stage takes its own. Nothing runs as root, and nothing needs
# to be writable but /var/lib/dmonitor in the images that carry the bus.
# It needs neither BuildKit nor anything else beyond a plain "docker build".

FROM golang:1.26-bookworm AS build
WORKDIR /src
# Each module is built alone, with its own go.mod, as "go install" on somebody's machine would build it.
ENV CGO_ENABLED=0 GOWORK=off
# The dependencies first: this layer stays valid until a go.mod or go.sum changes.
COPY pkg/events/go.* pkg/events/
COPY pkg/key/go.* pkg/key/
COPY pkg/bus/go.* pkg/bus/
COPY pkg/confdir/go.* pkg/confdir/
COPY pkg/proc/go.* pkg/proc/
COPY services/scheduler/go.* services/scheduler/
COPY services/prober/go.* services/prober/
COPY services/arbiter/go.* services/arbiter/
COPY services/mailer/go.* services/mailer/
COPY plugins/go.* plugins/
COPY demo/go.* demo/
COPY cmd/dmonitor/go.* cmd/dmonitor/
RUN set -e; for mod in $(find . -name go.mod); do (cd "$(dirname "$mod")" && go mod download); done
COPY . .
ARG VERSION=devel
# timetzdata puts the time zones into the binary: an image from scratch has none. What else it lacks, a user and the
# certificate authorities, comes from /rootfs. The build cache is dropped, since no later step uses it.
RUN set -e; for main in services/*/cmd/*/ plugins/cmd/*/ demo/cmd/*/ cmd/dmonitor; do \
      echo "build $main"; \
      (cd "$main" && go build -trimpath -tags timetzdata \
        -ldflags "-s -w -X github.com/dmonitor/dmonitor/pkg/proc.version=$VERSION" -o /out/bin/ .); \
    done; \
    go clean -cache; \
    mkdir -p /rootfs/etc/ssl/certs; \
    cp /etc/ssl/certs/ca-certificates.crt /rootfs/etc/ssl/certs/; \
    echo 'dmonitor:x:12929:12929:dmonitor:/var/lib/dmonitor:/usr/sbin/nologin' > /rootfs/etc/passwd; \
    echo 'dmonitor:x:12929:' > /rootfs/etc/group

# Where plugins run there are a shell and the usual tools, since many a plugin is a shell script.
FROM debian:bookworm-slim AS plugin-base
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
RUN set -e; \
    echo 'dmonitor:x:12929:12929:dmonitor:/var/lib/dmonitor:/usr/sbin/nologin' >> /etc/passwd; \
    echo 'dmonitor:x:12929:' >> /etc/group; \
    install -d -o 12929 -g 12929 -m 0750 /var/lib/dmonitor; \
    install -d /etc/dmonitor; \
    # Where the demo's volumes with the cluster key and a credentials file are: they take over whose these are.
    install -d -o 12929 -g 12929 -m 0700 /keys /creds
USER 12929:12929
VOLUME /var/lib/dmonitor
# 2929 is the cluster, between monitoring hosts; 4222 is for NATS clients.
EXPOSE 2929 4222
# The process answers: bash opens a connection to the port of /healthz and closes it again.
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s CMD ["bash", "-c", ": < /dev/tcp/127.0.0.1/8080"]

# A monitoring host in one process.
FROM plugin-base AS dmonitor
COPY --from=build /out/bin/dmonitor /usr/bin/dmonitor
ENTRYPOINT ["dmonitor"]
CMD ["run"]

# A node that runs plugins and carries a member of the bus.
FROM plugin-base AS prober
COPY --from=build /out/bin/dmonitor-prober /out/bin/dmonitor-plugins /usr/bin/
USER 0:0
RUN install -d /usr/lib/dmonitor/plugins && dmonitor-plugins link /usr/lib/dmonitor/plugins
USER 12929:12929
ENV DMONITOR_PLUGINS=/usr/lib/dmonitor/plugins
ENTRYPOINT ["dmonitor-prober"]

FROM scratch AS base
COPY --from=build /rootfs /
ENV PATH=/usr/bin
USER 12929:12929

FROM base AS scheduler
COPY --from=build /out/bin/dmonitor-scheduler /usr/bin/
ENTRYPOINT ["dmonitor-scheduler"]

FROM base AS arbiter
COPY --from=build /out/bin/dmonitor-arbiter /usr/bin/
ENTRYPOINT ["dmonitor-arbiter"]

FROM base AS mailer
COPY --from=build /out/bin/dmonitor-mailer /usr/bin/
ENTRYPOINT ["dmonitor-mailer"]

# The demo: a host that goes down now and then, and an inbox with a page.
FROM base AS demo-host
COPY --from=build /out/bin/demo-host /usr/bin/
ENTRYPOINT ["demo-host"]

FROM base AS demo-inbox
COPY --from=build /out/bin/demo-inbox /usr/bin/
ENTRYPOINT ["demo-inbox"]
