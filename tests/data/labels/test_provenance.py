"""Codes for how masks came about, and their legend."""

from __future__ import annotations

from itertools import product

from napari_sam2.data.labels.provenance import SOURCES, Provenance, describe_code, provenance_code


def test_every_way_has_a_code_of_its_own_that_says_it() -> None:
    ways = list(product(SOURCES, (False, True), (False, True)))
    codes = [provenance_code(Provenance(one, None, corrected), accepted=accepted) for one, corrected, accepted in ways]
    assert len({*codes}) == len(ways)
    assert 0 < min(codes) < max(codes) < 256
    for code, (source, corrected, accepted) in zip(codes, ways, strict=True):
        text = describe_code(code)
        assert text.startswith(SOURCES[source])
        assert ("correction" in text, "accepted" in text) == (corrected, accepted)


def test_what_nobody_knows_or_a_later_version_wrote_is_unknown() -> None:
    for made in (None, Provenance("dreamt")):
        assert describe_code(provenance_code(made)) == "not recorded"
