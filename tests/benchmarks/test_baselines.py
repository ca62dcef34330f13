"""The pipeline's baselines write the same rows; in the environment of `make test-bench`."""

import json
import os
import subprocess
from pathlib import Path

import duckdb
import pytest

from benchmarks.baselines import BASELINES, COLUMNS, ORDER
from benchmarks.copied_design import DATABASE, NAME, CopiedDesign
from benchmarks.rows import Digest, digest
from localaws.testing import LocalAws

ROOT = Path(__file__).parents[2]
DAY = "2019-12-21"
HUBS, CHANNELS = 3, 12
VALUES = 288 * CHANNELS  # per hub


def generate(folder: Path, *options: str) -> Path:
    command = [str(ROOT / ".venv" / "bin" / "python"), "-m", "generator", "--hubs", str(HUBS), "--clean"]
    command += ["--from", DAY, "--to", DAY, "--files-per-day", "2", "--out", str(folder), *options]
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    return folder


def write(source: Path, folder: Path) -> dict[str, Path]:
    """Runs each baseline as the benchmark does; returns its file by name."""
    files = {name: folder / f"{name}.parquet" for name in BASELINES}
    for name, file in files.items():
        command = [str(ROOT / ".venv-bench" / "bin" / "python"), "-m", "benchmarks.baselines", name]
        command += ["--source", str(source), "--day", DAY, "--out", str(file)]
        subprocess.run(command, cwd=ROOT, check=True, env={**os.environ, "PYTHONWARNINGS": "error"})
    return files


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return generate(tmp_path_factory.mktemp("source") / "data", "--channels", str(CHANNELS))


@pytest.fixture(scope="session")
def written(source: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return write(source, tmp_path_factory.mktemp("written"))


def test_baselines_write_the_same_rows(written: dict[str, Path]) -> None:
    digests = {name: digest([file]) for name, file in written.items()}

    assert digests["duckdb"].rows == HUBS * VALUES
    assert set(digests.values()) == {digests["duckdb"]}


# These include names of the baselines' own columns, and texts that a library interprets as a pattern.
NAMES = (
    "loc_id",
    "ts",
    "data",
    "kwh",
    "sensor",
    "*",
    "^kwh.*$",
    "Kitchen, left",
    "a.b",
    "it's",
    'Küche "rechts"',
    "日本",
)


def test_channels_can_have_any_name_and_differ_between_hubs(tmp_path: Path) -> None:
    # given a hub without the last two channels
    (tmp_path / "names").write_text("\n".join(NAMES), encoding="utf-8")
    source = generate(tmp_path / "data", "--channel-names", str(tmp_path / "names"))
    incomplete = json.loads(next(source.glob("mappings/*/*")).read_text("utf-8").splitlines()[0])["loc_id"]
    for file in (*source.glob("usage/*/*"), *source.glob("mappings/*/*")):
        lines = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
        for line in (line for line in lines if line["loc_id"] == incomplete and "data" in line):
            line["data"] = {name: line["data"][name] for name in NAMES[:-2]}
        remaining = [line for line in lines if line["loc_id"] != incomplete or line.get("id") not in NAMES[-2:]]
        file.write_text("".join(json.dumps(line) + "\n" for line in remaining), encoding="utf-8")

    files = write(source, tmp_path)

    digests = {name: digest([file]) for name, file in files.items()}
    assert digests["duckdb"].rows == 288 * (HUBS * len(NAMES) - 2)
    assert set(digests.values()) == {digests["duckdb"]}
    assert {sensor for (sensor,) in duckdb.read_parquet(str(files["duckdb"])).project("sensor").fetchall()} == {*NAMES}


def test_the_copied_design_rejects_a_channel_that_is_not_a_column_name(tmp_path: Path, local_aws: LocalAws) -> None:
    (tmp_path / "names").write_text("oven\nKitchen, left\n", encoding="utf-8")
    source = generate(tmp_path / "data", "--channel-names", str(tmp_path / "names"))

    with pytest.raises(ValueError, match="has the channel 'Kitchen, left', which cannot be a field of a struct"):
        CopiedDesign(local_aws.endpoint).run(source, DAY)


@pytest.mark.parametrize("name", BASELINES)
def test_a_baselines_file_has_the_columns_and_the_order_of_usage_cost(written: dict[str, Path], name: str) -> None:
    rows = duckdb.read_parquet(str(written[name]))
    order = rows.project(", ".join(ORDER)).fetchall()

    assert rows.columns == COLUMNS
    assert order == sorted(order)


def test_the_copied_design_writes_the_same_rows_and_cleans_up(
    written: dict[str, Path], source: Path, local_aws: LocalAws, tmp_path: Path
) -> None:
    # given leftovers of a killed run
    local_aws.client("s3").create_bucket(Bucket=NAME)
    local_aws.client("s3").put_object(Bucket=NAME, Key="output/loc_id=x/left", Body=b"left")
    local_aws.client("glue").create_database(DatabaseInput={"Name": DATABASE})
    local_aws.client("glue").create_table(DatabaseName=DATABASE, TableInput={"Name": "etl_tmp"})

    # when the design runs again and is removed
    design = CopiedDesign(local_aws.endpoint)
    result = design.run(source, DAY)
    files = design.download(tmp_path)
    design.remove()

    # expect the rows of the others, the design's number of queries, and no leftovers
    assert digest(files) == digest([written["duckdb"]])
    assert result.queries == 3 + CHANNELS * HUBS + 1
    assert all(scanned > 0 for stage in result.scanned.values() for scanned in stage)
    assert len(result.files) == len(files) == HUBS
    assert NAME not in [bucket["Name"] for bucket in local_aws.client("s3").list_buckets()["Buckets"]]
    assert DATABASE not in [one["Name"] for one in local_aws.client("glue").get_databases()["DatabaseList"]]


def changed(file: Path, sql: str, to: Path) -> Digest:
    """The digest of a file's rows, changed by a query over ``rows``."""
    with duckdb.connect() as connection:
        connection.execute(f"CREATE VIEW rows AS FROM '{file}'")
        connection.execute(f"COPY ({sql}) TO '{to}' (FORMAT parquet)")
    return digest([to])


LAST = "(SELECT max(ts_utc) FROM rows)"


@pytest.mark.parametrize(
    "sql",
    [
        # a difference in the last bit
        f"SELECT * REPLACE (CASE WHEN ts_utc = {LAST} AND sensor = 's_03' THEN cents_per_kwh + 1e-15 * 2 ^ 1"
        " ELSE cents_per_kwh END AS cents_per_kwh) FROM rows",
        f"SELECT * REPLACE (CASE WHEN ts_utc = {LAST} AND sensor = 's_03' THEN NULL ELSE kwh END AS kwh) FROM rows",
        f"SELECT * REPLACE (CASE WHEN ts_utc = {LAST} THEN 'x' ELSE device END AS device) FROM rows",
        "SELECT * REPLACE (location AS device, device AS location) FROM rows",
        "FROM rows LIMIT (SELECT count(*) - 1 FROM rows)",
        "FROM rows UNION ALL (FROM rows LIMIT 1)",
        # the same number of rows: one is missing, another is a duplicate
        "(FROM rows LIMIT (SELECT count(*) - 1 FROM rows)) UNION ALL (FROM rows LIMIT 1)",
    ],
)
def test_the_digest_detects_any_change(written: dict[str, Path], tmp_path: Path, sql: str) -> None:
    assert changed(written["duckdb"], sql, tmp_path / "changed.parquet") != digest([written["duckdb"]])


def test_the_digest_does_not_depend_on_order_and_files(written: dict[str, Path], tmp_path: Path) -> None:
    file = written["duckdb"]
    changed(file, "FROM rows WHERE sensor < 's_05' ORDER BY kwh", tmp_path / "a.parquet")
    changed(file, "FROM rows WHERE sensor >= 's_05' ORDER BY ts", tmp_path / "b.parquet")

    assert digest(sorted(tmp_path.glob("*.parquet"))) == digest([file])
