# The whole framework in one image; docker/compose.yaml starts one container for each node.
#
#     docker build -t sustainml_orchestrator .
#     docker run --rm -p 127.0.0.1:8080:8080 sustainml_orchestrator    # prints the token of the web page

FROM debian:12-slim

RUN apt-get update && apt-get install -y --no-install-recommends \
        build-essential ca-certificates git python3 python3-dev python3-venv \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /opt/sustainml_orchestrator
COPY . .
RUN make build && useradd --create-home --home-dir /var/lib/sustainml sustainml

USER sustainml
ENV ROS_HOME=/var/lib/sustainml LC_ALL=C.UTF-8
VOLUME /var/lib/sustainml
ENTRYPOINT ["/opt/sustainml_orchestrator/docker/entrypoint.sh"]
# Within the container the address 127.0.0.1 cannot be published.
CMD ["sustainml", "up", "--web-host", "0.0.0.0"]
