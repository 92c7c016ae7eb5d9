"""What can go wrong, as exceptions. Each carries the engine's stable code."""

from __future__ import annotations


class TacitError(Exception):
    """An error of the engine or of a session.

    ``code`` is stable, the text says what happened and what to do next.
    """

    code: str

    def __init__(self, code: str, text: str) -> None:
        super().__init__(f"{text} [{code}]")
        self.code = code


class SecretTypeError(TacitError, TypeError):
    """Types or shapes that do not fit, or something that a secret array cannot be."""


class SecretValueError(TacitError, ValueError):
    """Values that are not as declared: data beyond their range, shares of another form."""


class SecretRangeError(TacitError, OverflowError):
    """A value would not provably fit the engine's words, or left the range that was promised."""


class PeerError(TacitError, ConnectionError):
    """The other party is away, has another key, or does something else."""


class PeerTimeoutError(PeerError, TimeoutError):
    """The other party was silent for too long."""


_CLASSES: dict[str, type[TacitError]] = {
    "PROGRAM_TYPE": SecretTypeError,
    "PROGRAM_MALFORMED": SecretTypeError,
    "PROGRAM_RANGE": SecretRangeError,
    "OUT_OF_RANGE": SecretRangeError,
    "INPUT_SCHEMA": SecretValueError,
    "SHARE_FORM": SecretValueError,
    "PROGRAM_PARTIES": SecretValueError,
    "USAGE_PAIR": SecretValueError,
    "PEER_TIMEOUT": PeerTimeoutError,
}


def exception(code: str, text: str) -> TacitError:
    """The exception for a code of the engine."""
    kind = _CLASSES.get(code)
    if kind is None:
        peer = code.startswith(("CHANNEL_", "PEER_", "PROTOCOL_", "PLAN_", "SESSION_", "RELEASE_"))
        kind = PeerError if peer else TacitError
    return kind(code, text)
