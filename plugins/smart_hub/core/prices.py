"""What a run costs on AWS, estimated from what it did: list prices of us-east-1, in dollars, as of November 2026.

https://aws.amazon.com/athena/pricing/, https://aws.amazon.com/glue/pricing/. Left out, as together they stay below a
tenth of a cent for a few hundred hubs: the functions, requests to S3, storage. benchmarks/bill.py has them too.
"""

import math
from collections.abc import Iterable

_TERABYTE, _MEGABYTE = 10**12, 10**6
ATHENA_PER_TERABYTE = 5.0
MIN_BYTES_PER_QUERY = 10 * _MEGABYTE
DPU_HOUR = 0.44
# A crawler bills ten minutes of one DPU at least, a Python shell job one minute of its 0.0625 DPU.
PER_CRAWL = DPU_HOUR / 6
JOB_SECOND = DPU_HOUR * 0.0625 / 3600
MIN_JOB_SECONDS = 60
PER_JOB_RUN = JOB_SECOND * MIN_JOB_SECONDS


def per_query(scanned: float) -> float:
    """Of one query that reads data. scanned: its bytes, which count by the megabyte begun, ten at least."""
    billed = max(math.ceil(scanned / _MEGABYTE) * _MEGABYTE, MIN_BYTES_PER_QUERY)
    return billed / _TERABYTE * ATHENA_PER_TERABYTE


def estimated_dollars(scanned: Iterable[int], crawls: int, job_runs: int) -> float:
    """scanned: bytes of each query that reads data; statements that change the catalog alone are free."""
    return sum(map(per_query, scanned)) + crawls * PER_CRAWL + job_runs * PER_JOB_RUN
