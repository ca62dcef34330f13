"""Resource types that ministack's CloudFormation does not know."""

from typing import Any

from ministack.services import glue
from ministack.services.cloudformation import provisioners

_CLASSIFIER = "AWS::Glue::Classifier"


def register() -> None:
    """Add the resource types to ministack."""
    provisioners._RESOURCE_HANDLERS[_CLASSIFIER] = {
        "create": _create_classifier,
        "update": _update_classifier,
        "update_with_logical_id": True,
        "delete": _delete_classifier,
    }


def _create_classifier(logical_id: str, properties: dict[str, Any], stack: str) -> tuple[str, dict[str, Any]]:
    ((kind, classifier),) = properties.items()
    name = classifier.get("Name") or provisioners._physical_name(stack, logical_id, max_len=255)
    request = {kind: {**classifier, "Name": name}}
    provisioners._glue_call(glue._create_classifier, request, _CLASSIFIER, "create")
    return name, {}


def _update_classifier(
    physical_id: str, old: dict[str, Any], new: dict[str, Any], stack: str, logical_id: str
) -> tuple[str, dict[str, Any]]:
    _delete_classifier(physical_id, old)
    return _create_classifier(logical_id, new, stack)


def _delete_classifier(physical_id: str, properties: dict[str, Any]) -> None:
    glue._delete_classifier({"Name": physical_id})
