"""The content hash of a reference data set; expected values by `printf '<key>\\t<etag>\\n…' | sha256sum`."""

import pytest

from smart_hub.shared.content_hash import content_hash

CA_AND_OR = "aeeac8ec73693b228a164c02dc7cc9326ebd97038e693ca9083e6ccc10f8a0e2"


@pytest.mark.parametrize(
    ("objects", "expected"),
    [
        ([("raw/rates/ca.xml", "e1"), ("raw/rates/or.xml", "e2")], CA_AND_OR),
        ([("raw/rates/or.xml", "e2"), ("raw/rates/ca.xml", "e1")], CA_AND_OR),
        ([("raw/rates/ca.xml", '"e1"'), ("raw/rates/or.xml", '"e2"')], CA_AND_OR),
        (
            [("raw/rates/é.xml", "e3"), ("raw/rates/zug.xml", "e2-3"), ("raw/rates/Zürich.xml", "e1")],
            "1c9ac28e295305cb347e8243b094d2fbb2ee64719cacda591eb6dd148ef7efa2",
        ),
        ([], "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
    ],
    ids=["sorted", "unsorted", "quoted ETags", "non-ASCII keys, an upload in parts", "none"],
)
def test_the_content_hash_is_that_of_the_sorted_lines(objects: list[tuple[str, str]], expected: str) -> None:
    assert content_hash(objects) == expected


def test_a_changed_or_renamed_object_changes_the_content_hash() -> None:
    changed = content_hash([("raw/rates/ca.xml", "e1"), ("raw/rates/or.xml", "e3")])
    renamed = content_hash([("raw/rates/ca.xml", "e1"), ("raw/rates/wa.xml", "e2")])
    assert len({CA_AND_OR, changed, renamed}) == 3
