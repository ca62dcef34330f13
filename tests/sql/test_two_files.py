"""Step 6 on an Athena that writes a table with one bucket as two files, which AWS does not exclude."""

import json

import boto3

from localaws.testing import AthenaClient, LocalAws
from ops.deploy import deploy
from smart_hub.shared.layout import run_name

DAY = "2019-12-21"
COST_TABLE, VERSION = f"staging_cost_v{'0' * 16}", f"v{'1' * 16}"


def test_step_6_does_not_accept_two_files_for_a_day(module_local_aws: LocalAws) -> None:
    # given a day's priced usage, and the fault
    aws = module_local_aws
    session = boto3.Session("test", "test", region_name="us-east-1")
    bucket = deploy(session, endpoint_url=aws.endpoint, log=lambda text: None)["DataBucket"]
    AthenaClient(aws, bucket, "smart_hub").run(
        f"CREATE TABLE {COST_TABLE} WITH (external_location = 's3://{bucket}/staging/cost/') AS"
        " SELECT loc_id, 'Dryer' AS device, 'Cellar' AS location, TIMESTAMP '2019-12-21 00:00:00' AS ts,"
        " TIMESTAMP '2019-12-21 08:00:00' AS ts_utc, 'America/Los_Angeles' AS tz, 'peak' AS type, 1e0 AS kwh,"
        " 5e0 AS cents_per_kwh, 5e0 AS cost, 'or' AS state, 's_01' AS sensor, 'used' AS verdict"
        " FROM UNNEST(ARRAY['a', 'b']) AS t (loc_id)"
    )
    aws.set_faults({"service": "athena", "effect": {"query": "two_files"}})

    # when step 6 compacts it to one file
    event = {"day": DAY, "run": run_name(DAY, "test"), "version": VERSION, "content_hashes": {}}
    answer = aws.client("lambda").invoke(
        FunctionName="smart-hub-compact", Payload=json.dumps({**event, "cost_table": COST_TABLE, "files": 1})
    )

    # expect it to fail with the reason
    document = json.load(answer["Payload"])
    assert answer["FunctionError"] == "Unhandled"
    location = f"s3://{bucket}/warehouse/usage_cost/dt={DAY}/version={VERSION}/"
    assert document["errorMessage"].startswith(f"{location} holds 2 objects, expected at most 1: Athena wrote a bucket")
    assert aws.fault_hits() == [1]
