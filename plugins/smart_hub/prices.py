"""What a run costs on AWS, estimated from what it did: list prices of us-east-1, in dollars, as of November 2026.

https://aws.amazon.com/athena/pricing/, https://aws.amazon.com/glue/pricing/. Left out, as together they stay below a
tenth of a cent for a few hundred hubs: the functions, requests to S3, storage.
"""

from collections.abc import Iterable

_TERABYTE, _MEGABYTE = 10**12, 10**6
ATHENA_PER_TERABYTE = 5.0
LEAST_BYTES_PER_QUERY = 10 * _MEGABYTE
DPU_HOUR = 0.44
# A crawler bills ten minutes of one DPU at least, a Python shell job one minute of its 0.0625 DPU.
PER_CRAWL = DPU_HOUR / 6
PER_JOB_RUN = DPU_HOUR * 0.0625 / 60


def dollars(scanned: Iterable[int], crawls: int, job_runs: int) -> float:
    """scanned: bytes of each query that reads data; statements that change the catalog alone are free."""
    billed = sum(max(scan, LEAST_BYTES_PER_QUERY) for scan in scanned)
    return billed / _TERABYTE * ATHENA_PER_TERABYTE + crawls * PER_CRAWL + job_runs * PER_JOB_RUN
