"""The stages of ingestion: plain functions, adapters as arguments, URIs in and out.

    detect → prepare → check → batch → embed → publish

Each returns a small frozen value that survives JSON (so that Airflow hands it over as XCom) and
leaves its rows as Parquet in the run's folder. Each can be repeated: its output depends on its
input, and what is already done is found done.
"""
