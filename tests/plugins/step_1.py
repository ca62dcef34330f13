"""A source for step 1, and helpers to inspect its results."""

from tests.fake_aws import BUCKET, DAY, FakeAws

HEADER = "lon,lat,number,street,unit,city,district,region,postcode,id,hash,tz\n"
FILES = {
    f"usage/dt={DAY}/portland.json": "p\n",
    "mappings/state=or/portland.json": "m\n",
    "locations/state=or/portland.csv": HEADER,
    "rates/rates.xml": "r\n",
}


def raw(aws: FakeAws) -> dict[str, str]:
    return {
        key.removeprefix("raw/"): stored.value.decode()
        for key, stored in aws.buckets[BUCKET].items()
        if key.startswith("raw/")
    }


def sent(aws: FakeAws) -> set[str]:
    calls = aws.called("PutObject") + aws.called("CopyObject")
    return {call["Key"].removeprefix("raw/") for call in calls if call["Key"].startswith("raw/")}


def stored(aws: FakeAws) -> dict[str, bytes]:
    """The raw objects, including those set aside."""
    objects = aws.buckets[BUCKET].items()
    return {key.removeprefix("raw/"): one.value for key, one in objects if key.startswith("raw/")}


def reads(aws: FakeAws, prefix: str = "") -> list[str]:
    """The objects of the source that were read under a prefix."""
    return [
        call["Key"]
        for call in aws.called("GetObject")
        if call["Bucket"] == "upstream" and call["Key"].startswith(f"hubs/{prefix}")
    ]
