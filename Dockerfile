# sidegate and nothing else: no shell, no libraries, no root.
#
#   docker build -t sidegate .
#   docker network create web, and the app in it: docker run --network web --name app …
#   docker run --network web -p 80:80 -p 443:443 -v sidegate:/data --stop-timeout 30 \
#       -e TLS_DOMAIN=example.com -e TARGET=http://app:3000 sidegate
#
# With --network host, or under Podman, ports below 1024 may need net.ipv4.ip_unprivileged_port_start=80.

FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY Cargo.toml Cargo.lock Makefile build.rs ./
COPY .cargo .cargo
COPY src src
COPY benches benches
COPY link link
RUN make static && mkdir /empty

FROM scratch
COPY --from=build /src/target/static/sidegate /sidegate
# A volume that is mounted here takes over the owner.
COPY --from=build --chown=65532:65532 --chmod=0700 /empty /data
# The roots of public CAs are built in; SSL_CERT_FILE names others.
ENV STORAGE_PATH=/data
USER 65532:65532
EXPOSE 80 443
# The drain ends within 25 seconds: give it 30 (`docker stop -t 30`).
STOPSIGNAL SIGTERM
ENTRYPOINT ["/sidegate"]
