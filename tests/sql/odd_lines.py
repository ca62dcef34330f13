"""Unusual lines with their expected results, for both query engines.

`{ts}` in a line is replaced by a separate time on 2019-11-03 for each case. The hub is in New York, where channels s_01
to s_08 and s_10 are mapped. The expected verdicts were derived by hand from the rules in docs/data-quality.md.
"""

from dataclasses import dataclass, field

FIRST = 1572765100  # 07:11:40 UTC, after all other readings of the day


@dataclass(frozen=True)
class Odd:
    """text: one or several lines; used: kWh by channel; rejected: reason and channel (None: the whole record)."""

    name: str
    text: str
    used: dict[str, float] = field(default_factory=dict)
    rejected: list[tuple[str, str | None]] = field(default_factory=list)

    def body(self, number: int, first: int = FIRST, hub: str = "ny1") -> bytes:
        """The content of the case's file. number: the number of the case."""
        return self.line(number, first).replace('"ny1"', f'"{hub}"').encode("utf-8", "surrogateescape") + b"\n"

    def line(self, number: int, first: int = FIRST) -> str:
        return self.text.replace("{ts}", str(first + 300 * number))


def _data(data: str) -> str:
    return '{"loc_id":"ny1","ts":{ts},"data":' + data + "}"


def _ts(ts: str) -> str:
    return '{"loc_id":"ny1","ts":' + ts + ',"data":{"s_01":1}}'


def _value(name: str, value: str, reason: str) -> Odd:
    return Odd(name, _data('{"s_01":1,"s_02":' + value + "}"), {"s_01": 1.0}, [(reason, "s_02")])


MALFORMED: list[tuple[str, str | None]] = [("malformed", None)]
WITHOUT_DATA: list[tuple[str, str | None]] = [("missing_data", None)]

CASES = [
    # data
    *(
        Odd(f"data is {data}", _data(data), rejected=WITHOUT_DATA)
        for data in ("5", '"{}"', "[1,2]", "null", "{}", "true", '"x"')
    ),
    Odd("no data", '{"loc_id":"ny1","ts":{ts}}', rejected=WITHOUT_DATA),
    # values
    _value("a nested object", '{"s_01":2}', "not_numeric"),
    _value("a list", "[2]", "not_numeric"),
    _value("true", "true", "not_numeric"),
    _value("null", "null", "missing_value"),
    *(
        _value(f"text {text}", text, "not_numeric")
        for text in ('"x"', '"0x1p3"', '"1d"', '""', '"NaN"', '"1 "', '"+1"', '"1."', '".5"', '"1,5"')
    ),
    _value("1e400", "1e400", "not_finite"),
    _value("-1e400", "-1e400", "not_finite"),
    _value("text 1e999", '"1e999"', "not_finite"),
    *(
        Odd(f"{text} counts", _data('{"s_01":' + text + "}"), {"s_01": kwh})
        for text, kwh in (
            ('"2.5"', 2.5),
            ('" 0.25"', 0.25),
            ('"-1E-1"', -0.1),
            ("1E1", 10.0),
            ("0.1e-6", 1e-7),
            ("12345678901234567890", 12345678901234567890.0),
            ("0.1000000000000000055511151231257827", 0.1),
        )
    ),
    Odd("equal keys, the last counts", _data('{"s_01":1,"s_01":2}'), {"s_01": 2.0}),
    Odd("a channel that no mapping knows", _data('{"s_01":1,"S_01":3}'), {"s_01": 1.0}, [("unknown_sensor", "S_01")]),
    Odd(
        "one Latin-1 byte",
        _data('{"s_01":1,"K\udcfchlschrank":1}'),
        {"s_01": 1.0},
        [("unknown_sensor", "K\ufffdhlschrank")],
    ),
    # not JSON
    *(
        Odd(name, text, rejected=MALFORMED)
        for name, text in (
            ("NaN", _data('{"s_01":NaN}')),
            ("a trailing comma", _data('{"s_01":1,}')),
            ("single quotes", "{'loc_id':'ny1','ts':{ts},'data':{'s_01':1}}"),
            ("text after the brace", _data('{"s_01":1}') + " x"),
            ("an array", "[" + _data('{"s_01":1}') + "]"),
            ("cut off", '{"loc_id":"ny1","ts":{ts},"da'),
            ("3,000 brackets", "[" * 3000),
            ("3,000 brackets in a reading", _data('{"s_01":' + "[" * 3000 + "]" * 3000 + "}")),
            ("a control character", _data('{"s_01":"\t"}')),
            ("a NUL byte", _data('{"s_01"\0:1}')),
            ("a leading zero", _data('{"s_01":01}')),
            ("no JSON at all", "1/2/2007;00:00:00;?;?;?;?"),
            ("a number", "5"),
            ("null", "null"),
            ("glued with a brace in a text", _data('{"s_01":1,"}{":"}{"}') * 2),
            ("glued, the second one nested deeper", _data('{"s_01":1}') + _data('{"s_01":{"x":{}}}')),
        )
    ),
    # fields
    Odd("keys in capitals", '{"LOC_ID":"ny1","TS":{ts},"DATA":{"s_01":1}}', rejected=[("missing_loc_id", None)]),
    Odd("no hub", '{"ts":{ts},"data":{"s_01":1}}', rejected=[("missing_loc_id", None)]),
    Odd("an object for a hub", '{"loc_id":{},"ts":{ts},"data":{"s_01":1}}', rejected=[("missing_loc_id", None)]),
    Odd("a number for a hub", '{"loc_id":5,"ts":{ts},"data":{"s_01":1}}', rejected=[("unknown_hub", None)]),
    *(
        Odd(f"a hub {hub}", '{"loc_id":' + hub + ',"ts":{ts},"data":{"s_01":1}}', rejected=[("unknown_hub", None)])
        for hub in ("1.7976931348623157e308", "0.1234567890123456789", "1e400", "true")
    ),
    Odd("an object", "{}", rejected=[("missing_loc_id", None)]),
    Odd("ts in quotes", _ts('"{ts}"'), {"s_01": 1.0}),
    Odd("ts as MATLAB writes it", _ts("1.5727716e9"), {"s_01": 1.0}),
    Odd("ts with a fraction of nothing", _ts("{ts}.0"), {"s_01": 1.0}),
    *(
        Odd(f"ts is {ts}", _ts(ts), rejected=[("bad_ts", None)])
        for ts in ("1572757200.7", '"2019-11-03T05:00:00Z"', "1" + 20 * "0", "true", '" 1572757200"', '""', "{}")
    ),
    Odd("no ts", '{"loc_id":"ny1","data":{"s_01":1}}', rejected=[("missing_ts", None)]),
    Odd("ts is null", _ts("null"), rejected=[("missing_ts", None)]),
    Odd("milliseconds", _ts("{ts}000"), rejected=[("out_of_day", None)]),
    Odd("negative", _ts("-{ts}"), rejected=[("out_of_day", None)]),
    # records glued together
    Odd(
        "three records on a line",
        '{"loc_id":"ny1","ts":{ts},"data":{"s_01":1}}{"loc_id":"ny1","ts":{ts},"data":{}} '
        '{"loc_id":"ny1","ts":5,"data":{"s_01":1}}',
        {"s_01": 1.0},
        [("missing_data", None), ("out_of_day", None)],
    ),
    # more
    Odd("blanks around", "  " + _data('{ "s_01" : 1 }') + " \t", {"s_01": 1.0}),
    Odd("a byte-order mark", "\ufeff" + _data('{"s_01":1}'), {"s_01": 1.0}),
    Odd("CR LF", _data('{"s_01":1}') + "\r", {"s_01": 1.0}),
    Odd("further fields", '{"v":[{}],"loc_id":"ny1","ts":{ts},"data":{"s_01":1},"x":{"y":1e400}}', {"s_01": 1.0}),
    Odd("half a character in a field", '{"\\ud800":1,"loc_id":"ny1","ts":{ts},"data":{"s_01":1}}', {"s_01": 1.0}),
    Odd("half a character in a channel", _data('{"s_01":1,"\\ud800":1}'), {"s_01": 1.0}, [("unknown_sensor", "?")]),
    Odd("an escaped hub", '{"loc_id":"\\u006ey1","ts":{ts},"data":{"s_01":1}}', {"s_01": 1.0}),
    Odd("several lines", "[\n" + _data('{"s_01":1}') + ",\n]", rejected=MALFORMED * 3),
    Odd("blank lines", "\n \n\t\n"),
]
