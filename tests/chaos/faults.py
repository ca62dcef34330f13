"""The faults that `make chaos` injects, by task.

packages/localaws/docs/faults.md describes the fields of a rule. In its ``match``, ``{run}`` stands for the run's name
in S3 and ``{prefix}`` for the first nine characters of every version that the run writes, so that a fault affects only
its run.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

FaultRule = dict[str, Any]

# The statement that identifies each task.
STATEMENTS = {
    "step_3_convert": "CREATE TABLE staging_usage_{prefix}",
    "step_5_transform": "CREATE TABLE staging_usage_cost_{prefix}",
    "step_6_compact": "CREATE TABLE staging_compact_{prefix}",
    "audit": "(?s)every_reading_accounted.*athena-results/{run}",
    "insights.peak_shift": "CREATE TABLE staging_peak_shift_{prefix}",
    "publish": "(?s)ALTER TABLE usage_cost .*athena-results/{run}",
}
FUNCTIONS = {"step_3_convert": "convert", "step_5_transform": "transform", "step_6_compact": "compact"}
REJECTS = "CREATE TABLE staging_usage_rejects_{prefix}"

DELAY = {"delay_seconds": 20}
THROTTLED = {"error": {"code": "ThrottlingException", "status": 400, "message": "Rate exceeded"}}
TOO_MANY = {"error": {"code": "TooManyRequestsException", "status": 429, "message": "Rate exceeded"}}
SLOW_DOWN = {"error": {"code": "SlowDown", "status": 503, "message": "Please reduce your request rate."}}
# More than the retries of any client, fewer than those of client and task together.
MORE_THAN_CLIENT_RETRIES = 6


@dataclass(frozen=True, eq=False)
class Fault:
    """name: the fault; task: the affected task; rules: set in the local AWS before the run starts.

    kill: the process that gets SIGKILL after the first rule was applied: "task" (the task's worker) or "local-aws"
    (which is then restarted). new_day: uses a day that was never published; new_references: changes the reference data
    first. Both, and "local-aws", run alone; the others run in parallel.
    """

    name: str
    task: str
    rules: tuple[FaultRule, ...]
    kill: str = ""
    new_day: bool = False
    new_references: bool = False

    @property
    def runs_alone(self) -> bool:
        return self.new_day or self.new_references or self.kill == "local-aws"


def athena(match: str, effect: FaultRule, **more: Any) -> FaultRule:
    return {"service": "athena", "action": "StartQueryExecution", "match": match, "effect": effect, "times": 1} | more


def glue(action: str, match: str, effect: FaultRule, **more: Any) -> FaultRule:
    return {"service": "glue", "action": action, "match": match, "effect": effect, "times": 1} | more


def s3(action: str, match: str, effect: FaultRule, **more: Any) -> FaultRule:
    return {"service": "s3", "action": action, "match": match, "effect": effect, "times": 1} | more


def function(match: str, effect: FaultRule, **more: Any) -> FaultRule:
    return {"service": "lambda", "action": "Invoke", "match": match, "effect": effect, "times": 1} | more


def delayed() -> Iterator[tuple[str, FaultRule, dict[str, bool]]]:
    """Each task with a rule that delays one of its requests, so that it can be killed in the middle."""
    yield "step_1_copy_raw_data", s3("PUT", "staging/{run}/run_id", DELAY), {}
    yield "step_2_crawl.usage", glue("GetCrawler", "smart-hub-usage", DELAY), {"new_day": True}
    for data_set in ("mappings", "locations", "rates"):
        yield f"step_2_crawl.{data_set}", glue("GetCrawler", f"smart-hub-{data_set}", DELAY), {"new_references": True}
    yield "step_4_convert_rates", glue("GetJobRun", "smart-hub-rates", DELAY), {"new_references": True}
    for task, statement in STATEMENTS.items():
        yield task, athena(statement, DELAY), {}
    yield "step_7_clean_up", glue("DeleteTable", "staging_.*_{prefix}", DELAY), {}


def all_faults() -> Iterator[Fault]:
    for task, rule, options in delayed():
        yield Fault("worker process killed", task, (rule,), kill="task", **options)
    for task, rule, options in delayed():
        if not options or task in ("step_2_crawl.usage", "step_4_convert_rates"):
            yield Fault("local AWS killed and restarted", task, (rule,), kill="local-aws", **options)

    for task, statement in {**STATEMENTS, "step_5_transform (rejects)": REJECTS}.items():
        yield Fault("query fails", task, (athena(statement, {"query": "fails"}),))
        if task not in ("audit", "publish"):
            fails = athena(statement, {"query": "fails_after_writing"})
            yield Fault("CTAS fails and leaves its files", task, (fails,))
    for task, name in FUNCTIONS.items():
        yield Fault("query hangs until the function times out", task, (athena(STATEMENTS[task], {"query": "hangs"}),))
        invocation = f'(?s){name}.*"run": "{{run}}"'
        yield Fault("function times out, its query continues", task, (function(invocation, {"lambda": "times_out"}),))
        yield Fault("invocation rejected: too many requests", task, (function(invocation, TOO_MANY),))
        yield Fault("invocation answered 500", task, (function(invocation, {"error": 500}),))
    yield Fault(
        "compaction writes two files", "step_6_compact", (athena(STATEMENTS["step_6_compact"], {"query": "two_files"}),)
    )

    for state in ("STOPPED", "ERROR", "FAILED"):
        ends = glue("StartJobRun", "smart-hub-rates", {"job": state})
        yield Fault(f"job run ends {state}", "step_4_convert_rates", (ends,), new_references=True)
    crawl = glue("StartCrawler", "smart-hub-usage", {"crawl": "FAILED"})
    yield Fault("crawl fails", "step_2_crawl.usage", (crawl,), new_day=True)

    for task, statement in STATEMENTS.items():
        yield Fault("queries throttled once", task, (athena(statement, THROTTLED),))
    for times in (1, MORE_THAN_CLIENT_RETRIES):
        often = "once" if times == 1 else f"{times} times"
        put = s3("PUT", "staging/{run}/run_id", SLOW_DOWN, times=times)
        yield Fault(f"S3 answers SlowDown {often}", "step_1_copy_raw_data", (put,))
        delete = glue("DeleteTable", "staging_.*_{prefix}", {"error": 500}, times=times)
        yield Fault(f"Glue answers 500 {often}", "step_7_clean_up", (delete,))
        audit = athena(STATEMENTS["audit"], {"error": 500}, times=times)
        yield Fault(f"Athena answers 500 {often}", "audit", (audit,))
        publish = athena(STATEMENTS["publish"], THROTTLED, times=times)
        yield Fault(f"publish throttled {often}", "publish", (publish,))
    crawler = glue("StartCrawler", "smart-hub-usage", THROTTLED, times=MORE_THAN_CLIENT_RETRIES)
    yield Fault(f"crawler throttled {MORE_THAN_CLIENT_RETRIES} times", "step_2_crawl.usage", (crawler,), new_day=True)
    yield Fault("slow answers", "audit", (athena(STATEMENTS["audit"], {"delay_seconds": 8}),))
