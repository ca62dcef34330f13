"""The faults of the kit: what is broken, at which step, and how it comes about.

A rule is what docs/faults.md describes. In its ``match``, ``{run}`` stands for the run's name in S3 and ``{prefix}``
for the first nine characters of every version that it writes: each fault strikes the run that it is meant for.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Rule = dict[str, Any]

# The statement by which a task is known, and the task.
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

HOLD = {"delay_seconds": 20}
THROTTLED = {"error": {"code": "ThrottlingException", "status": 400, "message": "Rate exceeded"}}
TOO_MANY = {"error": {"code": "TooManyRequestsException", "status": 429, "message": "Rate exceeded"}}
SLOW_DOWN = {"error": {"code": "SlowDown", "status": 503, "message": "Please reduce your request rate."}}
# More than any client's own retries, fewer than those and a task's retries together.
OUTLASTING_A_CLIENT = 6


@dataclass(frozen=True, eq=False)
class Fault:
    """name: what goes wrong; task: where; rules: given to the local AWS before the run starts.

    kill: what is ended by SIGKILL once the first rule has struck, "task" (the process that works on the task) or
    "local-aws" (which is started again). fresh: on a day that was never published; renewed: with reference data
    of new content. Both, and "local-aws", are tried alone, the others several at once.
    """

    name: str
    task: str
    rules: tuple[Rule, ...]
    kill: str = ""
    fresh: bool = False
    renewed: bool = False

    @property
    def alone(self) -> bool:
        return self.fresh or self.renewed or self.kill == "local-aws"


def athena(match: str, effect: Rule, **more: Any) -> Rule:
    return {"service": "athena", "action": "StartQueryExecution", "match": match, "effect": effect, "times": 1} | more


def glue(action: str, match: str, effect: Rule, **more: Any) -> Rule:
    return {"service": "glue", "action": action, "match": match, "effect": effect, "times": 1} | more


def s3(action: str, match: str, effect: Rule, **more: Any) -> Rule:
    return {"service": "s3", "action": action, "match": match, "effect": effect, "times": 1} | more


def function(match: str, effect: Rule, **more: Any) -> Rule:
    return {"service": "lambda", "action": "Invoke", "match": match, "effect": effect, "times": 1} | more


def held() -> Iterator[tuple[str, Rule, dict[str, bool]]]:
    """Each task with a request at which it is held up, so that it can be killed in the middle."""
    yield "step_1_copy_raw_data", s3("PUT", "staging/{run}/run_id", HOLD), {}
    yield "step_2_crawl.usage", glue("GetCrawler", "smart-hub-usage", HOLD), {"fresh": True}
    for data_set in ("mappings", "locations", "rates"):
        yield f"step_2_crawl.{data_set}", glue("GetCrawler", f"smart-hub-{data_set}", HOLD), {"renewed": True}
    yield "step_4_convert_rates", glue("GetJobRun", "smart-hub-rates", HOLD), {"renewed": True}
    for task, statement in STATEMENTS.items():
        yield task, athena(statement, HOLD), {}
    yield "step_7_clean_up", glue("DeleteTable", "staging_.*_{prefix}", HOLD), {}


def all_faults() -> Iterator[Fault]:
    for task, rule, where in held():
        yield Fault("worker process killed", task, (rule,), kill="task", **where)
    for task, rule, where in held():
        if not where or task in ("step_2_crawl.usage", "step_4_convert_rates"):
            yield Fault("local AWS killed and started again", task, (rule,), kill="local-aws", **where)

    for task, statement in {**STATEMENTS, "step_5_transform (rejects)": REJECTS}.items():
        yield Fault("query fails", task, (athena(statement, {"query": "fails"}),))
        if task not in ("audit", "publish"):
            dies = athena(statement, {"query": "fails_after_writing"})
            yield Fault("CTAS dies and leaves its files", task, (dies,))
    for task, name in FUNCTIONS.items():
        yield Fault(
            "query hangs until the function's time is up", task, (athena(STATEMENTS[task], {"query": "hangs"}),)
        )
        invoked = f'(?s){name}.*"run": "{{run}}"'
        yield Fault("function times out, its query goes on", task, (function(invoked, {"lambda": "times_out"}),))
        yield Fault("invocation refused: too many requests", task, (function(invoked, TOO_MANY),))
        yield Fault("invocation answered 500", task, (function(invoked, {"error": 500}),))
    yield Fault(
        "compaction writes two files", "step_6_compact", (athena(STATEMENTS["step_6_compact"], {"query": "two_files"}),)
    )

    for state in ("STOPPED", "ERROR", "FAILED"):
        ends = glue("StartJobRun", "smart-hub-rates", {"job": state})
        yield Fault(f"job ends {state}", "step_4_convert_rates", (ends,), renewed=True)
    crawl = glue("StartCrawler", "smart-hub-usage", {"crawl": "FAILED"})
    yield Fault("crawl fails", "step_2_crawl.usage", (crawl,), fresh=True)

    for task, statement in STATEMENTS.items():
        yield Fault("queries throttled once", task, (athena(statement, THROTTLED),))
    for times in (1, OUTLASTING_A_CLIENT):
        often = "once" if times == 1 else f"{times} times"
        put = s3("PUT", "staging/{run}/run_id", SLOW_DOWN, times=times)
        yield Fault(f"S3 says SlowDown {often}", "step_1_copy_raw_data", (put,))
        delete = glue("DeleteTable", "staging_.*_{prefix}", {"error": 500}, times=times)
        yield Fault(f"Glue answers 500 {often}", "step_7_clean_up", (delete,))
        audit = athena(STATEMENTS["audit"], {"error": 500}, times=times)
        yield Fault(f"Athena answers 500 {often}", "audit", (audit,))
        publish = athena(STATEMENTS["publish"], THROTTLED, times=times)
        yield Fault(f"publish throttled {often}", "publish", (publish,))
    crawler = glue("StartCrawler", "smart-hub-usage", THROTTLED, times=OUTLASTING_A_CLIENT)
    yield Fault(f"crawler throttled {OUTLASTING_A_CLIENT} times", "step_2_crawl.usage", (crawler,), fresh=True)
    yield Fault("answers are slow", "audit", (athena(STATEMENTS["audit"], {"delay_seconds": 8}),))
