"""The server's process: command line, addresses, start and stop."""

import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from localaws.testing import LocalAws, function_zip
from tests.processes import is_running, wait_until_ended

FUNCTION = """
import boto3, os, time

def idle(event, context):
    boto3.client("s3").put_object(Bucket="pids", Key="pid", Body=str(os.getpid()))

def busy(event, context):
    idle(event, context)
    time.sleep(600)
"""


def localaws(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "localaws", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=30)


def test_help_lists_the_options() -> None:
    answer = localaws("--help")
    assert answer.returncode == 0
    for setting in ("--host", "--port", "--state", "--log-level"):
        assert setting in answer.stdout


@pytest.mark.parametrize("size", ["2", "2T", "0G", "G", "much"])
def test_an_invalid_size_of_memory_is_an_error(tmp_path: Path, size: str) -> None:
    answer = localaws("--state", str(tmp_path), "--port", "0", "--query-memory", size)
    assert answer.returncode == 2
    assert f"--query-memory: {size} is not a size: write it as 2G or 500M" in answer.stderr


def test_it_starts_in_under_five_seconds(tmp_path: Path) -> None:
    start = time.monotonic()
    with LocalAws(tmp_path / "state") as aws, urllib.request.urlopen(f"{aws.endpoint}/_localaws/health") as response:
        assert response.status == 200
        assert time.monotonic() - start < 5


def test_a_port_in_use_is_reported_with_the_option(tmp_path: Path) -> None:
    # given a port in use
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        # when the server is started there
        answer = localaws("--port", str(port), "--state", str(tmp_path))

    # expect one line with the port and the option
    assert answer.returncode == 1
    assert answer.stderr.splitlines() == [
        f"Port {port} on 127.0.0.1 is taken: stop what uses it, or choose another port with --port"
    ]


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS has no 127.0.0.2 unless it is set up")
def test_in_a_container_it_listens_on_all_addresses_and_uses_loopback_itself(tmp_path: Path) -> None:
    # given a server that listens on all addresses
    with LocalAws(tmp_path / "state", "--host", "0.0.0.0") as aws:
        # when a client uses another address of this machine, as one in another container does
        with urllib.request.urlopen(f"http://127.0.0.2:{aws.port}/_localaws/health") as response:
            status = response.status

        # expect a response, and the unchanged address by which functions, jobs and queries reach the server
        assert status == 200
        assert aws.endpoint == f"http://127.0.0.1:{aws.port}"


def test_other_addresses_are_refused(tmp_path: Path) -> None:
    answer = localaws("--host", "192.0.2.1", "--state", str(tmp_path))
    assert answer.returncode == 2
    assert "'127.0.0.1', '0.0.0.0'" in answer.stderr


def test_a_state_folder_is_used_by_one_server(aws: LocalAws) -> None:
    # given a server, when another one is started with its state folder, expect an error
    answer = localaws("--port", "0", "--state", str(aws.state))
    assert answer.returncode == 1
    assert answer.stderr.splitlines() == [
        f"Another local AWS uses the state folder {aws.state}: stop it, or choose another folder with --state"
    ]


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="the kernel's list of sockets is Linux's")
def test_it_listens_on_loopback_only(aws: LocalAws) -> None:
    # given a server that has answered requests of several services
    aws.client("s3").list_buckets()
    aws.client("glue").get_databases()

    # when its listening sockets are listed
    inodes = set()
    for handle in Path(f"/proc/{aws.process.pid}/fd").iterdir():
        target = str(handle.readlink())
        if target.startswith("socket:["):
            inodes.add(target[8:-1])
    listening = [
        fields[1]
        for table in ("tcp", "tcp6")
        for fields in map(str.split, Path(f"/proc/net/{table}").read_text().splitlines()[1:])
        if fields[3] == "0A" and fields[9] in inodes
    ]

    # expect one, on 127.0.0.1 and its port
    assert listening == [f"0100007F:{aws.port:04X}"]


@pytest.mark.parametrize("handler", ["idle", "busy"])
def test_a_stop_is_clean_and_leaves_no_process(fresh_aws: LocalAws, handler: str) -> None:
    # given a function whose worker process is warm, or in the middle of an invocation
    s3 = fresh_aws.client("s3")
    s3.create_bucket(Bucket="pids")
    fresh_aws.client("lambda").create_function(
        FunctionName="function",
        Runtime="python3.12",
        Role=fresh_aws.role("function"),
        Handler=f"index.{handler}",
        Code={"ZipFile": function_zip(FUNCTION)},
        Timeout=600,
    )
    fresh_aws.client("lambda").invoke(FunctionName="function", InvocationType="Event")
    s3.get_waiter("object_exists").wait(Bucket="pids", Key="pid", WaiterConfig={"Delay": 0.05, "MaxAttempts": 400})
    pid = int(s3.get_object(Bucket="pids", Key="pid")["Body"].read())
    assert is_running(pid)

    # when the server is stopped
    status = fresh_aws.stop()

    # expect exit status 0, and no worker
    assert status == 0
    wait_until_ended([pid])
