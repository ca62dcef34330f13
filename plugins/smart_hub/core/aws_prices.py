"""The estimated costs of a run on AWS, by the list prices of us-east-1 in dollars, as of November 2026.

https://aws.amazon.com/athena/pricing/, https://aws.amazon.com/glue/pricing/. Without functions,
requests to S3 and storage, which together are below a tenth of a cent for a few hundred hubs; benchmarks/bill.py has
them.
"""

import math
from collections.abc import Iterable

_TERABYTE, _MEGABYTE = 10**12, 10**6
ATHENA_PER_TERABYTE = 5.0
MIN_BYTES_PER_QUERY = 10 * _MEGABYTE
DPU_HOUR = 0.44
# AWS bills a crawler for at least ten minutes of one DPU, and a Python shell job for at least one minute of 0.0625 DPU.
PER_CRAWL = DPU_HOUR / 6
JOB_SECOND = DPU_HOUR * 0.0625 / 3600
MIN_JOB_SECONDS = 60
PER_JOB_RUN = JOB_SECOND * MIN_JOB_SECONDS


def per_query(scanned: float) -> float:
    """Dollars for one query that reads data. scanned: bytes, rounded up to the megabyte; at least ten are billed."""
    billed = max(math.ceil(scanned / _MEGABYTE) * _MEGABYTE, MIN_BYTES_PER_QUERY)
    return billed / _TERABYTE * ATHENA_PER_TERABYTE


def estimated_dollars(scanned: Iterable[int], crawls: int, job_runs: int) -> float:
    """Dollars for a run. scanned: bytes of each query that reads data; others are free."""
    return sum(map(per_query, scanned)) + crawls * PER_CRAWL + job_runs * PER_JOB_RUN
