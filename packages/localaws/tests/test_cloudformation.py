"""Resource types that the package adds to ministack's CloudFormation."""

import json

import pytest

from localaws.testing import LocalAws


def template(row_tag: str) -> str:
    classifier = {"XMLClassifier": {"Name": "rows", "Classification": "xml", "RowTag": row_tag}}
    return json.dumps({"Resources": {"Rows": {"Type": "AWS::Glue::Classifier", "Properties": classifier}}})


def test_a_stack_creates_updates_and_deletes_a_classifier(aws: LocalAws) -> None:
    cfn, glue = aws.client("cloudformation"), aws.client("glue")
    for row_tag in ("row", "record"):
        # when the stack is deployed, expect its classifier
        aws.deploy("classifier", template(row_tag))
        assert glue.get_classifier(Name="rows")["Classifier"]["XMLClassifier"]["RowTag"] == row_tag

    # when it is deleted, expect none
    cfn.delete_stack(StackName="classifier")
    cfn.get_waiter("stack_delete_complete").wait(StackName="classifier", WaiterConfig={"Delay": 1})
    with pytest.raises(glue.exceptions.EntityNotFoundException):
        glue.get_classifier(Name="rows")
