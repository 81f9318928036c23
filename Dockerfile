# docker build --tag valet .
# docker run --publish 9000:9000 --volume valet:/var/lib/valet valet
FROM rust:1-bookworm AS build
WORKDIR /src
COPY . .
RUN cargo install --locked --path crates/valet --root /out --no-track \
    && mkdir /out/data

FROM debian:bookworm-slim
# Authorities, for the identity providers that the server asks.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /out/bin/valet /usr/local/bin/valet
# Nobody: the data belong to a number, whatever users the image has.
COPY --from=build --chown=65532:65532 --chmod=0700 /out/data /var/lib/valet
USER 65532:65532
ENV VALET_DATA_DIR=/var/lib/valet VALET_LISTEN=0.0.0.0:9000
VOLUME /var/lib/valet
EXPOSE 9000
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/local/bin/valet"]
CMD ["serve"]
