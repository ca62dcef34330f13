"""The command that deletes a deployment, and the role that the DAG does it under, where IAM is in force."""

import json
import re
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from localaws.testing import LocalAws
from ops import deploy, destroy
from ops.cloudformation import DeployError
from smart_hub.core import stacks, teardown

pytestmark = pytest.mark.service

BUCKET = "smart-hub-data-000000000000-us-east-1"
TEARDOWN_ROLE = "arn:aws:iam::000000000000:role/bootstrap/smart-hub-teardown"


@pytest.fixture
def endpoint(fresh_local_aws: LocalAws) -> str:
    return fresh_local_aws.endpoint


class Account:
    """An account with a deployment, whose data bucket somebody has turned versions on for."""

    def __init__(self, session: boto3.Session, endpoint: str) -> None:
        self.session, self.endpoint = session, endpoint
        self.outputs = deploy.deploy(session, endpoint_url=endpoint, log=lambda line: None)
        s3 = self.client("s3")
        s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        for body in (b"one", b"second"):
            s3.put_object(Bucket=BUCKET, Key="raw/usage/dt=2019-12-21/a.json", Body=body)
        s3.put_object(Bucket=BUCKET, Key="athena-results/b.csv", Body=b"third")
        s3.delete_object(Bucket=BUCKET, Key="athena-results/b.csv")

    def client(self, service: str) -> Any:
        return self.session.client(service, endpoint_url=self.endpoint)  # type: ignore[call-overload]

    def stacks(self) -> set[str]:
        found = self.client("cloudformation").list_stacks()["StackSummaries"]
        return {one["StackName"] for one in found if one["StackStatus"] != "DELETE_COMPLETE"}

    def destroy(self, answer: bool = True) -> tuple[bool, list[str]]:
        lines: list[str] = []
        done = destroy.destroy(self.session, "smart-hub", lambda: answer, endpoint_url=self.endpoint, log=lines.append)
        return done, lines

    def under(self, role: str, session: boto3.Session | None = None) -> boto3.Session:
        sts = (session or self.session).client("sts", endpoint_url=self.endpoint)
        credentials = sts.assume_role(RoleArn=role, RoleSessionName="test")["Credentials"]
        return boto3.Session(
            credentials["AccessKeyId"], credentials["SecretAccessKey"], credentials["SessionToken"], "us-east-1"
        )


@pytest.fixture
def account(session: boto3.Session, endpoint: str) -> Account:
    return Account(session, endpoint)


def test_all_of_it_goes_every_version_included_and_a_second_time_there_is_nothing(account: Account) -> None:
    # given the dashboard's stack beside it, made of what the local AWS can make
    cfn = account.client("cloudformation")
    queue = '{"Resources": {"Any": {"Type": "AWS::SQS::Queue"}}}'
    cfn.create_stack(StackName="smart-hub-quicksight", TemplateBody=queue)
    cfn.get_waiter("stack_create_complete").wait(StackName="smart-hub-quicksight", WaiterConfig={"Delay": 0.1})

    done, lines = account.destroy()

    assert done
    assert lines[0] == "account 000000000000, region us-east-1"
    assert any(line.startswith("stack smart-hub (CREATE_COMPLETE): tables and views 24, functions 3") for line in lines)
    # two versions of one object; one version and its marker of the other
    assert f"bucket {BUCKET}: 4 objects, 14 bytes" in lines
    assert f"{BUCKET}: emptied, 4 objects deleted" in lines
    assert [line for line in lines if line.endswith(": deleted")] == [
        "smart-hub-quicksight: deleted",
        "smart-hub: deleted",
        "smart-hub-bootstrap: deleted",
    ]
    assert account.stacks() == set()
    assert account.client("s3").list_buckets()["Buckets"] == []
    assert account.client("iam").list_roles()["Roles"] == []
    assert account.client("glue").get_databases()["DatabaseList"] == []

    assert account.destroy() == (
        False,
        [lines[0], "there is nothing to delete: no stack smart-hub-quicksight, smart-hub, smart-hub-bootstrap"],
    )


def test_unless_it_is_confirmed_nothing_goes(account: Account) -> None:
    with pytest.raises(DeployError, match="nothing was deleted"):
        account.destroy(answer=False)

    assert account.stacks() == {"smart-hub", "smart-hub-bootstrap"}
    assert account.client("s3").list_objects_v2(Bucket=BUCKET)["KeyCount"] == 1


def test_a_removal_that_was_interrupted_is_finished_by_the_next(account: Account) -> None:
    # given one that has emptied the bucket and deleted the main stack
    teardown.remove(account.client, "smart-hub", lambda line: None)

    done, lines = account.destroy()

    assert done
    assert not [line for line in lines if line.startswith("stack smart-hub (")]
    assert account.stacks() == set()


def test_airflows_role_takes_on_one_that_may_remove_the_stack_and_outlives_it(account: Account) -> None:
    airflow = account.under(account.outputs["AirflowRoleArn"])
    remover = account.under(TEARDOWN_ROLE, airflow)

    def client(service: str) -> Any:
        return remover.client(service, endpoint_url=account.endpoint)  # type: ignore[call-overload]

    held = teardown.inventory(client, "smart-hub")
    assert held is not None
    assert held.buckets == (teardown.Bucket(BUCKET, 4, 14),)
    for stack in (stacks.dashboard_of("smart-hub"), "smart-hub"):
        teardown.remove(client, stack, lambda line: None)

    # the bootstrap stack stays; and this is why the role is not Airflow's own
    assert account.stacks() == {"smart-hub-bootstrap"}
    with pytest.raises(ClientError, match="not authorized to perform: cloudformation:DescribeStacks"):
        airflow.client("cloudformation", endpoint_url=account.endpoint).describe_stacks(StackName="smart-hub")


def test_nobody_else_takes_on_that_role_and_it_may_remove_nothing_else(account: Account) -> None:
    with pytest.raises(ClientError, match="not authorized to perform: sts:AssumeRole"):
        account.under(TEARDOWN_ROLE)
    remover = account.under(TEARDOWN_ROLE, account.under(account.outputs["AirflowRoleArn"]))

    with pytest.raises(ClientError, match="not authorized to perform: cloudformation:DeleteStack"):
        remover.client("cloudformation", endpoint_url=account.endpoint).delete_stack(StackName="smart-hub-bootstrap")
    with pytest.raises(ClientError, match="not authorized to perform: s3:ListBucketVersions"):
        remover.client("s3", endpoint_url=account.endpoint).list_object_versions(
            Bucket="smart-hub-artifacts-000000000000-us-east-1"
        )


def test_the_name_is_typed_in(
    account: Account, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    options = ["--endpoint-url", account.endpoint, "--region", "us-east-1"]
    asked: list[str] = []

    def answering(answer: str) -> None:
        def ask(prompt: str) -> str:
            asked.append(prompt)
            if not answer:
                raise EOFError
            return answer

        monkeypatch.setattr("builtins.input", ask)

    for answer, said in (("smart-hubs", "nothing was deleted"), ("", "use --yes (make destroy YES=1)")):
        answering(answer)
        assert destroy.main(options) == 1
        assert said in capsys.readouterr().err
    assert account.stacks() == {"smart-hub", "smart-hub-bootstrap"}

    answering("smart-hub")
    assert destroy.main(options) == 0
    assert "Type the stack's name, smart-hub" in asked[-1]
    assert "/aws-glue/crawlers" in capsys.readouterr().out
    assert account.stacks() == set()

    # with --yes nobody is asked
    answering("")
    assert destroy.main([*options, "--yes"]) == 0
    assert "there is nothing" in capsys.readouterr().out


def test_a_crawl_that_runs_is_stopped(account: Account) -> None:
    # given more files than are crawled in a moment, and a crawl of them
    s3, glue = account.client("s3"), account.client("glue")
    for number in range(300):
        s3.put_object(
            Bucket=BUCKET, Key=f"raw/usage/dt=20{number // 28:02}-01-{number % 28 + 1:02}/a.json", Body=b"{}\n"
        )
    glue.start_crawler(Name="smart-hub-usage")

    _, lines = account.destroy()

    assert "stopping crawler smart-hub-usage" in lines
    assert account.stacks() == set()


def test_the_rights_that_the_docs_name_deploy_and_destroy(session: boto3.Session, endpoint: str) -> None:
    # given a user with the policy of docs/aws.md and no other
    page = (deploy.package.ROOT / "docs" / "aws.md").read_text(encoding="utf-8")
    (policy,) = re.findall(r"^```json\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    iam = session.client("iam", endpoint_url=endpoint)
    iam.create_user(UserName="deployer")
    document = json.dumps(json.loads(policy)).replace("111122223333", "000000000000")
    iam.put_user_policy(UserName="deployer", PolicyName="deploy", PolicyDocument=document)
    key = iam.create_access_key(UserName="deployer")["AccessKey"]
    deployer = boto3.Session(key["AccessKeyId"], key["SecretAccessKey"], region_name="us-east-1")

    for dry_run in (True, False, True):
        deploy.deploy(
            deployer,
            endpoint_url=endpoint,
            dry_run=dry_run,
            log=lambda line: None,
        )
    assert destroy.destroy(deployer, "smart-hub", lambda: True, endpoint_url=endpoint, log=lambda line: None)

    # and nothing of another stack
    with pytest.raises(ClientError, match="not authorized"):
        deployer.client("cloudformation", endpoint_url=endpoint).describe_stacks(StackName="another")
