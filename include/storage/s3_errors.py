"""What botocore raises, as the platform's errors: what failed, where, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from include.errors import ConfigurationError, PlatformError, TransientError

ABSENT = frozenset({"404", "NoSuchKey", "NotFound", "NoSuchVersion"})
REFUSED = frozenset({"412", "409", "PreconditionFailed", "ConditionalRequestConflict"})
DENIED = frozenset({"403", "AccessDenied", "AllAccessDisabled", "InvalidObjectState"})

BUSY = frozenset(
    {"500", "502", "503", "504", "InternalError", "OperationAborted", "RequestTimeout", "SlowDown",
     "ServiceUnavailable", "Throttling", "ThrottlingException", "TooManyRequests",
     "RequestLimitExceeded", "BandwidthLimitExceeded", "XMinioServerNotInitialized",
     "307", "TemporaryRedirect"}  # a bucket so new that its region does not know it yet
)  # fmt: skip
_REMEDIES = {
    "NoSuchBucket": "There is no such bucket: correct the URI, or create the bucket",
    "InvalidBucketName": "No bucket can have that name: correct the URI",
    "InvalidAccessKeyId": "The store does not know the access key id: correct the login of the "
    "connection rag_s3",
    "SignatureDoesNotMatch": "The secret key does not belong to the access key id: correct the "
    "password of the connection rag_s3",
    "ExpiredToken": "The session token has expired: put a new one into the connection rag_s3, or "
    "use role_arn, whose keys are renewed",
    "InvalidToken": "The session token is not valid: correct aws_session_token in the connection "
    "rag_s3",
    "RequestTimeTooSkewed": "This machine's clock is wrong: set it (NTP)",
    "PermanentRedirect": "The bucket is in another region: correct region_name in the connection "
    "rag_s3",
    "AuthorizationHeaderMalformed": "The bucket is in another region: correct region_name in the "
    "connection rag_s3",
    "IllegalLocationConstraintException": "The bucket is in another region: correct region_name "
    "in the connection rag_s3",
    "NotImplemented": "The store does not offer this operation: use another store",
}
_REMEDIES |= {
    "RequestExpired": _REMEDIES["ExpiredToken"],
    "ExpiredTokenException": _REMEDIES["ExpiredToken"],
    "TokenRefreshRequired": _REMEDIES["ExpiredToken"],
    "301": _REMEDIES["PermanentRedirect"],
    "501": _REMEDIES["NotImplemented"],
    "InvalidClientTokenId": _REMEDIES["InvalidAccessKeyId"],
}
_DENIED_REMEDY = "These keys may not do that: allow it in the policy (docs/s3.md)"


@contextmanager
def translated(subject: str) -> Iterator[None]:
    """Turns what botocore raises about the place named into TransientError or ConfigurationError."""
    from botocore.exceptions import BotoCoreError, ClientError
    from botocore.parsers import ResponseParserError

    try:
        yield
    except ClientError as error:
        raise meaning(error, subject) from error
    except ResponseParserError as error:
        raise not_s3(subject) from error
    except BotoCoreError as error:
        raise _without_answer(error, subject) from error


def code(error: Exception) -> str:
    """The store's code for what went wrong, such as `NoSuchKey`; the HTTP status without one."""
    answer = getattr(error, "response", {})
    found = answer.get("Error", {}).get("Code") or ""
    return str(found or answer.get("ResponseMetadata", {}).get("HTTPStatusCode", ""))


def meaning(error: Exception, subject: str) -> PlatformError:
    """The platform's error for an answer of the store."""
    from botocore.exceptions import ClientError

    assert isinstance(error, ClientError)
    name, operation = code(error), error.operation_name
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    what = f"{operation} of {subject} was refused with {name}"
    if refused := refusal(name, what):
        return refused
    if name in BUSY or status >= 500 or status == 429:
        return TransientError(f"{what} after several attempts: the store is busy; try again later.")
    return ConfigurationError(
        f"{what}: {error.response.get('Error', {}).get('Message', 'no reason given')!r}. Check that "
        f"the endpoint is an S3 API and what it says about this."
    )


def refusal(name: str, what: str) -> ConfigurationError | None:
    """The error for a code whose remedy is known; `what` says what was refused."""
    remedy = _DENIED_REMEDY if name in DENIED else _REMEDIES.get(name)
    return ConfigurationError(f"{what}. {remedy}.") if remedy else None


def etag(answer: Mapping[str, Any], where: str) -> str:
    """The etag of an answer. Raises ConfigurationError when there is none: then it is not S3's."""
    if not answer.get("ETag"):
        raise not_s3(where)
    return str(answer["ETag"])


def _without_answer(error: Exception, subject: str) -> PlatformError:
    """The error when there was no answer, or none that is S3's."""
    from botocore import exceptions as known

    place = getattr(error, "kwargs", {}).get("endpoint_url", "")
    where = f"{subject} at {place}" if place else subject
    if isinstance(error, known.NoCredentialsError | known.PartialCredentialsError):
        return ConfigurationError(
            f"There are no keys for {subject}. Set the connection rag_s3 (AIRFLOW_CONN_RAG_S3), or "
            f"run where the machine has a role."
        )
    if isinstance(error, known.SSLError):
        return ConfigurationError(
            f"{where}: the TLS connection failed ({error}). Use https with a certificate this "
            f"machine trusts, or set extra.verify of the connection rag_s3 to its CA file."
        )
    cut = known.IncompleteReadError
    if isinstance(error, known.HTTPClientError | known.ConnectionError | cut):
        return TransientError(
            f"{where} could not be reached ({type(error).__name__}). If it stays so, correct "
            f"endpoint_url in the connection rag_s3."
        )
    return ConfigurationError(f"{where}: {error} Correct the connection rag_s3.")


def not_s3(where: str) -> ConfigurationError:
    """The error for something that answers, but not as S3 does."""
    return ConfigurationError(
        f"{where}: what answers is no S3 API. Correct endpoint_url in the connection rag_s3."
    )
