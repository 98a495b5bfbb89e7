"""The errors of ingestion. `transient` answers the first question: may the same work be tried again as it is?"""


class IngestionError(Exception):
    """Something about data, staging or the warehouse went wrong.

    `message` says what was tried, where and what came back; `advice` says what a support person should do.
    """

    transient = False
    fault = "data"

    def __init__(self, message: str, *, advice: str = "", detail: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.advice = advice
        self.detail = detail  # technical, for people who may see raw data only


class TransientError(IngestionError):
    """The same work may succeed later: a lost connection, a busy warehouse, a store that answers 503."""

    transient = True
    fault = "transient"


class DiskFull(TransientError):
    """No room to stage. Retried a few times, since a janitor may make room, then failed as "disk"."""

    fault = "disk"


class DataFault(IngestionError):
    """The data itself cannot be taken: unreadable records, a failed cast, a broken count chain."""


class ConfigFault(IngestionError):
    """A setting or a right is missing: a person must change something before a retry can help."""

    fault = "config"


class SchemaFault(IngestionError):
    """The data's shape is not allowed by the dataset's schema policy."""

    fault = "schema"


class Fenced(IngestionError):
    """A newer attempt owns this work; what this one did changes nothing. Never shown to people as a failure."""

    fault = "fenced"


class WrongState(IngestionError):
    """What was asked cannot be done in the state that the batch is in."""

    fault = "state"
