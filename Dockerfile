# Two stages: one builds an environment from the locked requirements, the other holds that environment and nothing that builds.
# Behind a firewall, give the build your own index: docker build --secret id=pip.conf,src=pip.conf .
FROM python:3.13-slim AS build
WORKDIR /src
COPY requirements/ requirements/
RUN --mount=type=secret,id=pip.conf,target=/etc/pip.conf \
    python -m venv /opt/build && \
    /opt/build/bin/pip install --require-hashes --requirement requirements/build.txt && \
    python -m venv --without-pip /opt/wheelkeep && \
    /opt/build/bin/pip --python /opt/wheelkeep/bin/python install --require-hashes --requirement requirements/run.txt
COPY pyproject.toml README.md ./
COPY config/ config/
COPY mirror/ mirror/
COPY proxy/ proxy/
COPY wheelkeep/ wheelkeep/
COPY deploy/check_import_names.py deploy/
RUN /opt/build/bin/pip wheel --no-index --no-deps --no-build-isolation --wheel-dir /tmp/dist . && \
    /opt/build/bin/pip --python /opt/wheelkeep/bin/python install --no-index --no-deps --compile /tmp/dist/*.whl && \
    /opt/wheelkeep/bin/python -P deploy/check_import_names.py

FROM python:3.13-slim
RUN python -m pip uninstall --yes --quiet pip && \
    rm -r "$(python -c 'import ensurepip; print(*ensurepip.__path__)')" && \
    useradd --uid 10001 --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin wheelkeep && \
    install --directory --owner=10001 --group=10001 /data
COPY --from=build /opt/wheelkeep /opt/wheelkeep
ENV PATH=/opt/wheelkeep/bin:$PATH \
    PYTHONSAFEPATH=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    WHEELKEEP_SERVER__HOST=0.0.0.0 \
    WHEELKEEP_SERVER__PORT=8080 \
    WHEELKEEP_STORE__URL=file:/data \
    WHEELKEEP_CACHE__PATH=/data/cache
# Everything that is written goes to /data: the rest runs with `docker run --read-only`.
VOLUME /data
WORKDIR /data
USER 10001:10001
EXPOSE 8080
# By http.client, since urllib would ask a proxy of the environment.
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
    CMD ["python", "-c", "import http.client, os, sys; asked = http.client.HTTPConnection('127.0.0.1', int(os.environ['WHEELKEEP_SERVER__PORT']), timeout=2); asked.request('GET', '/healthz'); sys.exit(asked.getresponse().status != 200)"]
ENTRYPOINT ["wheelkeep"]
CMD ["serve"]
