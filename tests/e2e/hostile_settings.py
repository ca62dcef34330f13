"""The environment of a user whose settings redirect AWS and HTTP clients to another server."""

import re
from pathlib import Path

from localaws.testing.user_settings import variables

# With these variables, clients would ignore the proxies or the files in the home folder, or write a file.
_MASKS_OTHERS = {
    *("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "BOTO_CONFIG", "NETRC"),
    *("REQUEST_METHOD", "SSLKEYLOGFILE"),
}


def hostile(home: Path, elsewhere: str) -> dict[str, str]:
    """Variables that redirect each client to `elsewhere`, an http:// address, or have an invalid value.

    home: an empty folder, in which files with the same effect are written.
    """
    (home / ".aws").mkdir()
    (home / ".aws" / "config").write_text(
        "[default]\nignore_configured_endpoint_urls = true\nregion = nowhere-1\nretry_mode = nonsense\n"
        f"services = elsewhere\n[services elsewhere]\ns3 =\n  endpoint_url = {elsewhere}\n"
    )
    (home / ".aws" / "credentials").write_text("[default]\naws_access_key_id = users\naws_secret_access_key = own\n")
    (home / ".boto").write_text("[Credentials]\naws_access_key_id = users\naws_secret_access_key = own\n")
    (home / ".netrc").write_text("default login user password own\n")
    (home / ".netrc").chmod(0o600)
    redirecting = re.compile(r"AWS_ENDPOINT_URL.*|(?!no).*_proxy", re.IGNORECASE)
    return {
        **dict.fromkeys(set(variables()) - _MASKS_OTHERS, "nonsense"),
        **dict.fromkeys(filter(redirecting.fullmatch, variables()), elsewhere),
        "NO_PROXY": "",
        "no_proxy": "",
        "HOME": str(home),
    }
