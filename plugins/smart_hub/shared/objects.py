"""What lies in a bucket.

Standard library only, the client comes from the caller: the Lambda functions carry this module too.
"""

from collections.abc import Iterator
from typing import Any


def objects(s3: Any, bucket: str, prefix: str) -> Iterator[dict[str, Any]]:
    """Objects under a key prefix, as ListObjectsV2 gives them; markers of empty folders, which hold no data, left out.

    s3: boto3's client.
    """
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        yield from (item for item in page.get("Contents", []) if item["Size"] or not item["Key"].endswith("/"))
