"""The commands behind make: services, demo, deployment."""

import sys
from pathlib import Path

# Airflow puts plugins/ on its path; the commands share its modules.
sys.path.append(str(Path(__file__).resolve().parent.parent / "plugins"))
