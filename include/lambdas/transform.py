"""Step 5: the day's readings joined with mappings, locations and rates: priced usage, and rejects."""

from typing import Any

from event import InvalidEvent, Invocation, NonRetryableError, validated
from smart_hub.shared.layout import (
    REFERENCE_TABLES,
    content_hash_values,
    damaged_key,
    day_prefix,
    staging_prefix,
    staging_table,
)
from smart_hub.shared.sql import StringLiteral


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Prices all hubs' readings of the day in one query; returns the tables of priced values and of rejects.

    event: day, run, version, content_hashes (of mappings, locations and rates), readings_table (of step 3), damaged
    (names of the files that step 1 set aside).
    """
    event = validated(event, data_sets=REFERENCE_TABLES, tables=("readings_table",), others=("damaged",))
    damaged = event["damaged"]
    if not isinstance(damaged, list) or not all(isinstance(name, str) for name in damaged):
        raise InvalidEvent(f"damaged: expected a list of file names, got {damaged!r}")
    invocation = Invocation(event, context)
    version, hashes, readings_table = event["version"], event["content_hashes"], event["readings_table"]

    invocation.require_table(readings_table)
    for data_set, content_hash in hashes.items():
        if not invocation.is_registered(data_set, content_hash):
            raise NonRetryableError(
                f"{REFERENCE_TABLES[data_set]} has no partition for content hash {content_hash[:12]}…: {data_set} were"
                " not converted; see the log of step 3 (mappings, locations) or step 4 (rates), and clear that step"
            )
    cost_table = staging_table("usage_cost", version)
    invocation.athena.run(
        invocation.statement(
            "transform/usage_cost",
            table=cost_table,
            location=invocation.location(f"{staging_prefix(event['run'], version)}usage_cost/"),
            readings_table=readings_table,
            **content_hash_values(hashes),
        )
    )
    rejects_table = staging_table("usage_rejects", version)
    rejects_location = invocation.location(day_prefix("usage_rejects", event["day"], version))
    invocation.athena.run(
        invocation.statement(
            "transform/usage_rejects",
            table=rejects_table,
            location=rejects_location,
            readings_table=readings_table,
            cost_table=cost_table,
        )
    )
    invocation.athena.run(
        *(
            invocation.statement(
                "transform/damaged_file",
                table=rejects_table,
                file=StringLiteral(invocation.location(damaged_key(name))),
            )
            for name in damaged
        )
    )
    return {"cost_table": cost_table, "rejects_table": rejects_table, "rejects_location": rejects_location}
