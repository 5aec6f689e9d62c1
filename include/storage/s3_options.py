"""The options of Rust's `object_store`, which LanceDB and Polars read and write S3 with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from include.errors import ConfigurationError

if TYPE_CHECKING:
    from botocore.credentials import ReadOnlyCredentials

# A lake must ride out a slow minute of the store: more attempts than the default of three.
_RETRIES = {"client_max_retries": "10", "client_retry_timeout": "180"}
_ARGUMENTS = {
    "ServerSideEncryption": "aws_server_side_encryption",
    "SSEKMSKeyId": "aws_sse_kms_key_id",
    "BucketKeyEnabled": "aws_sse_bucket_key_enabled",
}


def native_options(
    bucket: str,
    *,
    endpoint: str,
    region: str | None,
    virtual: bool,
    keys: ReadOnlyCredentials | None,
    arguments: Mapping[str, Any],
) -> dict[str, str]:
    """The options for one bucket; `endpoint` is "" at Amazon, `keys` None for anonymous reading."""
    if "SSECustomerKey" in arguments:
        raise ConfigurationError(
            "A lake cannot be encrypted with a key of your own (SSECustomerKey in extra_args of "
            "the connection rag_s3): LanceDB does not take it. Use aws:kms."
        )
    options = dict(_RETRIES)
    if region and region != "aws-global":
        options["aws_region"] = region
    if endpoint:
        parts = urlsplit(endpoint)
        place = f"{parts.scheme}://{bucket}.{parts.netloc}" if virtual else endpoint
        options["aws_endpoint"] = place
        options["aws_allow_http"] = options["allow_http"] = str(parts.scheme == "http").lower()
    options["aws_virtual_hosted_style_request"] = str(virtual).lower()
    if keys is None:
        options["aws_skip_signature"] = "true"
    else:
        options["aws_access_key_id"] = keys.access_key
        options["aws_secret_access_key"] = keys.secret_key
        if keys.token:
            options["aws_session_token"] = keys.token
    if arguments.get("RequestPayer") == "requester":
        options["aws_request_payer"] = "true"
    for name, option in _ARGUMENTS.items():
        if name in arguments:
            options[option] = (
                str(arguments[name]).lower() if option.endswith("enabled") else str(arguments[name])
            )
    return options
