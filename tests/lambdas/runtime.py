"""Lambda's side of a function: the Runtime API, the process it starts, and a fake AWS for that process to call.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

import json
import os
import queue
import re
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit
from xml.sax.saxutils import escape

from botocore import xform_name
from botocore.exceptions import ClientError

from tests.fake_aws import FakeAws

REGION = "us-east-1"

# How often a server checks whether to stop; the default of half a second adds up over the tests.
_STOP_POLL_SECONDS = 0.02
_API = "/2018-06-01/runtime"
_ARN = f"arn:aws:lambda:{REGION}:000000000000:function:"
_POSTED = re.compile(rf"{_API}/(?:invocation/(?P<request>[^/]+)/(?P<kind>response|error)|init/(?P<init>error))")


@dataclass(frozen=True)
class Message:
    """A message of a function's process to Lambda.

    kind: next (it waits for an event), response, error, init/error, or exit; request: id of the invocation that it is
    about, if any; body: the JSON document, or the exit status.
    """

    kind: str
    request: str = ""
    body: Any = None


class RuntimeApi(ThreadingHTTPServer):
    """The Runtime API of one execution environment, which handles one invocation at a time."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _RuntimeRequest)
        self.said: queue.Queue[Message] = queue.Queue()
        # Headers and body of an event; None ends the wait for one.
        self.events: queue.Queue[tuple[dict[str, str], bytes] | None] = queue.Queue()
        self.current = ""
        threading.Thread(target=self.serve_forever, args=(_STOP_POLL_SECONDS,), daemon=True).start()

    def close(self) -> None:
        self.events.put(None)
        self.shutdown()
        self.server_close()


class _Request(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        """Logs nothing: the tests check the requests."""

    def body(self) -> bytes:
        return self.rfile.read(int(self.headers["Content-Length"]))

    def answer(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


class _RuntimeRequest(_Request):
    server: RuntimeApi

    def do_GET(self) -> None:
        if self.path != f"{_API}/invocation/next":
            self.send_error(404)
            return
        self.server.said.put(Message("next"))
        event = self.server.events.get()
        if event is None:
            self.close_connection = True
            return
        headers, body = event
        self.server.current = headers["Lambda-Runtime-Aws-Request-Id"]
        self.answer(200, body, headers)

    def do_POST(self) -> None:
        posted, body = _POSTED.fullmatch(self.path), self.body()
        if posted is None:
            self.send_error(404)
        elif posted["init"]:
            self._keep("init/error", "", body)
        elif posted["request"] != self.server.current:
            self._json(400, {"errorMessage": "Invalid request ID", "errorType": "InvalidRequestID"})
        else:
            self.server.current = ""
            self._keep(posted["kind"], posted["request"], body)

    def _keep(self, kind: str, request: str, body: bytes) -> None:
        self._json(202, {"status": "OK"})
        self.server.said.put(Message(kind, request, json.loads(body)))

    def _json(self, status: int, document: dict[str, Any]) -> None:
        self.answer(status, json.dumps(document).encode(), {"Content-Type": "application/json"})


class Function:
    """A process that runs one handler under AWS's runtime client, started as Lambda starts it.

    task: the unpacked package; log: file of what the process prints; environment: the function's own variables.
    """

    def __init__(self, task: Path, name: str, log: Path, environment: Mapping[str, str]) -> None:
        self.name, self.log = name, log
        self.api = RuntimeApi()
        # https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
        lambdas_own = {
            "_HANDLER": f"{name}.handler",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_REGION": REGION,
            "AWS_EXECUTION_ENV": f"AWS_Lambda_python{sys.version_info.major}.{sys.version_info.minor}",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
            "AWS_LAMBDA_FUNCTION_NAME": f"smart-hub-{name}",
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/smart-hub-{name}",
            "AWS_LAMBDA_LOG_STREAM_NAME": "2019/12/22/[$LATEST]0",
            "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{self.api.server_port}",
            "LAMBDA_TASK_ROOT": str(task),
            "LANG": "en_US.UTF-8",
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "PYTHONDONTWRITEBYTECODE": "1",  # the task's folder is read-only on Lambda
            "TZ": ":UTC",
        }
        with log.open("w") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "awslambdaric", f"{name}.handler"],
                cwd=task,
                env={**lambdas_own, **environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        self.api.said.put(Message("exit", body=self.process.wait()))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.process.kill()
        self.process.wait()
        self.api.close()

    def says(self, seconds: float = 30) -> Message:
        """The next message of the process; fails if there is none in time, when Lambda would end the process."""
        try:
            return self.api.said.get(timeout=seconds)
        except queue.Empty:
            raise AssertionError(f"nothing said within {seconds} s; printed:\n{self.log.read_text()}") from None

    def ready(self) -> None:
        """Waits for the process to ask for an event; fails if it does anything else."""
        message = self.says()
        assert message.kind == "next", f"{message}; printed:\n{self.log.read_text()}"

    def invoke(self, event: Any, seconds: float = 60) -> Message:
        """The answer to an event, due in so many seconds; fails unless the process then asks for the next one."""
        deadline = time.time() + seconds
        request = os.urandom(8).hex()
        headers = {
            "Content-Type": "application/json",
            "Lambda-Runtime-Aws-Request-Id": request,
            "Lambda-Runtime-Deadline-Ms": str(int(deadline * 1000)),
            "Lambda-Runtime-Invoked-Function-Arn": f"{_ARN}smart-hub-{self.name}",
            "Lambda-Runtime-Trace-Id": "Root=1-5dfe2a80-0123456789abcdef01234567;Sampled=0",
        }
        self.api.events.put((headers, json.dumps(event).encode()))
        answer = self.says(deadline - time.time())
        assert answer.request == request, f"{answer}; printed:\n{self.log.read_text()}"
        self.ready()
        return answer

    def cpu_seconds(self) -> float:
        """CPU time of the process so far, which does not depend on the load of the machine."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def peak_memory(self) -> int:
        """The maximum of the process's memory in bytes."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) * 1024


class AwsServer(ThreadingHTTPServer):
    """A FakeAws over HTTP: Athena, Glue, and S3's listings."""

    def __init__(self, aws: FakeAws) -> None:
        super().__init__(("127.0.0.1", 0), _AwsRequest)
        self.services = {"AmazonAthena": aws.client("athena"), "AWSGlue": aws.client("glue")}
        self.s3 = aws.client("s3")
        self.endpoint = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, args=(_STOP_POLL_SECONDS,), daemon=True).start()

    def close(self) -> None:
        self.shutdown()
        self.server_close()


class _AwsRequest(_Request):
    server: AwsServer

    def do_POST(self) -> None:
        service, _, operation = self.headers["X-Amz-Target"].partition(".")
        parameters = json.loads(self.body())
        try:
            answer = getattr(self.server.services[service], xform_name(operation))(**parameters)
        except ClientError as refused:
            error = refused.response["Error"]
            status, answer = 400, {"__type": error["Code"], "Message": error["Message"]}
        else:
            status = answer.pop("ResponseMetadata")["HTTPStatusCode"]
        body = json.dumps(answer, default=datetime.timestamp).encode()
        self.answer(status, body, {"Content-Type": "application/x-amz-json-1.1"})

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        listing = self.server.s3.list_objects_v2(Bucket=url.path.strip("/"), Prefix=parse_qs(url.query)["prefix"][0])
        contents = "".join(
            f"<Contents><Key>{escape(item['Key'])}</Key><ETag>{escape(item['ETag'])}</ETag><Size>{item['Size']}</Size>"
            f"<LastModified>{item['LastModified']:%Y-%m-%dT%H:%M:%S.000Z}</LastModified></Contents>"
            for item in listing["Contents"]
        )
        body = f"<ListBucketResult><IsTruncated>false</IsTruncated>{contents}</ListBucketResult>"
        self.answer(200, body.encode(), {"Content-Type": "application/xml"})
