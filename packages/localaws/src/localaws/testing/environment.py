"""Keeps the user's own AWS out of a process of tests."""

from __future__ import annotations

import os
from collections.abc import MutableMapping

_AWS = ("AWS_", "BOTO")


def isolate(environment: MutableMapping[str, str] = os.environ) -> None:
    """Remove the user's settings of AWS clients from the variables, and let clients reach loopback without a proxy."""
    for name in [name for name in environment if name.startswith(_AWS)]:
        del environment[name]
    direct = filter(None, [environment.get("NO_PROXY") or environment.get("no_proxy"), "127.0.0.1,localhost"])
    loopback = ",".join(direct)
    environment.update(
        AWS_CONFIG_FILE=os.devnull,
        AWS_SHARED_CREDENTIALS_FILE=os.devnull,
        AWS_EC2_METADATA_DISABLED="true",
        NO_PROXY=loopback,
        no_proxy=loopback,
    )
