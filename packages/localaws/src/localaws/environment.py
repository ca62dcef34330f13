"""The environment variables of the server, its functions and its jobs."""

import os
from collections.abc import Mapping
from pathlib import Path

# The user's variables that are passed on: paths of programs and libraries, and the encoding of text. This is an
# allow-list because too many variables can redirect a client: proxies, certificates, profiles, endpoints.
INHERITED = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "LANG", "LC_ALL", "LC_CTYPE")


def isolated(home: Path, environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Variables that isolate clients from the user's settings in variables and files, so from real AWS accounts.

    home: the home folder, which is also the folder for temporary files.
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
        "NO_PROXY": "*",  # on macOS, urllib uses the system's proxies unless a variable overrides them
        "no_proxy": "*",
    }
