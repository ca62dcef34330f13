"""The page and the report as HTML: one template, one script, one style sheet."""

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

MEDIA_TYPES = {"page.css": "text/css", "page.js": "text/javascript", "plotly.js": "text/javascript"}


@cache
def asset(name: str) -> bytes:
    """The text of one of MEDIA_TYPES, in UTF-8. plotly.js comes from the installed package plotly."""
    if name == "plotly.js":
        return files("plotly").joinpath("package_data", "plotly.min.js").read_bytes()
    return (_ASSETS / name).read_bytes()


@cache
def zipped_asset(name: str) -> bytes:
    """The asset, gzipped once and not for each who asks: plotly.js takes 0.2 s."""
    return gzip.compress(asset(name), 6, mtime=0)


def asset_address(name: str) -> str:
    """Where the page finds an asset: the address changes with the content, so browsers may keep what they have."""
    return f"assets/{name}?{hashlib.sha256(asset(name)).hexdigest()[:12]}"


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_ASSETS),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(dollars=dollars, percent=percent, clock=clock)
    environment.globals.update(address=cache(asset_address))
    return environment


def page(view: View) -> str:
    """The page in Airflow's UI; its links are relative to the place where the application is mounted."""
    charts = [*view.charts, *([view.provider] if view.provider else [])]
    return _environment().get_template("page.html").render(view=view, plots=[one.plot for one in charts], inline=None)


def report(view: View) -> str:
    """A file of its own, for the hub's customer: it loads nothing, and shows the same without controls.

    What it leaves out is the provider's view, for that is about other homes.
    """
    inline = {name: asset(name).decode() for name in MEDIA_TYPES}
    plots = [chart.plot for chart in view.charts]
    return _environment().get_template("page.html").render(view=view, plots=plots, inline=inline)


def csv_text(rows: Iterable[Sequence[str | float]]) -> str:
    """CSV as RFC 4180 has it. A text that a spreadsheet would take for a formula gets an apostrophe before it."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    for row in rows:
        writer.writerow([f"'{cell}" if isinstance(cell, str) and cell[:1] in _FORMULA else cell for cell in row])
    return text.getvalue()


# https://owasp.org/www-community/attacks/CSV_Injection
_FORMULA = tuple("=+-@\t\r")
