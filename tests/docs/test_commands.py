"""What the pages have one type is taken by what it is for: make, what make starts, Airflow's CLI, AWS's API.

Many of these commands are run by a test, too; here are all, also those that need an account, an hour or a network.
"""

import re
import shlex
import subprocess
from collections.abc import Iterator
from functools import cache

import botocore.session
import pytest
from airflow.cli.cli_parser import get_parser
from botocore import xform_name
from botocore.exceptions import UnknownServiceError

from smart_hub.core.settings import SETTINGS
from tests.docs.pages import FOLDERS, PAGES, ROOT, blocks, pages, shell
from tests.ops.test_makefile import make

pytestmark = pytest.mark.service  # each command is asked for its options

# The AWS CLI's own: commands that are no operation of an API, and options of all commands.
OF_THE_CLI = {("s3", "mb"), ("s3", "sync"), ("sso", "login")}
OPTIONS = {"--region", "--output", "--query", "--no-paginate"}


def commands(page: str, *beginning: str) -> list[list[str]]:
    """The words of each command of the page that begins so and goes on, without the beginning and what is left open."""
    found = [words for words in shell(PAGES[page]) if tuple(words[: len(beginning)]) == beginning]
    return [rest for words in found if (rest := [word for word in words[len(beginning) :] if word != "…"])]


def options(words: list[str]) -> set[str]:
    return {word.partition("=")[0] for word in words if word.startswith("--")} - {"--help"}


@cache
def recipe(*words: str) -> str:
    """What make would run, all that it needs included."""
    done = make("-nB", *words)
    assert done.returncode == 0, f"make {shlex.join(words)}: {done.stderr}"
    return done.stdout.replace("\\\n", " ")


def starts(shell_text: str) -> Iterator[tuple[tuple[str, ...], set[str]]]:
    """Each module of ours that is started: interpreter, module and, if it has some, subcommand; its options."""
    for python, module, rest in re.findall(r"(\S*python) (?:-u )?-m ([\w.]+)([^\n;&|]*)", shell_text):
        if module.partition(".")[0] in FOLDERS:
            words = shlex.split(rest)
            command = words[:1] if words and re.fullmatch("[a-z]+", words[0]) else []
            # a page leaves open which environment it is; the commands' own is Airflow's
            yield (python if "/" in python else ".venv/bin/python", module, *command), options(words)


@cache
def help_of(python: str, *module: str) -> str:
    done = subprocess.run(
        [ROOT / python, "-m", *module, "--help"],
        cwd=ROOT,
        env={"PYTHONPATH": "plugins:packages/localaws/src:packages/localaws"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, f"{module}: {done.stderr}"
    return done.stdout


def unknown(shell_text: str) -> list[tuple[str, ...]]:
    return [
        (*start[1:], option)
        for start, given in starts(shell_text)
        if start[1:] != ("ops.services", "airflow")  # it hands on what it is given
        for option in given
        if not re.search(rf"(^|\s|\[){option}\b", help_of(*start))
    ]


def test_commands_are_found() -> None:
    assert ["demo"] in commands("README.md", "make")
    assert ["deploy", "REGION=us-east-1", "DRY_RUN=1"] in commands("docs/aws.md", "make")
    assert ["stop-query-execution", "--query-execution-id", "$QUERY"] in commands("docs/runbook.md", "aws", "athena")
    # in $(…) within an option of another
    assert "get-caller-identity" in [words[0] for words in commands("docs/runbook.md", "aws", "sts")]
    assert [*starts("ENV=1 .venv/bin/python -m ops.mwaa build --stack 'a b' \n")] == [
        ((".venv/bin/python", "ops.mwaa", "build"), {"--stack"})
    ]
    assert unknown(".venv/bin/python -m ops.mwaa build --stock 'a b'") == [("ops.mwaa", "build", "--stock")]


@pages
def test_every_block_of_shell_is_one(page: str) -> None:
    for block in blocks(PAGES[page], "sh"):
        done = subprocess.run(["sh", "-n"], input=block, capture_output=True, text=True)
        assert done.returncode == 0, f"{block}\n{done.stderr}"


@pages
def test_what_make_is_given_is_a_target_and_variables_that_it_hands_on(page: str) -> None:
    # a laptop's settings are as in docs/settings.md: tests/ops/test_settings.py
    laptop = re.findall(r"^\| `(\w+)` \|", PAGES["docs/settings.md"].partition("## A laptop's")[2], re.MULTILINE)
    environment = {*laptop, *SETTINGS}
    for words in commands(page, "make"):
        given = [word for word in words if re.fullmatch(r"[A-Z][A-Z0-9_]*=.*", word, re.DOTALL)]
        for word in given:
            if word.partition("=")[0] not in environment:
                assert recipe(*words) != recipe(*(one for one in words if one != word)), f"{word} changes nothing"
        recipe(*words)


@pages
def test_what_make_and_python_start_has_the_options_that_it_is_given(page: str) -> None:
    texts = [recipe(*words) for words in commands(page, "make")]
    texts += [shlex.join(words) for words in shell(PAGES[page]) if "-m" in words]

    assert [one for text in texts for one in unknown(text)] == []


@pages
def test_airflow_has_the_commands_and_options(page: str, capsys: pytest.CaptureFixture[str]) -> None:
    asked = [
        word.partition("=")[2] for words in commands(page, "make", "airflow") for word in words if word != "ARGS=…"
    ]
    given = [*commands(page, "airflow"), *map(shlex.split, asked)]
    given += [words[words.index("airflow") + 1 :] for words in commands(page, "docker") if "airflow" in words]
    for words in given:
        first = next((number for number, word in enumerate(words) if word.startswith("-")), len(words))
        with pytest.raises(SystemExit) as ended:
            get_parser().parse_args([*words[:first], "--help"])
        printed = capsys.readouterr()
        assert ended.value.code == 0, printed.err
        assert {option for option in options(words) if option not in printed.out} == set(), words


@pages
def test_aws_has_the_operations_and_parameters(page: str) -> None:
    session = botocore.session.get_session()
    for service, *words in commands(page, "aws"):
        if not words or (service, words[0]) in OF_THE_CLI:
            continue
        try:
            model = session.get_service_model("s3" if service == "s3api" else service)
        except UnknownServiceError:
            pytest.fail(f"aws {service}: there is no such service")
        operations = {xform_name(name, "-"): name for name in model.operation_names}
        assert words[0] in operations, f"aws {service} {words[0]}: there is no such operation"
        shape = model.operation_model(operations[words[0]]).input_shape
        parameters = {f"--{xform_name(name, '-')}" for name in (shape.members if shape else ())}
        assert options(words) - parameters - OPTIONS == set(), f"aws {service} {words[0]}"
