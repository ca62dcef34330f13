"""The operators of the DAG smart_hub_teardown: the preview and the removal."""

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


def exact_pattern(text: str) -> str:
    """A regular expression that matches this text only, for JSON Schema: valid in Python and in the browser."""
    # The browser does not accept an escaped hyphen, and it needs no escape.
    return f"^{re.escape(text)}$".replace(r"\-", "-")


class StackOperator(SmartHubOperator):
    """An operator on the whole stack, with the role of the bootstrap stack that is allowed to delete it."""

    def check(self, context: Context) -> None:
        """Fails the task, without a retry, if the parameter names another stack or a run is active."""
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
        """boto3's clients with the role ``<stack>-teardown``, because Airflow's own role is deleted with the stack.

        Its session lasts an hour. Raises AirflowFailException if the role cannot be assumed.
        """
        stack = self.settings.stack
        try:
            sts = self.client("sts")
            _, partition, _, _, account, _ = sts.get_caller_identity()["Arn"].split(":", 5)
            role = f"arn:{partition}:iam::{account}:role/bootstrap/{stack}-teardown"
            credentials = sts.assume_role(RoleArn=role, RoleSessionName="smart_hub_teardown")["Credentials"]
        except ClientError as error:
            raise AirflowFailException(
                f"the role {stack}-teardown cannot be assumed: {error}. If an earlier try has deleted {stack} or a"
                f" part of it, Airflow's role can be deleted too: make destroy STACK={stack} deletes the rest."
                " Otherwise update the bootstrap stack: make deploy"
            ) from error
        return clients(self.settings.aws_conn_id, credentials=credentials)


class TeardownPreviewOperator(StackOperator):
    """Returns a Markdown list of all resources that the teardown deletes. The task is skipped if no stack exists."""

    def execute(self, context: Context) -> str:
        self.check(context)
        clients, stack = self.clients, self.settings.stack
        try:
            inventories = [one for name in (dashboard_of(stack), stack) if (one := teardown.inventory(clients, name))]
        except StackError as error:
            raise AirflowFailException(str(error)) from error
        if not inventories:
            raise AirflowSkipException(f"there is no stack {stack}")
        lines = [f"- {line}" for one in inventories for line in one.lines()]
        return "\n".join(["The following will be deleted permanently:", "", *lines])


class TeardownOperator(StackOperator):
    """Deletes the dashboard's stack, then the main one with its data, but not the bootstrap stack.

    A retry continues where the last try ended, as long as Airflow's role exists.
    """

    def execute(self, context: Context) -> None:
        self.check(context)
        clients, stack = self.clients, self.settings.stack
        for name in (dashboard_of(stack), stack):
            teardown.remove(clients, name, self.log.info)
