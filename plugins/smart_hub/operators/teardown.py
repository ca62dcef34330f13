"""The DAG smart_hub_teardown: what would go, and its removal."""

import re
from typing import Any

from airflow.sdk import Context
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException
from botocore.exceptions import ClientError

from smart_hub.core import teardown
from smart_hub.core.stacks import StackError, dashboard_of
from smart_hub.core.teardown import Clients
from smart_hub.operators.base import SmartHubOperator
from smart_hub.orchestration.connection import clients
from smart_hub.shared.layout import WRITING_DAGS


def exactly(text: str) -> str:
    """A pattern that a text alone matches, for JSON Schema, where Python and the browser must both read it."""
    # A hyphen needs no escape, and the browser takes none.
    return f"^{re.escape(text)}$".replace(r"\-", "-")


class StackOperator(SmartHubOperator):
    """An operator on the stack as a whole, under the role of the bootstrap stack that may remove it."""

    def check(self, context: Context) -> None:
        """Fails the task, without a retry, unless the stack was named and no run works on it."""
        self.check_settings(deployed=False)
        named = context["params"]["stack"]
        if named != self.settings.stack:
            raise AirflowFailException(f"the stack of this deployment is {self.settings.stack}, not {named!r}")
        task_instance: Any = context["ti"]
        for dag_id in WRITING_DAGS:
            count: int = task_instance.get_dr_count(dag_id=dag_id, states=["queued", "running"])
            if count:
                raise AirflowFailException(
                    f"{count} runs of {dag_id} are queued or running: pause the DAG, wait for them or fail them,"
                    " then clear this task"
                )

    @property
    def clients(self) -> Clients:
        """Gives boto3's clients, under the role ``<stack>-teardown``: Airflow's own goes with the stack.

        Its session lasts an hour. Raises AirflowFailException when it cannot be had.
        """
        stack = self.settings.stack
        try:
            sts = self.client("sts")
            _, partition, _, _, account, _ = sts.get_caller_identity()["Arn"].split(":", 5)
            role = f"arn:{partition}:iam::{account}:role/bootstrap/{stack}-teardown"
            credentials = sts.assume_role(RoleArn=role, RoleSessionName="smart_hub_teardown")["Credentials"]
        except ClientError as error:
            raise AirflowFailException(
                f"the role {stack}-teardown cannot be had: {error}. If an earlier try has removed {stack}, in whole or"
                f" in part, Airflow's role may be gone with it: make destroy STACK={stack} finds out and removes the"
                " rest. Else update the bootstrap stack: make deploy"
            ) from error
        return clients(self.settings.aws_conn_id, credentials=credentials)


class WhatWouldGoOperator(StackOperator):
    """Gives what a removal of the stack would delete, in Markdown; skips, with what follows, where there is none."""

    def execute(self, context: Context) -> str:
        self.check(context)
        clients, stack = self.clients, self.settings.stack
        try:
            found = [held for name in (dashboard_of(stack), stack) if (held := teardown.holdings(clients, name))]
        except StackError as error:
            raise AirflowFailException(str(error)) from error
        if not found:
            raise AirflowSkipException(f"there is no stack {stack}")
        lines = [f"- {line}" for held in found for line in held.lines()]
        return "\n".join(["This will be deleted, and cannot be had back:", "", *lines])


class RemoveStackOperator(StackOperator):
    """Removes the dashboard's stack, then the main one with its data; the bootstrap stack stays.

    Another try goes on where this one ended, as long as Airflow's role is there.
    """

    def execute(self, context: Context) -> None:
        self.check(context)
        clients, stack = self.clients, self.settings.stack
        for name in (dashboard_of(stack), stack):
            teardown.remove(clients, name, self.log.info)
