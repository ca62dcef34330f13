"""A source other than the sample: other days, compressed, under a prefix in S3."""

from collections import Counter
from pathlib import Path

from generator.hubs import CHANNELS
from tests.e2e import independent
from tests.e2e.environment import Environment

BUCKET = "source-of-the-test"  # not the pipeline's


def test_other_days_on_s3_are_a_source(environment: Environment, first: str, tmp_path: Path) -> None:
    # given gzipped readings of the day when clocks went forward, which has 276 intervals except in Arizona
    day, folder = "2020-03-08", tmp_path / "homes"
    made = environment.make("data", ARGS=f"--hubs 3 --from {day} --to {day} --gzip --out {folder}")
    assert made.returncode == 0, made.stdout
    s3 = environment.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    for path in folder.rglob("*"):
        if path.is_file():
            s3.upload_file(str(path), BUCKET, f"raw/{path.relative_to(folder)}")
    # given one more file, which is truncated
    file = next(folder.glob(f"usage/dt={day}/*.gz"))
    s3.put_object(Bucket=BUCKET, Key=f"raw/usage/dt={day}/cut-off.json.GZ", Body=file.read_bytes()[:-1])

    # when the demo runs on it, and on a day that the source does not have
    missing = environment.make("demo", SOURCE=f"s3://{BUCKET}/raw", FROM=day, TO="2020-03-09")
    done = environment.make("demo", SOURCE=f"s3://{BUCKET}/raw", FROM=day, TO=day)

    # expect an error that names the day, and for each hub the results of the independent computation
    assert missing.returncode != 0
    assert "no usage of 2020-03-09" in missing.stdout
    assert done.returncode == 0, done.stdout
    assert [run["partition_key"] for run in environment.runs() if run["partition_key"] == day] == [day]
    counts = Counter(loc_id for loc_id, _, _ in independent.costs(folder, day))
    assert sorted(counts.values()) == [276 * len(CHANNELS), 276 * len(CHANNELS), 288 * len(CHANNELS)]
    rows = environment.select(f"SELECT loc_id, count(*) FROM usage_cost WHERE dt = DATE '{day}' GROUP BY loc_id")
    assert {loc_id: int(count) for loc_id, count in rows} == counts
    # expect the damaged file to be set aside
    bucket = "smart-hub-data-000000000000-us-east-1"
    (damaged,) = s3.list_objects_v2(Bucket=bucket, Prefix=f"raw/damaged/usage/dt={day}/")["Contents"]
    assert damaged["Key"].endswith("/cut-off.json.GZ")
