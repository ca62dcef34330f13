"""What the pages name exists: files, links, modules, settings. No page promises what a rename took away."""

import re

from smart_hub.core.settings import RENAMED, SETTINGS
from tests.conftest import LAYERS
from tests.docs.pages import FOLDERS, PAGES, ROOT, SHOWN, anchors, blocks, pages, prose, spans

# Named because they are not there: what other tools or users make.
ELSEWHERE = {".astro/test_dag_integrity_default.py", "dags/exampledag.py", "dags/smart-hub"}
# Variables that the pages show for what they do when they are wrong, or for their form.
NO_SETTINGS = {"SMART_HUB_DATA_BUKET", "SMART_HUB_API_SERVICE_HOST", "SMART_HUB_NAME"}


def test_the_pages_are_found() -> None:
    assert {"README.md", "ARCHITECTURE.md", "docs/aws.md", "tests/README.md"} <= set(PAGES)


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

    here = (ROOT, (ROOT / page).parent)
    assert [path for path in paths if not any(any(base.glob(path.rstrip("/"))) for base in here)] == []


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

    assert named <= {*SETTINGS, *RENAMED, "SMART_HUB_LOCAL", *NO_SETTINGS}


@pages
def test_a_default_that_a_page_tells_of_is_the_settings(page: str) -> None:
    for name, default in re.findall(r"`(SMART_HUB_[A-Z_]+)`\s+\(([0-9.]+)\)", PAGES[page]):
        assert SETTINGS[name].default == default, name


def test_the_layers_of_the_tests_are_as_they_are_told() -> None:
    table = re.findall(r"^\| (?:`(\w+)` )?\| (.*?) \|", PAGES["tests/README.md"], re.MULTILINE)
    documented: dict[str, set[str]] = {}
    for layer, folders in table:
        documented.setdefault(layer or list(documented)[-1], set()).update(re.findall(r"`(\w+)`", folders))

    assert list(documented) == list(LAYERS)
    assert [layer for layer, folders in LAYERS.items() if not documented[layer] >= set(folders.split())] == []


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
    assert len(mapped()) > 20
    assert [path for path in mapped() if not (ROOT / path).exists()] == []


def test_the_map_has_every_folder_and_every_module_of_the_package() -> None:
    package = ROOT / "plugins" / "smart_hub"
    modules = {path.name for path in package.glob("*.py")} - {"__init__.py"}
    parts = {f"{path.parent.name}/" for path in package.glob("*/*.py")}

    assert {f"plugins/smart_hub/{name}" for name in modules | parts} - set(mapped()) == set()
    assert SHOWN - {path.partition("/")[0] for path in mapped()} == set()
