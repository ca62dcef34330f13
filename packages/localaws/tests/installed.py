"""Starts a localaws that pip has installed, and queries it: `make test-install` runs this where nothing else is."""

import tempfile
from pathlib import Path

from localaws.testing import TEXT, AthenaClient, LocalAws, sql

with tempfile.TemporaryDirectory() as folder, LocalAws(Path(folder) / "state") as aws:
    athena = AthenaClient.create(aws, "shop")
    athena.table("lines", TEXT, "line string")
    athena.put("lines/file", '{"price": 9.99}\n{"price": 5.01}\n')
    athena.run(
        "CREATE TABLE prices WITH (external_location = 's3://shop/prices/') AS"
        " SELECT element_at(CAST(json_parse(line) AS map(varchar, double)), 'price') AS price FROM lines"
    )
    rows = athena.rows("SELECT sum(price) FROM prices")
assert rows == [("15.0",)], rows
assert sql.rows("SELECT 1") == [("1",)]
print("A query of the installed localaws returned", rows[0][0])
