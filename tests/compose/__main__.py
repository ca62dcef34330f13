"""make test-compose: runs docker-compose.yaml for real, in a project and on ports of its own, and takes it away again.

Builds the images, starts all services, waits for the sample days, and checks what docs/docker-compose.md promises:
health, rows, users, addresses, state that survives, nothing left. Needs Docker with Compose 2. Exit 1 with the first
promise that does not hold, and what the services said.
"""

import argparse
import json
import os
import re
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from ops import keys
from tests.dockerignore import context
from tests.e2e.environment import DAYS, ROOT, Environment
from tests.ports import free_ports

RUNNING = ["api-server", "dag-processor", "local-aws", "postgres", "scheduler", "triggerer"]
ONCE = ["demo", "init"]
SECONDS = 900  # for all services to be well and the days to have run, on a busy machine with two cores
ROWS = [(day, "17280") for day in DAYS]  # 6 hubs × 10 sensors × 288 intervals
# Of whatever engine: rows, and sums that do not depend on their order.
SUMMARY = """
SELECT cast(dt AS varchar), count(*), sum(cast(kwh AS decimal(18, 9))), sum(cast(cost AS decimal(18, 9)))
FROM usage_cost GROUP BY dt ORDER BY dt
"""
OF_A_PROJECT = {
    "containers": ["container", "ls", "--all"],
    "volumes": ["volume", "ls"],
    "networks": ["network", "ls"],
}


class Failed(Exception):
    """A promise that does not hold."""


def expect(what: str, found: Any, wanted: Any) -> None:
    if found != wanted:
        raise Failed(f"{what}: expected {wanted}, found {found}")


@dataclass
class Project:
    """A Compose project with an .env of its own."""

    env_file: Path
    trino: bool = False
    ports: tuple[int, int] = field(default_factory=free_ports)
    name: str = field(default_factory=lambda: f"smart-hub-test-{secrets.token_hex(3)}")
    settings: dict[str, str] = field(default_factory=dict)
    ran: list[str] = field(default_factory=list)  # the arguments of every `docker compose` so far

    @property
    def aws(self) -> Environment:
        """The published services, as the tests of `make demo` ask them."""
        return Environment(self.env_file.parent, *self.ports)

    def compose(self, *arguments: str, loud: bool = False, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run `docker compose`; its output to ours when `loud`, else captured. Raises Failed when it fails."""
        self.ran.append(" ".join(arguments))
        airflow, aws = map(str, self.ports)
        names = [*keys.compose(), "AIRFLOW_PORT", "AWS_PORT", "SOURCE", "FROM", "TO", "ENGINE", "COMPOSE_PROFILES"]
        users = {name: value for name, value in os.environ.items() if name not in names}
        done = subprocess.run(
            ["docker", "compose", "--project-name", self.name, "--env-file", str(self.env_file), *arguments],
            cwd=ROOT,
            env={**users, "AIRFLOW_PORT": airflow, "AWS_PORT": aws, **self.settings},
            stdin=subprocess.DEVNULL,
            stdout=None if loud else subprocess.PIPE,
            stderr=None if loud else subprocess.STDOUT,
            text=True,
        )
        if check and done.returncode:
            raise Failed(f"docker compose {' '.join(arguments)} ended with {done.returncode}\n{done.stdout or ''}")
        return done

    def containers(self) -> dict[str, dict[str, Any]]:
        """What Docker knows of each service's container, by the service's name."""
        ids = docker("container", "ls", "--all", "--quiet", *self.mine).split()
        found = json.loads(docker("inspect", *ids)) if ids else []
        label = "com.docker.compose.service"
        return {one["Config"]["Labels"][label]: one for one in found}

    @property
    def mine(self) -> list[str]:
        return ["--filter", f"label=com.docker.compose.project={self.name}"]

    def left(self) -> dict[str, list[str]]:
        """What Docker still has of the project."""
        listed = {kind: docker(*command, "--quiet", *self.mine).split() for kind, command in OF_A_PROJECT.items()}
        return {kind: found for kind, found in listed.items() if found}

    def wait(self, running: Sequence[str], once: Sequence[str]) -> None:
        """Return when all of `running` are healthy and all of `once` have ended well."""
        deadline = time.monotonic() + SECONDS
        shown: dict[str, str] = {}
        while True:
            states = {name: state(container) for name, container in self.containers().items()}
            for name, now in states.items():
                if shown.get(name) != now:
                    print(f"    {name}: {now}", flush=True)
            shown = states
            if wrong := {name: now for name, now in states.items() if now.startswith("exited") and now != "exited 0"}:
                raise Failed(f"services have ended: {wrong}")
            if all(states.get(name) == "healthy" for name in running) and all(
                states.get(name) == "exited 0" for name in once
            ):
                return
            if time.monotonic() > deadline:
                raise Failed(f"not all services are well after {SECONDS} s: {states}")
            time.sleep(1)


def state(container: dict[str, Any]) -> str:
    """healthy, starting, unhealthy; or the container's own state, with the exit code of one that has ended."""
    now = container["State"]
    if now["Status"] == "exited":
        return f"exited {now['ExitCode']}"
    return str(now.get("Health", {}).get("Status", now["Status"]))


def docker(*arguments: str) -> str:
    done = subprocess.run(["docker", *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        raise Failed(f"docker {' '.join(arguments)} ended with {done.returncode}: {done.stderr}")
    return done.stdout


def make_keys(file: Path) -> None:
    done = subprocess.run(["make", "compose-env", f"ARGS=--file {file}"], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise Failed(f"make compose-env ended with {done.returncode}: {done.stderr}")


# The promises


def refuses_to_start_without_keys(project: Project) -> None:
    bare = Project(project.env_file.with_name("empty"))
    bare.env_file.touch()
    done = bare.compose("config", "--quiet", check=False)
    if not done.returncode or "make compose-env" not in done.stdout:
        raise Failed(f"without keys: expected a refusal that names make compose-env, found {done.stdout!r}")


def publishes_both_days(project: Project) -> None:
    expect("rows published", [row[:2] for row in project.aws.select(SUMMARY)], ROWS)
    runs = [(run["partition_key"], run["state"]) for run in project.aws.runs()]
    expect("runs", runs, [(day, "success") for day in DAYS])
    shown = project.compose("logs", "demo").stdout
    for label in ("values published, a row each", "2 of 2 runs succeeded"):
        if label not in shown:
            raise Failed(f"the demo's log has no {label!r}:\n{shown}")


def shows_what_runs(project: Project) -> None:
    shown = project.compose("ps").stdout
    if missing := [name for name in RUNNING if name not in shown]:
        raise Failed(f"docker compose ps shows no {missing}:\n{shown}")
    dags = project.compose("exec", "scheduler", "airflow", "dags", "list").stdout
    if "smart_hub_usage" not in dags:
        raise Failed(f"Airflow's command line shows no smart_hub_usage:\n{dags}")


def serves_page_and_logs(project: Project) -> None:
    airflow = httpx.Client(base_url=f"http://127.0.0.1:{project.ports[0]}", trust_env=False, timeout=60)
    page = airflow.get("/smart-hub/").raise_for_status().text
    if "Smart Hub" not in page:
        raise Failed(f"the page Smart Hub is not at {airflow.base_url}/smart-hub/: {page[:500]}")
    run = project.aws.runs()[0]["dag_run_id"]
    path = f"/api/v2/dags/smart_hub_usage/dagRuns/{run}/taskInstances/publish/logs/1"
    log = airflow.get(path, headers={"Accept": "application/json"}).raise_for_status().text
    if "usage_cost" not in log:
        raise Failed(f"the log of the task publish cannot be read in the UI: {log[:500]}")


def runs_without_root(project: Project) -> None:
    for name, container in project.containers().items():
        if container["Config"]["User"].split(":")[0] in ("", "0", "root"):
            raise Failed(f"{name} runs as root")
        if name not in ONCE:
            _, *processes = docker("top", container["Id"], "-eo", "pid,uid,comm").splitlines()
            if not processes or any(line.split()[1] == "0" for line in processes):
                raise Failed(f"{name} has processes of root: {processes}")
        host = container["HostConfig"]
        expect(f"capabilities that {name} drops", host["CapDrop"], ["ALL"])
        expect(f"security options of {name}", host["SecurityOpt"], ["no-new-privileges:true"])


def listens_on_loopback(project: Project) -> None:
    bound = {
        (name, inside, one["HostIp"], int(one["HostPort"]))
        for name, container in project.containers().items()
        for inside, hosts in (container["NetworkSettings"]["Ports"] or {}).items()
        for one in hosts or []
    }
    airflow, aws = project.ports
    wanted = {("api-server", "8080/tcp", "127.0.0.1", airflow), ("local-aws", "4566/tcp", "127.0.0.1", aws)}
    expect("published ports", bound, wanted)


def survives_a_crash(project: Project) -> None:
    before, runs = project.aws.select(SUMMARY), run_ids(project)
    project.compose("kill", "local-aws", "postgres")
    project.compose("up", "--detach")
    project.wait(RUNNING, ONCE)
    expect("rows after a crash", project.aws.select(SUMMARY), before)
    expect("runs after a crash: the demo must not run again", run_ids(project), runs)


def keeps_its_state_through_an_update(project: Project) -> None:
    before, runs = project.aws.select(SUMMARY), run_ids(project)
    project.compose("stop")
    project.compose("down")
    expect("what is left", project.left().keys(), {"volumes"})
    project.compose("up", "--build", "--detach")
    project.wait(RUNNING, ONCE)
    expect("rows after an update", project.aws.select(SUMMARY), before)
    expect("runs after an update: the demo must not run again", run_ids(project), runs)


def runs_a_day_again(project: Project) -> None:
    before, runs = project.aws.select(SUMMARY), run_ids(project)
    project.compose("run", "--rm", "demo", "python", "-m", "ops.compose", "--again")
    expect("rows after another demo", project.aws.select(SUMMARY), before)
    if set(run_ids(project)) & set(runs):
        raise Failed("the demo did not run again")


def runs_on_trino(project: Project) -> None:
    before = project.aws.select(SUMMARY)
    project.settings.update(ENGINE="trino")
    project.compose("--profile", "trino", "up", "--detach")
    project.wait([*RUNNING, "trino"], ONCE)
    runs_a_day_again(project)
    expect("what Trino published", project.aws.select(SUMMARY), before)
    told = "curl -fsS -H 'X-Trino-User: test' http://127.0.0.1:8080/v1/query"
    queries = project.compose("--profile", "trino", "exec", "trino", "sh", "-c", told).stdout
    finished = [one for one in json.loads(queries) if one["state"] == "FINISHED"]
    if not any(re.search(r"CREATE TABLE.*usage_cost", one["query"], re.DOTALL) for one in finished):
        raise Failed(f"Trino has not run the queries of the days, but {[one['query'] for one in finished]}")
    runs_without_root(project)
    listens_on_loopback(project)


def sends_astro_what_a_deployment_needs(project: Project) -> None:
    """The build context of Astro's image, by Docker's own reading of .dockerignore."""
    image = container = f"{project.name}-context"
    folder = project.env_file.with_name("context")
    dockerfile = project.env_file.with_name("Dockerfile")
    dockerfile.write_text("FROM scratch\nCOPY . /project\n")
    docker("build", "--quiet", "--tag", image, "--file", str(dockerfile), str(ROOT))
    try:
        docker("create", "--name", container, image, "none")
        docker("cp", f"{container}:/project", str(folder))
    finally:
        for command in (["rm", "--force", container], ["image", "rm", "--force", image]):
            docker(*command)
    found = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    expect("the files of Astro's image", found, context(ROOT))


def run_ids(project: Project) -> list[str]:
    return [run["dag_run_id"] for run in project.aws.runs()]


def leaves_nothing(project: Project) -> None:
    project.compose("down", "--volumes")
    expect("what is left", project.left(), {})


def ran_each_command_of_the_docs(project: Project) -> None:
    """docs/docker-compose.md shows no command that was not run here; `up` without --detach is the same in sight."""
    text = (ROOT / "docs" / "docker-compose.md").read_text()
    shown = re.findall(r"^(?:\w+=\S+ )?docker compose ([^#\n]+?) *(?:#.*)?$", text, re.MULTILINE)
    documented = {command for command in shown if project.trino or "trino" not in command}
    expect("commands of the docs that were not run", documented - {*project.ran, "up"}, set())


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.compose", description=__doc__.splitlines()[0])
    parser.add_argument("--trino", action="store_true", help="run the days on Trino, too (an image of 1 GB more)")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ended by SIGTERM, clean up as on Ctrl-C
    with tempfile.TemporaryDirectory(prefix="smart-hub-compose-") as folder:
        project = Project(Path(folder) / "env", options.trino)
        checks: list[Callable[[Project], None]] = [
            refuses_to_start_without_keys,
            publishes_both_days,
            shows_what_runs,
            serves_page_and_logs,
            runs_without_root,
            listens_on_loopback,
            survives_a_crash,
            keeps_its_state_through_an_update,
            runs_a_day_again,
            *([runs_on_trino] if options.trino else []),
            sends_astro_what_a_deployment_needs,
            leaves_nothing,
            ran_each_command_of_the_docs,
        ]
        try:
            print(
                f"Docker {docker('version', '--format', '{{.Server.Version}}').strip()}, "
                f"Compose {docker('compose', 'version', '--short').strip()}, project {project.name}"
            )
            timed("keys are made", lambda: make_keys(project.env_file))
            timed("compose file is valid", lambda: project.compose("config", "--quiet"))
            timed("images are built", lambda: project.compose("build", loud=True))
            timed("services are started", lambda: project.compose("up", "--detach", loud=True))
            timed("services are healthy, the demo has ended", lambda: project.wait(RUNNING, ONCE))
            for check in checks:
                timed(check.__name__.replace("_", " "), lambda check=check: check(project))
        except Failed as error:
            print(f"FAILED: {error}", file=sys.stderr)
            print(project.compose("--profile", "trino", "logs", "--tail", "60", check=False).stdout, file=sys.stderr)
            return 1
        finally:
            project.compose("--profile", "trino", "down", "--volumes", "--timeout", "5", check=False)
    print("All promises hold.")
    return 0


def timed(what: str, action: Callable[[], object]) -> None:
    begun = time.monotonic()
    action()
    print(f"{time.monotonic() - begun:6.1f} s  {what}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
