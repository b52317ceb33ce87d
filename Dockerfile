# The demo as one static program in an empty image. Needs BuildKit (Docker's default since 23.0) for the cache mounts.
FROM rust:1.95 AS build
WORKDIR /src
COPY . .
# Static against glibc, for the machine that builds. Naming the target keeps the flag away from build scripts and macros.
# The cache keeps the dependencies; our own sources are touched, since cargo goes by their age, and another checkout's may
# be older than what the cache holds.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target,id=highwater-target \
    find Cargo.* crates examples -type f -exec touch {} + \
    && target="$(rustc -vV | sed -n 's/^host: //p')" \
    && RUSTFLAGS="-C target-feature=+crt-static" cargo build --release --locked -p demo --target "$target" \
    && cp "target/$target/release/demo" /demo \
    && mkdir /boxes

FROM scratch
COPY --from=build /demo /demo
# Where compose mounts the volume of the black boxes, which takes its owner from here.
COPY --from=build --chown=10001:10001 /boxes /boxes
USER 10001:10001
EXPOSE 3000 7070
STOPSIGNAL SIGTERM
ENTRYPOINT ["/demo"]
