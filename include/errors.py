"""The error tree: what is worth a retry, what is not, and whose fault it is.

    PlatformError
    ├── TransientError          the same call may succeed later: Airflow retries it
    │   └── CommitConflictError      another writer committed first
    └── PermanentError          a retry cannot help: fail at once, keep what is there
        ├── ConfigurationError  a setting, a connection or a file of ours is wrong
        │   └── QueryError           what was asked cannot be searched for: ask something else
        ├── SourceError         the source cannot be listed: nothing may be concluded from it
        ├── LakeError           the lake cannot be used: newer format, damaged, full disk
        ├── ModelError          an embedding model is missing or gives wrong vectors
        ├── BudgetError         a budget is used up: what was paid is kept, a later run goes on
        ├── ApprovalError       a run would cost more than it may without a person's approval
        ├── GateError           a run-level quality rule refused the run
        └── DocumentError       one document is unusable: quarantine it, go on with the rest

Every message names what failed, the value, what was expected and what to do about it.
"""

from __future__ import annotations


class PlatformError(Exception):
    """Anything this platform raises on purpose."""


class TransientError(PlatformError):
    """The same call may succeed later."""


class CommitConflictError(TransientError):
    """Another writer changed the same state first."""


class PermanentError(PlatformError):
    """Retrying the same input gives the same failure."""


class ConfigurationError(PermanentError):
    """A setting, a connection or a file of the user's is wrong; nothing was started."""


class QueryError(ConfigurationError):
    """What was asked cannot be searched for, however everything else is set up."""


class SourceError(PermanentError):
    """The source cannot be listed completely, so nothing may be deleted because of it."""


class LakeError(PermanentError):
    """The lake cannot be read or written as it is."""


class ModelError(PermanentError):
    """An embedding model is missing, or what it returns cannot be trusted."""


class BudgetError(PermanentError):
    """A budget does not allow the next call, and it was not made."""


class ApprovalError(PermanentError):
    """A run would cost more than `approval_usd`, and nobody has approved it: nothing was paid."""


class GateError(PermanentError):
    """A quality rule about the whole run failed: nothing was published."""


class DocumentError(PermanentError):
    """One document cannot be indexed.

    `reason` is a stable code (see docs/operations.md); `detail` is one sentence for a person.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail
