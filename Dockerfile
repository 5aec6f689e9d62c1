# The platform as an Airflow image: every component runs from it, with a different command.
# Layers from what changes least to what changes most: PyTorch, packages, code.
FROM apache/airflow:3.3.2-python3.11

# A named volume takes over the owner of the folder it is mounted on.
USER 0
RUN install -d -o airflow -g 0 /opt/rag /opt/state
# The image's user airflow, by number, so that Kubernetes can see that it is not root.
USER 50000
WORKDIR /opt/rag

# The build without CUDA, before anything asks for torch: it saves gigabytes. --no-deps, because
# what it needs comes from the ordinary index below.
COPY --chown=airflow:0 requirements.txt constraints.txt ./
RUN pip install --no-cache-dir --no-deps \
      "$(grep -o '^torch==[0-9.]*' requirements.txt)+cpu" \
      --extra-index-url https://download.pytorch.org/whl/cpu

# The base image brings the Celery and PostgreSQL providers; constraints.txt leaves them alone.
RUN pip install --no-cache-dir -r requirements.txt

COPY --chown=airflow:0 . .

# The repository is the bundle; PYTHONPATH is for the triggerer and plugins, which bundles do not
# reach.
ENV PYTHONPATH=/opt/rag \
    AIRFLOW__CORE__DAGS_FOLDER=/opt/rag/dags \
    AIRFLOW__CORE__PLUGINS_FOLDER=/opt/rag/plugins \
    AIRFLOW__CORE__LOAD_EXAMPLES=False \
    AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST='[{"name": "rag", "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle", "kwargs": {"path": "/opt/rag"}}]'
