"""A bucket whose objects notify a queue, on a real S3 and SQS API on loopback."""

from __future__ import annotations

import json
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

BUCKET = "rag-source"
PREFIX = "docs/"
KEYS = {"aws_access_key_id": "t", "aws_secret_access_key": "t", "region_name": "us-east-1"}


class Cloud:
    """The bucket `rag-source` and the queue that hears of everything below `docs/`."""

    def __init__(self, endpoint: str) -> None:
        import boto3

        self.endpoint = endpoint
        self.s3 = boto3.client("s3", endpoint_url=endpoint, **KEYS)
        self.sqs = boto3.client("sqs", endpoint_url=endpoint, **KEYS)
        self.s3.create_bucket(Bucket=BUCKET)
        self.queue = self.sqs.create_queue(QueueName="rag-source")["QueueUrl"]
        self.notify(True)

    def notify(self, on: bool) -> None:
        """Switches the notifications of the bucket."""
        arn = self.sqs.get_queue_attributes(QueueUrl=self.queue, AttributeNames=["QueueArn"])
        wanted = {
            "QueueArn": arn["Attributes"]["QueueArn"],
            "Events": ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"],
            "Filter": {"Key": {"FilterRules": [{"Name": "prefix", "Value": PREFIX}]}},
        }
        chosen = {"QueueConfigurations": [wanted]} if on else {}
        self.s3.put_bucket_notification_configuration(
            Bucket=BUCKET, NotificationConfiguration=chosen
        )

    def environment(self) -> dict[str, str]:
        """The settings and the connection that watch this bucket through its queue."""
        extra = {
            "endpoint_url": self.endpoint, "region_name": "us-east-1",
            "config_kwargs": {"s3": {"addressing_style": "path"}},
        }  # fmt: skip
        connection = {"conn_type": "aws", "login": "t", "password": "t", "extra": extra}
        return {
            "AIRFLOW_CONN_RAG_S3": json.dumps(connection),
            "RAG_SOURCE_URI": f"s3://{BUCKET}/{PREFIX.rstrip('/')}",
            "RAG_WATCH": "sqs",
            "RAG_WATCH_QUEUE": self.queue,
        }

    def put(self, name: str, text: str) -> None:
        """Writes a document."""
        self.s3.put_object(Bucket=BUCKET, Key=PREFIX + name, Body=text.encode())

    def put_all(self, documents: Iterable[tuple[str, str]]) -> None:
        """Writes documents, four at a time: their notifications come in any order."""
        with ThreadPoolExecutor(4) as writers:
            list(writers.map(lambda one: self.put(*one), documents))

    def delete(self, name: str) -> None:
        """Deletes a document."""
        self.s3.delete_object(Bucket=BUCKET, Key=PREFIX + name)

    def text(self, name: str) -> str:
        """What a document says."""
        body = self.s3.get_object(Bucket=BUCKET, Key=PREFIX + name)["Body"].read()
        return str(body, "utf-8")

    def names(self) -> set[str]:
        """What the bucket holds."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=PREFIX)
        return {each["Key"][len(PREFIX) :] for page in pages for each in page.get("Contents", ())}

    def repeat(self, names: Iterable[str]) -> None:
        """Sends the notifications of these objects once more, late."""
        for name in names:
            self.sqs.send_message(QueueUrl=self.queue, MessageBody=json.dumps(_late(name)))

    def waiting(self) -> int:
        """How many messages are in the queue."""
        count = "ApproximateNumberOfMessages"
        found = self.sqs.get_queue_attributes(QueueUrl=self.queue, AttributeNames=[count])
        return int(found["Attributes"][count])


def _late(name: str) -> dict[str, Any]:
    subject = {"bucket": {"name": BUCKET}, "object": {"key": PREFIX + name, "sequencer": "00"}}
    return {"Records": [{"eventName": "ObjectCreated:Put", "s3": subject}]}
