"""Step 6: the day's priced usage in one Parquet file, or in as many as asked for."""

from typing import Any

from event import InvalidEvent, Invocation, checked_event
from smart_hub.shared.layout import MOST_FILES_PER_DAY, day_prefix, staging_table


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Writes the day's file(s) under a version of its own; nothing points there before the publish.

    event: day, run, version, content ({}), cost_table (of step 5), files (1 to 100).
    """
    event = checked_event(event, "cost_table", "files", contents=())
    files = event["files"]
    if type(files) is not int or not 1 <= files <= MOST_FILES_PER_DAY:
        raise InvalidEvent(f"files: expected a number from 1 to {MOST_FILES_PER_DAY}, got {files!r}")
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
    # AWS promises one or more files a bucket, the product is one. A bucket without rows has none.
    written = invocation.objects(prefix)
    if len(written) > files:
        raise RuntimeError(
            f"{invocation.location(prefix)} holds {len(written)} objects, expected at most {files}: Athena wrote a"
            " bucket in several files; clear this task to compact again"
        )
    return {"published_table": table, "cost_location": invocation.location(prefix)}
