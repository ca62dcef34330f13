"""Malformed and unusual raw files, as the SerDes of both engines read them, file by file."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from conformance.compare import Finding, Verdict
from conformance.data import OPEN_CSV, OPENX_JSON, TEXT, SampleTable, declare
from conformance.judge import Judge


@dataclass(frozen=True)
class RawFiles:
    """The contents of small files, each in its own partition `f`, of a table with a SerDe."""

    topic: str
    table: SampleTable
    contents: tuple[bytes, ...]

    @property
    def declared(self) -> SampleTable:
        folders: dict[tuple[str, ...], bytes] = {
            (f"{number:03}",): content for number, content in enumerate(self.contents)
        }
        return replace(self.table, folders=folders, keys={"f": "string"})


_JSON = (
    b'{"hub":"h1","ts":1,"n":2,"data":{"x":0.5,"y":3}}',
    b'{"hub":"h1","ts":1,"n":2,"data":{"x":0.5,"y":3}}\n{"hub":"h2","ts":2,"n":3,"data":{"x":1.5,"y":4}}\n',
    # Lines
    b"",
    b"\n",
    b"\n\n",
    b"   ",
    b'\n{"hub":"after an empty line"}\n\n',
    b'{"hub":"a"}\r\n{"hub":"b"}\r\n',
    b'{"hub":"a"}\r{"hub":"b"}\r',
    b'{"hub":"a"}\r\r\n{"hub":"b"}',
    b'  {"hub":"a"}  ',
    b'\t{"hub":"a"}',
    b'\xef\xbb\xbf{"hub":"a"}',
    b'{"hub":"a"}\x00',
    b'{"hub":"a\x00b"}',
    # No JSON
    b"not json",
    b'{"hub":"cut off"',
    b'{"hub":"cut o',
    b'{"hub":',
    b'{"hub"',
    b"{",
    b"}",
    b"{}",
    b"[]",
    b'["h1",1,2]',
    b'[{"hub":"a"}]',
    b"null",
    b"true",
    b"1",
    b'"text"',
    b'{"hub":"a"} and more',
    b'{"hub":"a"}{"hub":"b"}',
    b'{"hub":"a"},',
    b'{"hub":"a",}',
    b'{"hub":"a" "ts":1}',
    b'{"hub":"a";"ts":1}',
    b"{'hub':'a'}",
    b"{hub:a}",
    b'{hub:"a",ts:1}',
    b'{"hub"="a"}',
    b'{"hub"=>"a"}',
    b'{"hub":a}',
    b'{"hub":a b}',
    b'{"hub":"a"} // comment',
    b'/* comment */ {"hub":"a"}',
    b'# comment\n{"hub":"a"}',
    # Keys
    b'{"HUB":"a","Ts":1}',
    b'{"hub":"a","hub":"b"}',
    b'{"hub":"a","HUB":"b"}',
    b'{"HUB":"b","hub":"a"}',
    b'{"ts":1,"hub":"other order"}',
    b'{"hub":"a","more":{"z":[1,{"q":null}]}}',
    b'{"":"a","hub":"b"}',
    b'{"hub":null,"ts":null,"n":null,"data":null}',
    b'{"hu\\u0062":"escaped key"}',
    # Texts
    b'{"hub":""}',
    b'{"hub":" "}',
    b'{"hub":"\\u00e4 \\ud83d\\ude00 \\n \\t \\\\ \\" \\/"}',
    '{"hub":"Ärger 😀 日本"}'.encode(),
    b'{"hub":"\xe4 latin-1"}',
    b'{"hub":"\xff\xfe"}',
    b'{"hub":"a\tb"}',
    b'{"hub":"\\x41"}',
    b'{"hub":"\\ud83d"}',
    b'{"hub":"null"}',
    b'{"hub":1}',
    b'{"hub":1.50}',
    b'{"hub":1e3}',
    b'{"hub":12345678901234567890}',
    b'{"hub":true}',
    b'{"hub":{"a":1, "b":"x"}}',
    b'{"hub":[1, "x", null]}',
    b'{"hub":{}}',
    b'{"hub":[]}',
    b'{"hub":{"d":1, "x":{"q":1,"Q":2.50}, "D":1e5}}',
    b'{"hub":[-0.0, 0e5, 1E-7, 0.000001, 100e-2, 123456789012345678901234567890, true, [{}]]}',
    b'{"hub":{"a</":"\\u0001\\n</b\\/c\\u00e4\\"\\\\"}}',
    b'{"hub":0.2470}',
    b'{"hub":-0.0}',
    b'{"hub":NaN}',
    # Integers
    b'{"ts":"1"}',
    b'{"ts":"-1"}',
    b'{"ts":"+1"}',
    b'{"ts":" 1 "}',
    b'{"ts":""}',
    b'{"ts":"abc"}',
    b'{"ts":2.7}',
    b'{"ts":-2.7}',
    b'{"ts":"2.7"}',
    b'{"ts":2.0}',
    b'{"ts":1e3}',
    b'{"ts":"1e3"}',
    b'{"ts":1E400}',
    b'{"ts":true}',
    b'{"ts":{}}',
    b'{"ts":[]}',
    b'{"ts":[1]}',
    b'{"ts":-0}',
    b'{"ts":007}',
    b'{"ts":0x10}',
    b'{"ts":"0x10"}',
    b'{"ts":+5}',
    b'{"ts":-}',
    b'{"ts":.5}',
    b'{"ts":9223372036854775807}',
    b'{"ts":9223372036854775808}',
    b'{"ts":-9223372036854775808}',
    b'{"ts":-9223372036854775809}',
    b'{"ts":"9223372036854775808"}',
    b'{"ts":123456789012345678901234567890}',
    b'{"ts":NaN}',
    b'{"ts":Infinity}',
    b'{"ts":"NaN"}',
    b'{"ts":nan}',
    # Doubles, in a struct
    b'{"data":{"x":1}}',
    b'{"data":{"x":"2.5"}}',
    b'{"data":{"x":" 2.5 "}}',
    b'{"data":{"x":"abc"}}',
    b'{"data":{"x":""}}',
    b'{"data":{"x":true}}',
    b'{"data":{"x":null}}',
    b'{"data":{"x":NaN}}',
    b'{"data":{"x":"NaN"}}',
    b'{"data":{"x":nan}}',
    b'{"data":{"x":Infinity}}',
    b'{"data":{"x":-Infinity}}',
    b'{"data":{"x":"Infinity"}}',
    b'{"data":{"x":"-inf"}}',
    b'{"data":{"x":1e999}}',
    b'{"data":{"x":-1e999}}',
    b'{"data":{"x":"1e999"}}',
    b'{"data":{"x":1e-999}}',
    b'{"data":{"x":-0.0}}',
    b'{"data":{"x":0.1}}',
    b'{"data":{"x":.5}}',
    b'{"data":{"x":5.}}',
    b'{"data":{"x":1.0E5}}',
    b'{"data":{"x":0.30000000000000004}}',
    b'{"data":{"x":123456789012345678901234567890}}',
    b'{"data":{"x":9007199254740993}}',
    b'{"data":{"x":"1d"}}',
    b'{"data":{"x":"1f"}}',
    b'{"data":{"x":"0x1p3"}}',
    b'{"data":{"x":"1,5"}}',
    b'{"data":{"x":{}}}',
    b'{"data":{"x":[1]}}',
    # Structs
    b'{"data":{}}',
    b'{"data":[]}',
    b'{"data":[0.5,7]}',
    b'{"data":[0.5,7,9]}',
    b'{"data":[0.5]}',
    b'{"data":[null,null]}',
    b'{"data":"text"}',
    b'{"data":""}',
    b'{"data":1}',
    b'{"data":true}',
    b'{"data":"{\\"x\\":1.5}"}',
    b'{"data":{"X":1.5,"Y":2}}',
    b'{"data":{"y":1,"x":2,"z":3}}',
    b'{"data":{"x":1,"x":2}}',
    b'{"data":{"x":1},"data":{"y":2}}',
    b'{"data":null}',
)
_CSV = (
    b"h\na,b,c\n",
    b"h\na,b,c",
    b"",
    b"h",
    b"h\n",
    b"h\n\n",
    b"h\n\na,b,c\n\n",
    b"h\r\na,b,c\r\nd,e,f\r\n",
    b"h\ra,b,c\r",
    b"h\na,b\n",
    b"h\na\n",
    b"h\na,b,c,d,e\n",
    b"h\n,,\n",
    b"h\n,\n",
    b"h\n ,  , \n",
    b'h\n"a","b","c"\n',
    b'h\n"","",""\n',
    b'h\n"a, with comma",b,c\n',
    b'h\n"say ""hi""",b,c\n',
    b'h\n"say \\"hi\\"",b,c\n',
    b'h\n"a\nb",c,d\n',
    b'h\n"a\r\nb",c,d\n',
    b'h\n"not closed,b,c\n',
    b'h\n"not closed,b,c\nd,e,f\n',
    b'h\na"b,c,d\n',
    b'h\na"b"c,d,e\n',
    b'h\n"a"b,c,d\n',
    b'h\n"a" ,b,c\n',
    b'h\n "a",b,c\n',
    b'h\na ""b"" c,d,e\n',
    b'h\n"""",b,c\n',
    b'h\n"""a""",b,c\n',
    b"h\na\\,b,c,d\n",
    b"h\na\\\\b,c,d\n",
    b"h\na\\nb,c,d\n",
    b"h\na\\\n",
    b'h\n"a\\\\",b,c\n',
    b"h\n'a','b','c'\n",
    b"h\na;b;c\n",
    b"h\na\tb\tc\n",
    b"h\n\xef\xbb\xbfa,b,c\n",
    b"\xef\xbb\xbfh\na,b,c\n",
    "h\nÄrger,日本,😀\n".encode(),
    b"h\n\xe4,b,c\n",
    b"h\na\x00b,c,d\n",
    b"h\nNULL,null,\\N\n",
    b"h\n#a,b,c\n",
    b"h\n1,1.50,true\n",
    b'"h\nstill",a\nb,c,d\n',
    b"\nfirst line is empty,b,c\n",
    b'h\na,"b\n',
    b'h\na,b,"c"\n"d',
    b"h\n" + b"x" * 70000 + b",b,c\n",
)
_TEXT = (
    b"line\n",
    b"line",
    b"",
    b"\n",
    b"\n\n",
    b"a\n\nb",
    b"a\r\nb\r\n",
    b"a\rb\r",
    b"a\r\r\nb",
    b"a\n\r\nb",
    b"  spaces  ",
    b"\ttab\t",
    b"a\x01b\n",
    b"\x01\n",
    b"a\x02b\x03c\n",
    b"a\x00b\n",
    b"\\N\n",
    b"\\n\\t\\\\\n",
    b'"quoted"\n',
    b'"open\nnext\n',
    b"a,b;c|d\n",
    b"\xef\xbb\xbfbom\n",
    "Ärger 日本 😀\n".encode(),
    b"\xe4 latin-1\n",
    b"\xff\xfe\n",
    b"a\x0bb\x0cc\x1cd\xc2\x85e\xe2\x80\xa8f\n",
    b"NULL\n",
    b"#comment\n",
    b'{"a": 1}\n',
    b"x" * 200000 + b"\n",
)
FILES = (
    RawFiles(
        "OpenX JSON",
        SampleTable(
            "raw_json",
            {"hub": "string", "ts": "bigint", "data": "struct<x:double,y:bigint>"},
            {},
            serde=OPENX_JSON,
            serde_parameters={"ignore.malformed.json": "true"},
        ),
        _JSON,
    ),
    RawFiles(
        "OpenCSV",
        SampleTable(
            "raw_csv",
            {"a": "string", "b": "string", "c": "string"},
            {},
            serde=OPEN_CSV,
            serde_parameters={"separatorChar": ",", "quoteChar": '"', "escapeChar": "\\"},
            parameters={"skip.header.line.count": "1"},
        ),
        _CSV,
    ),
    RawFiles(
        "text",
        SampleTable("raw_text", {"line": "string"}, {}, serde=TEXT, serde_parameters={"field.delim": "\x01"}),
        _TEXT,
    ),
)


def run(judge: Judge) -> list[Finding]:
    """Compare each file by itself, then all files together that both engines read alike."""
    return [finding for files in FILES for finding in _read(judge, files)]


def _read(judge: Judge, files: RawFiles) -> Iterator[Finding]:
    table = files.declared
    declare(judge.environment.clients, table)
    columns = ", ".join(table.columns)
    statements = [f"SELECT {columns} FROM {table.name} WHERE f = '{f}'" for (f,) in table.folders]
    alike = []
    for finding, content, (f,) in zip(
        judge.compare_all(files.topic, statements), files.contents, table.folders, strict=True
    ):
        if finding.verdict == Verdict.SAME:
            alike.append(content)
        # The finding shows the content instead of the file's number.
        yield replace(finding, statement=f"{f}: {content[:60]!r}{'…' if len(content) > 60 else ''}")
    header = b"h\n" if table.parameters else b""
    bodies = (content.partition(b"\n")[2] if header else content for content in alike)
    whole = header + b"".join(body if body.endswith(b"\n") else body + b"\n" for body in bodies if body)
    together = replace(table, name=f"{table.name}_together", folders={("all",): whole})
    declare(judge.environment.clients, together)
    statement = f"SELECT {columns} FROM {together.name} WHERE f = 'all'"
    yield replace(judge.compare(files.topic, statement), statement=f"{len(alike)} of them as one file")
