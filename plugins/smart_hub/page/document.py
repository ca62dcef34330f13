"""The page and the customer report as HTML, from one template, one script and one style sheet; the CSV download."""

import csv
import gzip
import hashlib
import io
from collections.abc import Iterable, Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path

import jinja2

from smart_hub.page.charts import clock, dollars, percent
from smart_hub.page.view import View

_ASSETS = Path(__file__).parent / "assets"
# Spreadsheets interpret text with these first characters: https://owasp.org/www-community/attacks/CSV_Injection
_FORMULA_PREFIXES = tuple("=+-@\t\r")

MEDIA_TYPES = {"page.css": "text/css", "page.js": "text/javascript", "plotly.js": "text/javascript"}


@cache
def read_asset(name: str) -> bytes:
    """The content of an asset of MEDIA_TYPES, in UTF-8. plotly.js comes from the installed package plotly."""
    if name == "plotly.js":
        return files("plotly").joinpath("package_data", "plotly.min.js").read_bytes()
    return (_ASSETS / name).read_bytes()


@cache
def gzip_asset(name: str) -> bytes:
    """The compressed asset; cached, because plotly.js takes 0.2 s."""
    return gzip.compress(read_asset(name), 6, mtime=0)


@cache
def asset_url(name: str) -> str:
    """The asset's relative URL. It contains a hash of the content, so that browsers can cache it indefinitely."""
    return f"assets/{name}?{hashlib.sha256(read_asset(name)).hexdigest()[:12]}"


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_ASSETS),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(dollars=dollars, percent=percent, clock=clock)
    environment.globals.update(asset_url=asset_url)
    return environment.get_template("page.html")


def render_page(view: View) -> str:
    """The page in Airflow's UI; its links are relative to the application's mount point."""
    charts = [*view.charts, *([view.provider] if view.provider else [])]
    return _template().render(view=view, plots=[chart.plot for chart in charts], inline=None)


def render_report(view: View) -> str:
    """The customer report: a self-contained file without controls, which loads nothing.

    It omits the provider's load, which is about other homes.
    """
    inline = {name: read_asset(name).decode() for name in MEDIA_TYPES}
    return _template().render(view=view, plots=[chart.plot for chart in view.charts], inline=inline)


def to_csv(rows: Iterable[Sequence[str | float]]) -> str:
    """CSV as in RFC 4180. Text that a spreadsheet would interpret as a formula is prefixed with an apostrophe."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    for row in rows:
        writer.writerow(
            [f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA_PREFIXES) else cell for cell in row]
        )
    return text.getvalue()
