"""The stack deleted from the UI, by the real scheduler, with IAM enforced: request, preview, approval, removal."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from tests.e2e.environment import SECONDS, Environment
from tests.ports import free_ports

pytestmark = pytest.mark.long

DAG = "smart_hub_teardown"
BUCKET = "smart-hub-data-000000000000-us-east-1"


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Environment]:
    """An environment of its own, for its stack goes."""
    made = Environment(tmp_path_factory.mktemp("teardown") / "local", *free_ports())
    up = made.make("up")
    assert up.returncode == 0, up.stdout
    made.airflow.patch("../smart_hub_usage", json={"is_paused": False}).raise_for_status()
    yield made
    made.make("down")


def trigger(own: Environment, run_id: str, stack: str = "smart-hub") -> httpx.Response:
    body = {"dag_run_id": run_id, "logical_date": None, "conf": {"stack": stack}}
    return own.airflow.post(f"../{DAG}/dagRuns", json=body)


def wait_for(what: Callable[[], Any]) -> Any:
    """What comes of it, once it is anything."""
    deadline = time.monotonic() + SECONDS
    while not (found := what()):
        assert time.monotonic() < deadline
        time.sleep(0.5)
    return found


def question(own: Environment, run_id: str) -> dict[str, Any]:
    """What the task `approve` asks, once it waits for an answer."""
    instance = f"../{DAG}/dagRuns/{run_id}/taskInstances/approve"
    wait_for(lambda: own.airflow.get(instance).json()["state"] == "awaiting_input")
    # If a task is answered before the scheduler has noticed that it waits, Airflow 3.3 treats it as failed.
    noticed = f"TaskInstance Finished: dag_id={DAG}, task_id=approve, run_id={run_id}, "
    wait_for(lambda: noticed in (own.local / "logs" / "scheduler.log").read_text())
    asked: dict[str, Any] = own.airflow.get(f"{instance}/-1/hitlDetails").raise_for_status().json()
    return asked


def answer(own: Environment, run_id: str, option: str) -> dict[str, Any]:
    """The run, ended after that answer."""
    path = f"../{DAG}/dagRuns/{run_id}/taskInstances/approve/-1/hitlDetails"
    own.airflow.patch(path, json={"chosen_options": [option], "params_input": {}}).raise_for_status()
    return own.finished(run_id, DAG)


def log(own: Environment, run_id: str, task: str) -> str:
    folder = own.local / "airflow" / "logs" / f"dag_id={DAG}" / f"run_id={run_id}" / f"task_id={task}"
    return "".join(path.read_text() for path in sorted(folder.glob("*.log")))


def stacks(own: Environment) -> set[str]:
    found = own.client("cloudformation").list_stacks()["StackSummaries"]
    return {one["StackName"] for one in found if one["StackStatus"] != "DELETE_COMPLETE"}


def test_the_stack_goes_once_that_is_approved_and_not_before(own: Environment) -> None:
    # a name that is not the stack's starts nothing
    for name in ("smart-hu", "smart-hub-bootstrap", ""):
        assert trigger(own, "misspelt", name).status_code == 400

    # while a day is being worked on, it is refused at once
    day = {"dag_run_id": "a_day", "logical_date": None, "conf": {"usage_date": "2019-12-21"}}
    own.airflow.post("/dagRuns", json=day).raise_for_status()
    trigger(own, "too_early").raise_for_status()
    assert own.finished("too_early", DAG)["state"] == "failed"
    assert "1 runs of smart_hub_usage are queued or running" in log(own, "too_early", "preview")
    assert own.finished("a_day")["state"] == "success"

    # what would go is shown, and a no is final
    objects = own.client("s3").list_object_versions(Bucket=BUCKET)["Versions"]
    trigger(own, "rejected").raise_for_status()
    body = question(own, "rejected")["body"]
    assert "- stack smart-hub (CREATE_COMPLETE): tables and views 24, functions 3" in body
    size = sum(one["Size"] for one in objects)
    assert f"- bucket {BUCKET}: {len(objects):,} objects, {size:,} bytes" in body
    assert answer(own, "rejected", "Reject")["state"] == "failed"
    assert own.airflow.get(f"../{DAG}/dagRuns/rejected/taskInstances/approve").json()["try_number"] == 1
    assert stacks(own) == {"smart-hub", "smart-hub-bootstrap"}
    assert len(own.client("s3").list_object_versions(Bucket=BUCKET)["Versions"]) == len(objects)

    # a run that begins after the question holds it up still; cleared, it goes on
    trigger(own, "approved").raise_for_status()
    assert question(own, "approved")["subject"] == "Delete the stack smart-hub with all its data?"
    own.airflow.post("/dagRuns", json={**day, "dag_run_id": "late"}).raise_for_status()
    assert answer(own, "approved", "Approve")["state"] == "failed"
    assert "1 runs of smart_hub_usage are queued or running" in log(own, "approved", "remove")
    own.airflow.patch("/dagRuns/late", json={"state": "failed"}).raise_for_status()
    tasks = "/dagRuns/late/taskInstances"
    wait_for(
        lambda: not [t for t in own.airflow.get(tasks).json()["task_instances"] if t["state"] in ("running", "queued")]
    )
    clear = {"dry_run": False, "dag_run_id": "approved", "task_ids": ["remove"], "only_failed": True}
    own.airflow.post(f"../{DAG}/clearTaskInstances", json=clear).raise_for_status()
    wait_for(lambda: own.airflow.get(f"../{DAG}/dagRuns/approved").json()["state"] != "failed")
    assert own.finished("approved", DAG)["state"] == "success", log(own, "approved", "remove")

    # the main stack and its bucket are deleted, the bootstrap stack is not
    assert stacks(own) == {"smart-hub-bootstrap"}
    names = [bucket["Name"] for bucket in own.client("s3").list_buckets()["Buckets"]]
    assert names == ["smart-hub-artifacts-000000000000-us-east-1"]
    assert [r["RoleName"] for r in own.client("iam").list_roles()["Roles"] if r["Path"] != "/bootstrap/"] == []

    # with the stack went Airflow's role: it says what is left to do
    trigger(own, "again").raise_for_status()
    assert own.finished("again", DAG)["state"] == "failed"
    assert "make destroy STACK=smart-hub deletes the rest" in log(own, "again", "preview")

    # and deployed again, it works again
    up = own.make("up")
    assert up.returncode == 0, up.stdout
    assert stacks(own) == {"smart-hub", "smart-hub-bootstrap"}
