"""Services get only an allow-list of the user's variables."""

import sys
from pathlib import Path

from localaws.testing.user_settings import variables
from ops.environment import inherited
from ops.settings import LaptopSettings

USERS = {
    "HOME": "/home/user",
    "PATH": "/bin",
    "LANG": "de_DE.UTF-8",
    "AIRFLOW__CORE__PARALLELISM": "99",
    "SMART_HUB_DATA_BUCKET": "production",
    "PYTHONPATH": "/home/user",
    **dict.fromkeys(variables(), "nonsense"),
}


def test_a_service_gets_of_the_users_variables_those_that_redirect_no_client() -> None:
    left = inherited(LaptopSettings(local=Path("/state")), USERS)

    assert left == {
        "PATH": f"{sys.prefix}/bin:/bin",
        "LANG": "de_DE.UTF-8",
        "HOME": "/state/home",
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        "BOTO_CONFIG": "/dev/null",
        "NETRC": "/dev/null",
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": "*",
        "no_proxy": "*",
        "PYTHONUNBUFFERED": "1",
    }
