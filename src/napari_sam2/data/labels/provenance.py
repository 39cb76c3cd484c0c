"""Who made a mask: a person or a model, in which way, and which model."""

from __future__ import annotations

from dataclasses import dataclass

# How masks come about, in the order of their codes from 1 on.
SOURCES = {
    "painted": "given by a person as pixels",
    "clicked": "the model's answer to a person's clicks",
    "boxed": "the model's answer to a person's box",
    "tracked": "tracked by the model",
    "filled": "tracked by the model from two prompts",
    "found": "found by the model without a prompt",
    "unknown": "not recorded",
}
# A person has asked for these and seen them, and may have gone on because they were good.
ANSWERS = ("clicked", "boxed")
# Those that no person has looked at.
UNSEEN = ("tracked", "filled", "found")
# Added to the code of a source.
_CORRECTED, _ACCEPTED = 10, 20


@dataclass(frozen=True)
class Maker:
    """A model as a session ran it."""

    # Name of the model, hash of its file or weights, and name of the memory rule; empty where not known.
    model: str
    sha256: str
    memory: str


@dataclass(frozen=True)
class Provenance:
    """How a mask came about."""

    # One of `SOURCES`.
    source: str
    # None where no model took part.
    maker: Maker | None = None
    # Whether it stands where a model had put another one, which a person replaced.
    corrected: bool = False

    @classmethod
    def read(cls, source: str, model: tuple[str, str, str], *, corrected: bool) -> Provenance | None:
        """Make it of the cells of a table; None where there is no source."""
        return cls(source, Maker(*model) if any(model) else None, corrected=corrected) if source else None


@dataclass(frozen=True)
class Replaced:
    """What a model had put where a person has corrected it."""

    # How sharp its outline was, as in `ScoreRow`, and its IoU with the mask that is there now.
    sharpness: float | None
    overlap: float
    maker: Maker | None = None


def provenance_code(made: Provenance | None, *, accepted: bool = False) -> int:
    """Return the number that stands for a way in which a mask came about, 1 to 37."""
    source = made.source if made is not None and made.source in SOURCES else "unknown"
    corrected = made is not None and made.corrected
    return [*SOURCES].index(source) + 1 + _CORRECTED * corrected + _ACCEPTED * accepted


def describe_code(code: int) -> str:
    """Say in words what a number stands for."""
    base, parts = code % _CORRECTED, [*SOURCES.values()]
    extra = [", a correction of what a model had made"] if code // _CORRECTED % 2 else []
    extra += [", accepted by a person"] if code >= _ACCEPTED else []
    return parts[base - 1] + "".join(extra)
