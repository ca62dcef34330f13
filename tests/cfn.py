"""What becomes of the functions in CloudFormation's templates."""

import base64
import re
from typing import Any

ACCOUNT, REGION = "111122223333", "us-east-1"
# What a property is set to that is to be left out.
NO_VALUE = object()


def resolved(template: dict[str, Any], **parameters: str) -> dict[str, dict[str, Any]]:
    """The resources' types and properties with every function worked out, by logical id.

    parameters: those without a default, and others; also what a Ref or GetAtt is to be, by the resource's name
    (``Bucket``, ``Bucket.Arn``), else an ARN whose last part is the logical id.
    """
    values = {name: str(item["Default"]) for name, item in template["Parameters"].items() if "Default" in item}
    values |= parameters
    values |= {
        "AWS::AccountId": ACCOUNT,
        "AWS::Region": REGION,
        "AWS::Partition": "aws",
        "AWS::URLSuffix": "amazonaws.com",
    }
    assert values.keys() >= template["Parameters"].keys()
    resolver = _Resolver(values, template)
    return {
        name: {"Type": item["Type"], "Properties": resolver.value(item["Properties"])}
        for name, item in template["Resources"].items()
        if "Condition" not in item or resolver.value(template["Conditions"][item["Condition"]])
    }


class _Resolver:
    def __init__(self, values: dict[str, str], template: dict[str, Any]) -> None:
        self.values = values
        self.conditions = template.get("Conditions", {})
        self.resources = template["Resources"]
        self.mappings = template.get("Mappings", {})

    def value(self, node: Any) -> Any:
        match node:
            case {"Ref": "AWS::NoValue"}:
                return NO_VALUE
            case {"Ref": str(name)}:
                return self._named(name)
            case {"Fn::GetAtt": str(name)}:
                return self._named(name)
            case {"Fn::Sub": [str(text), dict(more)]}:
                return self._filled(text, {name: self.value(one) for name, one in more.items()})
            case {"Fn::Sub": str(text)}:
                return self._filled(text, {})
            case {"Fn::Join": [str(separator), parts]}:
                return separator.join(self.value(parts))
            case {"Fn::Split": [str(separator), text]}:
                return self.value(text).split(separator)
            case {"Fn::If": [str(condition), yes, no]}:
                return self.value(yes if self.value(self.conditions[condition]) else no)
            case {"Fn::FindInMap": [str(name), str(top), str(second)]}:
                return self.mappings[name][top][second]
            case {"Fn::Base64": text}:
                return base64.b64encode(self.value(text).encode()).decode()
            case {"Fn::Equals": [one, other]}:
                return self.value(one) == self.value(other)
            case {"Fn::Not": [one]}:
                return not self.value(one)
            case dict():
                assert not [key for key in node if key.startswith("Fn::")], node
                made = {key: self.value(one) for key, one in node.items()}
                return {key: one for key, one in made.items() if one is not NO_VALUE}
            case list():
                return [one for one in map(self.value, node) if one is not NO_VALUE]
        return node

    def _filled(self, text: str, more: dict[str, str]) -> str:
        filled = re.sub(r"\$\{([^!}]+)\}", lambda found: more.get(found[1]) or self._named(found[1]), text)
        return filled.replace("${!", "${")

    def _named(self, name: str) -> str:
        if name in self.values:
            return self.values[name]
        resource = name.partition(".")[0]
        assert resource in self.resources, f"nothing is named {name}"
        return f"arn:aws:any:{REGION}:{ACCOUNT}:{resource}"
