"""Step 6: writes the day's priced usage as one Parquet file, or as SMART_HUB_FILES_PER_DAY files."""

from typing import Any

from event import InvalidEvent, Invocation, validated
from smart_hub.shared.layout import MAX_FILES_PER_DAY, day_prefix, staging_table


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Writes the day's file(s) as a new version, which readers do not see before the publish.

    event: day, run, version, content_hashes ({}), cost_table (of step 5), files (1 to 100).
    """
    event = validated(event, data_sets=(), tables=("cost_table",), others=("files",))
    files = event["files"]
    if type(files) is not int or not 1 <= files <= MAX_FILES_PER_DAY:
        raise InvalidEvent(f"files: expected a number from 1 to {MAX_FILES_PER_DAY}, got {files!r}")
    invocation = Invocation(event, context)

    invocation.require_table(event["cost_table"])
    table = staging_table("compact", event["version"])
    prefix = day_prefix("usage_cost", event["day"], event["version"])
    invocation.athena.run(
        invocation.statement(
            "compact/usage_cost",
            table=table,
            location=invocation.location(prefix),
            cost_table=event["cost_table"],
            files=files,
        )
    )
    # Athena can write several files for a bucket, and writes none for a bucket without rows.
    objects = invocation.objects(prefix)
    if len(objects) > files:
        raise RuntimeError(
            f"{invocation.location(prefix)} holds {len(objects)} objects, expected at most {files}: Athena wrote a"
            " bucket in several files; if the retries fail too, clear this task later"
        )
    return {"compacted_table": table, "compacted_location": invocation.location(prefix)}
