"""The environment variables of the server, its functions and its jobs."""

import os
from collections.abc import Mapping
from pathlib import Path

# The user's variables that are passed on: where programs and libraries are, and how text is encoded. An allow-list,
# because what can redirect a client has no end: proxies, certificates, profiles, endpoints.
INHERITED = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "LANG", "LC_ALL", "LC_CTYPE")


def isolated(home: Path, environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Variables with which no setting of the user's, in a variable or a file, leads a client to a real account.

    home: the folder for temporary files and for what libraries look for in a home folder.
    """
    return {
        **{name: environment[name] for name in INHERITED if name in environment},
        "HOME": str(home),
        "TMPDIR": str(home),
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "BOTO_CONFIG": os.devnull,  # of boto 2; botocore takes credentials from it
        "NETRC": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": "*",  # on macOS urllib asks the system for proxies where no variable speaks of them
        "no_proxy": "*",
    }
