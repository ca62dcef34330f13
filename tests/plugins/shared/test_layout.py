"""Names of runs and versions, and the prefixes made of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smart_hub.shared import layout
from tests.fake_aws import DAY, RUN, RUN_ID


def test_a_run_is_named_after_its_day_and_id() -> None:
    assert layout.run_name(DAY, RUN_ID) == RUN
    assert layout.RUN_PATTERN.fullmatch(RUN)


def test_a_run_needs_a_day() -> None:
    with pytest.raises(ValueError, match="yesterday"):
        layout.run_name("yesterday", RUN_ID)


def test_a_version_begins_with_the_hash_of_its_run() -> None:
    # printf 2019-12-21-19b04f5690f1 | sha256sum begins with f605cc1d, that of 0199c0de with dc4c6016
    assert layout.version_name(RUN, "0199c0de") == "vf605cc1ddc4c6016"


@given(st.text(), st.text(), st.text(), st.text())
def test_versions_belong_to_their_run_alone(run_id: str, other_id: str, first: str, second: str) -> None:
    run, other = layout.run_name(DAY, run_id), layout.run_name("2019-12-22", other_id)
    version = layout.version_name(run, first)
    assert layout.VERSION_PATTERN.fullmatch(version)
    assert layout.is_version_of(run, version)
    assert not layout.is_version_of(other, version)
    assert (layout.version_name(run, second) == version) == (first == second)


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("usage/dt=2019-12-21/a.json", "raw/usage/dt=2019-12-21/a.json"),
        ("usage/dt=2019-12-21/A.JSON", "raw/usage/dt=2019-12-21/A.JSON"),
        ("usage/dt=2019-12-21/A.JSON.gz", "raw/usage/dt=2019-12-21/A.JSON.gz"),
        # In Trino, the engine of Athena, the suffix is case-sensitive.
        ("usage/dt=2019-12-21/A.JSON.GZ", "raw/usage/dt=2019-12-21/A.JSON.gz"),
        ("usage/dt=2019-12-21/B.Zst", "raw/usage/dt=2019-12-21/B.zst"),
        ("usage/dt=2019-12-21/gz", "raw/usage/dt=2019-12-21/gz"),
    ],
)
def test_a_compressed_raw_file_has_the_suffix_that_athena_knows(name: str, key: str) -> None:
    assert layout.raw_key(name) == key


def test_versions_are_parsed_from_table_names_and_locations() -> None:
    assert layout.staging_table("usage", "v1") == "staging_usage_v1"
    version = layout.version_name(RUN, "0199c0de")

    table = layout.STAGING_TABLE_PATTERN.fullmatch(layout.staging_table("usage_cost", version))
    assert table is not None
    assert table[1] == version
    assert layout.version_in_location(f"s3://bucket/{layout.day_prefix('usage', DAY, version)}verdict=used/") == version
    assert layout.version_in_location(f"s3://bucket/{layout.day_prefix('usage', DAY)}") is None
