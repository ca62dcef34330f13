"""The environment variables by which a user's settings redirect AWS and HTTP clients to another server."""

from __future__ import annotations

from botocore.configprovider import BOTOCORE_DEFAUT_SESSION_VARIABLES

# https://docs.aws.amazon.com/boto3/latest/guide/configuration.html, and other variables that botocore reads.
_MORE_OF_BOTOCORE = """
AWS_ACCESS_KEY_ID AWS_ACCOUNT_ID AWS_CONTAINER_AUTHORIZATION_TOKEN AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE
AWS_CONTAINER_CREDENTIALS_FULL_URI AWS_CONTAINER_CREDENTIALS_RELATIVE_URI AWS_CREDENTIAL_EXPIRATION
AWS_CREDENTIAL_FILE AWS_ENDPOINT_URL AWS_ENDPOINT_URL_ATHENA AWS_ENDPOINT_URL_CLOUDFORMATION AWS_ENDPOINT_URL_GLUE
AWS_ENDPOINT_URL_IAM AWS_ENDPOINT_URL_LAMBDA AWS_ENDPOINT_URL_S3 AWS_ENDPOINT_URL_STS AWS_EXECUTION_ENV
AWS_LAMBDA_FUNCTION_NAME AWS_LOGIN_CACHE_DIRECTORY AWS_NEW_RETRIES_2026 AWS_REGION AWS_ROLE_ARN AWS_ROLE_SESSION_NAME
AWS_S3_DISABLE_MULTIREGION_ACCESS_POINTS AWS_S3_USE_ARN_REGION AWS_S3_US_EAST_1_REGIONAL_ENDPOINT
AWS_SECRET_ACCESS_KEY AWS_SECURITY_TOKEN AWS_SESSION_TOKEN AWS_WEB_IDENTITY_TOKEN_FILE BOTO_CONFIG BOTO_DISABLE_CRT
BOTO_EXPERIMENTAL__ADD_PROXY_HOST_HEADER BOTO_EXPERIMENTAL__NO_EMPTY_CONTINUE
"""
_PROXIES = [
    spelled(f"{scheme}_proxy")
    for scheme in ("http", "https", "ftp", "all", "ws", "wss")
    for spelled in (str, str.upper)
]
# https://docs.python.org/3/library/urllib.request.html, https://requests.readthedocs.io/en/latest/user/advanced/,
# https://www.python-httpx.org/environment_variables/, https://docs.python.org/3/library/ssl.html
_OTHER_CLIENTS = [
    *(*_PROXIES, "NO_PROXY", "no_proxy", "REQUEST_METHOD"),
    *("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NETRC"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE"),
]


def variables() -> list[str]:
    """The names of all variables that botocore, urllib, requests and httpx read."""
    names: set[str] = {*_MORE_OF_BOTOCORE.split(), *_OTHER_CLIENTS}
    for _, read, *_ in BOTOCORE_DEFAUT_SESSION_VARIABLES.values():
        names.update([read] if isinstance(read, str) else read or [])
    return sorted(names)
