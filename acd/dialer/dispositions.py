"""The dialer's name for `acd.rules.dispositions`, which the store stands on too."""

from acd.rules.dispositions import (
    Disposition,
    RetryAction,
    RetryRule,
    TransferOutcome,
    disposition_of,
)

__all__ = ["Disposition", "RetryAction", "RetryRule", "TransferOutcome", "disposition_of"]
