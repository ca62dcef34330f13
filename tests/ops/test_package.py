"""The artifacts: same content, same key; and all that the functions import is in them."""

import hashlib
import io
import os
import subprocess
import sys
import zipfile
from pathlib import Path

from ops import package

FILES = {
    "include/lambdas/convert.py": "handler = 1\n",
    "include/sql/convert/readings.sql": "SELECT 1\n",
    "include/glue/rates_xml_to_parquet.py": "main = 1\n",
    "plugins/smart_hub/__init__.py": "",
    "plugins/smart_hub/shared/__init__.py": "",
    "plugins/smart_hub/shared/sql.py": "render = 1\n",
}


def written(root: Path, names: list[str]) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(FILES[name])
    return root


def test_the_same_content_gives_the_same_bytes_whenever_and_in_whatever_order_it_was_written(
    tmp_path: Path,
) -> None:
    # given: the same files, written in opposite order, one lot of them older and its owner's only
    here = written(tmp_path / "here", sorted(FILES))
    there = written(tmp_path / "there", sorted(FILES, reverse=True))
    for path in there.rglob("*.py"):
        os.utime(path, (1_576_915_200, 1_576_915_200))
        path.chmod(0o600)

    # expect
    assert package.lambda_zip(here) == package.lambda_zip(there)


def test_a_key_holds_the_hash_of_the_content(tmp_path: Path) -> None:
    root = written(tmp_path, sorted(FILES))

    before = package.code(root)
    (root / "include/sql/convert/readings.sql").write_text("SELECT 2\n")
    after = package.code(root)

    assert before.key == f"lambda/{hashlib.sha256(before.body).hexdigest()[:16]}.zip"
    assert after.key != before.key
    # sha256 of "main = 1\n", by sha256sum
    assert package.script(root).key == "glue/2704dcce3a751a11/rates_xml_to_parquet.py"


def test_the_zip_holds_handlers_statements_and_shared_modules_and_nothing_else(tmp_path: Path) -> None:
    # given: what an editor and an interpreter leave behind
    root = written(tmp_path, sorted(FILES))
    (root / "include/lambdas/__pycache__").mkdir()
    (root / "include/lambdas/__pycache__/convert.cpython-311.pyc").write_bytes(b"x")
    (root / "include/sql/convert/readings.sql~").write_text("old")
    (root / "plugins/smart_hub/core").mkdir()
    (root / "plugins/smart_hub/core/settings.py").write_text("import airflow")

    with zipfile.ZipFile(io.BytesIO(package.lambda_zip(root))) as archive:
        assert archive.namelist() == [
            "convert.py",
            "smart_hub/__init__.py",
            "smart_hub/shared/__init__.py",
            "smart_hub/shared/sql.py",
            "sql/convert/readings.sql",
        ]
        assert archive.read("sql/convert/readings.sql") == b"SELECT 1\n"


def test_the_functions_find_all_that_they_import_in_the_zip(tmp_path: Path) -> None:
    # given: the zip as Lambda unpacks it, and an interpreter that knows nothing of this repository
    with zipfile.ZipFile(io.BytesIO(package.lambda_zip())) as archive:
        archive.extractall(tmp_path)
    program = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "import compact, convert, event, transform\n"
        "print(*(callable(module.handler) for module in (convert, transform, compact)), event.SQL.is_dir())\n"
    )

    done = subprocess.run(
        [sys.executable, "-I", "-c", program], capture_output=True, text=True, timeout=30, check=False
    )

    assert (done.stdout, done.stderr) == ("True True True True\n", "")
