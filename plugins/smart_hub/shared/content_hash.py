"""The content hash of a reference data set (mappings, locations, rates), computed from its raw objects.

include/glue/rates_xml_to_parquet.py has a copy, because a Glue job is one file; tests/glue compares both.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable


def content_hash(objects: Iterable[tuple[str, str]]) -> str:
    """SHA-256, in hex, of the lines `<key>\\t<etag>\\n` of (key, ETag) pairs sorted by key.

    The order of the pairs and the quotes around an ETag do not matter. Omit the markers of empty folders, as objects.py
    does.
    """
    digest = hashlib.sha256()
    for key, etag in sorted(objects):
        digest.update("{}\t{}\n".format(key, etag.strip('"')).encode())
    return digest.hexdigest()
