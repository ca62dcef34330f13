"""How Trino is started: by `ops.trino`, on its ports and in its folder."""

import shlex

from ops.settings import ROOT

# For localaws.testing.Trino, which fills in {folder}, {aws_port} and {port}. The environment of Airflow has all that
# ops.trino needs.
TRINO_COMMAND = (
    "env SMART_HUB_LOCAL={folder} AWS_PORT={aws_port} TRINO_PORT={port} ENGINE=trino TRINO_URL= "
    f"{shlex.quote(f'PYTHONPATH={ROOT}')} {shlex.quote(str(ROOT / '.venv' / 'bin' / 'python'))} -m ops.trino run"
)
