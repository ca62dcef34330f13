"""What the pages name exists: files, links, commands, settings. No page promises what a rename took away."""

import re
from collections.abc import Iterator

import pytest

from smart_hub import prices
from smart_hub.settings import SETTINGS
from tests.docs.pages import PAGES, ROOT, anchors, blocks, prose, spans

MAKEFILE = (ROOT / "Makefile").read_text("utf-8").replace("\\\n", "")
TARGETS = set(re.findall(r"^([a-z][a-z0-9-]*):", MAKEFILE, re.MULTILINE))
# Folders of the repository whose files the pages name by their path.
SHOWN = {path.name for path in ROOT.iterdir() if path.is_dir() and path.name[0] != "."} - {"dist", "__pycache__"}
FOLDERS = SHOWN | {".astro", ".ci"}
# Named because they are not there: what other tools or users make.
ELSEWHERE = {".astro/test_dag_integrity_default.py", "dags/exampledag.py", "dags/smart-hub"}
# Variables that the pages show for what they do when they are wrong, or for their form.
NO_SETTINGS = {"SMART_HUB_DATA_BUKET", "SMART_HUB_API_SERVICE_HOST", "SMART_HUB_NAME"}

pages = pytest.mark.parametrize("page", sorted(PAGES))


def commands(page: str) -> Iterator[tuple[str, str]]:
    """Each use of make in what a page spells as code: its target, and the whole command."""
    for code in [*blocks(PAGES[page], "sh"), *blocks(PAGES[page], ""), *spans(PAGES[page])]:
        for line in code.replace("\\\n", " ").splitlines():
            for command in re.findall(r"(?:^ *|`|&& |; |\w+=\S+ )(make(?: [^#&`]*)?)", line):
                words = [word for word in command.split()[1:] if re.fullmatch(r"[a-z][a-z0-9-]*", word)]
                if words:
                    yield words[0], command.strip()


def test_the_pages_are_found_and_their_commands_too() -> None:
    assert {"README.md", "ARCHITECTURE.md", "docs/aws.md"} <= set(PAGES)
    assert ("demo", "make demo") in commands("README.md")
    assert ("deploy", "make deploy REGION=us-east-1 DRY_RUN=1") in commands("docs/aws.md")
    assert {"demo", "test", "deploy-quicksight"} <= TARGETS


@pages
def test_every_command_of_make_exists(page: str) -> None:
    assert [command for target, command in commands(page) if target not in TARGETS] == []


@pages
def test_every_variable_given_to_make_is_one(page: str) -> None:
    # those of the Makefile, of the laptop's settings (docs/settings.md, in whose test each is asked for), of the DAGs
    laptop = set(re.findall(r"^\| `(\w+)` \|", PAGES["docs/settings.md"].partition("## A laptop's")[2], re.MULTILINE))
    known = {*re.findall(r"\$\((\w+)\)|^(\w+) \?=", MAKEFILE, re.MULTILINE)}
    known = {name for pair in known for name in pair} | laptop | set(SETTINGS)

    given = [(name, command) for _, command in commands(page) for name in re.findall(r" ([A-Z][A-Z0-9_]*)=", command)]

    assert [one for one in given if one[0] not in known] == []


@pages
def test_every_link_leads_somewhere(page: str) -> None:
    here = (ROOT / page).parent
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(PAGES[page])):
        if re.match(r"https?://", target):
            continue
        name, _, anchor = target.partition("#")
        path = (here / name).resolve() if name else ROOT / page
        assert path.exists(), f"{page} links to {target}"
        if anchor:
            assert anchor in anchors(path.read_text("utf-8")), f"{page} links to {target}"


@pages
def test_every_file_that_a_page_names_exists(page: str) -> None:
    named = {span.removeprefix("./") for span in spans(PAGES[page])} - ELSEWHERE
    paths = [name for name in named if name.partition("/")[0] in FOLDERS and re.fullmatch(r"[\w./*-]+/[\w./*-]*", name)]

    assert [path for path in paths if not any(ROOT.glob(path.rstrip("/")))] == []


@pages
def test_every_module_that_a_page_starts_exists(page: str) -> None:
    modules = [
        name for code in [*blocks(PAGES[page]), *spans(PAGES[page])] for name in re.findall(r"-m ([\w.]+)", code)
    ]
    ours = [name for name in modules if name.partition(".")[0] in FOLDERS]

    places = {name: ROOT.joinpath(*name.split(".")) for name in ours}
    assert [name for name, path in places.items() if not path.with_suffix(".py").is_file() and not path.is_dir()] == []


@pages
def test_every_setting_that_a_page_names_exists(page: str) -> None:
    named = set(re.findall(r"(?<![A-Z_])SMART_HUB_[A-Z_]*[A-Z]", PAGES[page]))

    assert named - set(SETTINGS) - {"SMART_HUB_LOCAL"} - NO_SETTINGS == set()


@pages
def test_a_default_that_a_page_tells_of_is_the_settings(page: str) -> None:
    for name, told in re.findall(r"`(SMART_HUB_[A-Z_]+)`\s+\(([0-9.]+)\)", PAGES[page]):
        assert SETTINGS[name].default == told, name


def test_what_a_day_costs_is_what_the_prices_come_to() -> None:
    # given the queries of a day of the sample, as README.md has them, of which none scans ten megabytes
    queries = [
        int(number) for number in re.findall(r"\d+", re.findall(r"^│ Athena queries.*$", PAGES["README.md"], re.M)[0])
    ]
    everything_new, usage_new = (
        prices.dollars([0] * queries[0], crawls=4, job_runs=1),
        prices.dollars([0] * queries[1], crawls=1, job_runs=0),
    )

    told = re.search(r"costs about ([\d.]+) USD when .*? and ([\d.]+) USD when", " ".join(PAGES["docs/aws.md"].split()))

    assert told
    assert told.groups() == (f"{everything_new:.2f}", f"{usage_new:.2f}")


# The map of ARCHITECTURE.md


def mapped() -> dict[str, str]:
    """Path -> what the map says it is. Four blanks deeper is within the folder above, deeper still the line before."""
    found: dict[str, str] = {}
    folder = ""
    for line in blocks(PAGES["ARCHITECTURE.md"])[0].splitlines():
        indent = len(line) - len(line.lstrip())
        names, _, meaning = re.match(r" *((?:\S+, )*\S+)( +(.*))?$", line).groups()  # type: ignore[union-attr]
        if indent > 4:
            continue
        for name in names.split(", "):
            path = f"{folder}{name}" if indent else name
            found[path] = meaning or ""
        if not indent:
            folder = names if names.endswith("/") else ""
    return found


def test_the_map_names_what_exists() -> None:
    assert len(mapped()) > 30
    assert [path for path in mapped() if not (ROOT / path).exists()] == []


def test_the_map_has_every_folder_and_every_module_of_the_package() -> None:
    package = ROOT / "plugins" / "smart_hub"
    modules = {path.name for path in package.glob("*.py")} - {"__init__.py"}
    parts = {f"{path.parent.name}/" for path in package.glob("*/*.py")}

    assert {f"plugins/smart_hub/{name}" for name in modules | parts} - set(mapped()) == set()
    assert SHOWN - {path.partition("/")[0] for path in mapped()} == set()
