"""Options, session, output and error messages of the commands that work on AWS."""

import argparse
import sys
from collections.abc import Callable, Mapping

import boto3
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    PartialCredentialsError,
)

from smart_hub.core.stacks import StackError
from smart_hub.shared.layout import DEFAULT_STACK

DEFAULT_REGION = "us-east-1"


def options_of(command: str, description: str) -> argparse.ArgumentParser:
    """A parser with the options that select a deployment."""
    parser = argparse.ArgumentParser(prog=f"python -m {command}", description=description)
    parser.add_argument(
        "--stack",
        default=DEFAULT_STACK,
        help="name of the stack, from which all other names derive (default: %(default)s)",
    )
    parser.add_argument("--region", help=f"AWS region (default: as configured for AWS, else {DEFAULT_REGION})")
    parser.add_argument("--endpoint-url", help="address of a local AWS (default: AWS itself)")
    return parser


def parser_of(command: str, description: str, template: str) -> argparse.ArgumentParser:
    """A parser with the options of a deployment. template: the file that declares the parameters."""
    parser = options_of(command, description)
    parser.add_argument(
        "--parameter",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help=f"value of a parameter of {template}; can be repeated",
    )
    return parser


def session_of(options: argparse.Namespace) -> boto3.Session:
    return boto3.Session(region_name=options.region or boto3.Session().region_name or DEFAULT_REGION)


def parameters_of(options: argparse.Namespace) -> dict[str, str]:
    return dict(item.partition("=")[::2] for item in options.parameter)


def run(command: Callable[[], Mapping[str, str]], closing: Callable[[Mapping[str, str]], str] | None = None) -> int:
    """Runs a command, prints its outputs and the text of ``closing``, or the error. Returns the exit status."""
    try:
        outputs = command()
    except StackError as error:
        print(error, file=sys.stderr)
        return 1
    except (NoCredentialsError, PartialCredentialsError) as error:
        print(
            f"{error}: log in (aws sso login) or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
            file=sys.stderr,
        )
        return 1
    except (EndpointConnectionError, ConnectTimeoutError) as error:
        print(f"{error}: is the local AWS running, and are --endpoint-url and --region right?", file=sys.stderr)
        return 1
    except (BotoCoreError, ClientError) as error:
        print(f"AWS returned an error: {error}", file=sys.stderr)
        return 1
    print()
    for name, value in outputs.items():
        print(f"{name} = {value}")
    if closing:
        print(f"\n{closing(outputs)}")
    return 0
