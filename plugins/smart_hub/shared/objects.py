"""The objects of a bucket.

Standard library only, because the Lambda functions use this module too.
"""

from collections.abc import Iterator
from typing import Any


def objects(s3: Any, bucket: str, prefix: str) -> Iterator[dict[str, Any]]:
    """Yields the objects under a key prefix, as in ListObjectsV2, without the markers of empty folders.

    s3: boto3's client.
    """
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        yield from (item for item in page.get("Contents", []) if item["Size"] or not item["Key"].endswith("/"))
