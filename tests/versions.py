"""Says what an environment of Airflow consists of, and refuses one of another Python: python -m tests.versions 3.12"""

import platform
import sys
from importlib.metadata import version


def main(python: str) -> int:
    found = platform.python_version()
    if not found.startswith(f"{python}."):
        made = f"{sys.prefix} has Python {found}, not {python}"
        print(f"error: {made}: remove it, and name the right one as PYTHON{python.replace('.', '')}", file=sys.stderr)
        return 1
    airflow, amazon = version("apache-airflow"), version("apache-airflow-providers-amazon")
    print(f"--- Python {found}, Airflow {airflow}, Amazon provider {amazon}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
