"""The API calls of QuickSight's template, and invalid references in its definitions.

Standard library and botocore alone: the environment of Airflow uses it, and that of the local AWS.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import botocore.session
from botocore.model import OperationModel, Shape
from botocore.validate import ParamValidator

from ops.templates import load
from tests.cfn import resolved

TEMPLATE = Path(__file__).resolve().parents[2] / "include" / "quicksight" / "quicksight.yaml"
OWNER = "arn:aws:quicksight:us-east-1:111122223333:group/default/analysts"
READER = "arn:aws:quicksight:us-east-1:111122223333:group/default/customers"
RULES = "arn:aws:quicksight:us-east-1:111122223333:dataset/rules"

Resources = Mapping[str, Mapping[str, Any]]
_NUMBERS = ("INTEGER", "DECIMAL")


def resources(text: str | None = None, **parameters: str) -> Resources:
    """The resources of the template, or of another text, with the values of the parameters."""
    text = TEMPLATE.read_text(encoding="utf-8") if text is None else text
    return resolved(_loaded(text), **{"OwnerPrincipal": OWNER, **parameters})


_loaded = cache(load)


# What CloudFormation calls


class Call(NamedTuple):
    """A request: service and operation by botocore's names, and parameters."""

    service: str
    operation: str
    parameters: Mapping[str, Any]

    @property
    def model(self) -> OperationModel:
        return _service(self.service).operation_model(self.operation)

    def problems(self) -> list[str]:
        """Violations of the service's model: types, unknown and missing names, ranges, enums, patterns."""
        shape = self.model.input_shape
        report = ParamValidator().validate(self.parameters, shape)
        return [line for line in report.generate_report().splitlines() if line] or [*_outside(shape, self.parameters)]


@cache
def _service(name: str) -> Any:
    return botocore.session.get_session().get_service_model(name)


def _outside(shape: Shape, value: Any, path: str = "") -> Iterator[str]:
    """Values outside of an enum, a pattern or a range, which botocore does not check."""
    match shape.type_name:
        case "structure":
            for name, item in value.items():
                yield from _outside(shape.members[name], item, f"{path}.{name}")
        case "list":
            for number, item in enumerate(value):
                yield from _outside(shape.member, item, f"{path}[{number}]")
        case "map":
            for name, item in value.items():
                yield from _outside(shape.key, name, f"{path} (key)")
                yield from _outside(shape.value, item, f"{path}.{name}")
        case "string":
            if shape.enum and value not in shape.enum:
                yield f"{path}: {value!r} is none of {shape.enum}"
            if not re.fullmatch(shape.metadata.get("pattern", ".*"), value, re.DOTALL):
                yield f"{path}: {value!r} does not match {shape.metadata['pattern']}"
    size = value if isinstance(value, int | float) else len(value) if isinstance(value, str | list | dict) else 0
    if not shape.metadata.get("min", size) <= size <= shape.metadata.get("max", size):
        yield f"{path}: {size} is outside of {shape.metadata}"


def calls(resource: Mapping[str, Any]) -> list[Call]:
    """The API calls with which CloudFormation creates a resource.

    Its properties are the parameters, except where the documentation of the type differs:
    https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/AWS_QuickSight.html
    """
    service, kind = resource["Type"].removeprefix("AWS::").split("::")
    given = dict(resource["Properties"])
    match service, kind:
        case "QuickSight", "DataSet":
            # A property in CloudFormation, an operation in the API; and an instruction to CloudFormation.
            refresh, _ = given.pop("DataSetRefreshProperties", None), given.pop("IngestionWaitPolicy")
            key = {name: given[name] for name in ("AwsAccountId", "DataSetId")}
            put = Call("quicksight", "PutDataSetRefreshProperties", {**key, "DataSetRefreshProperties": refresh})
            return [Call("quicksight", "CreateDataSet", given), *([put] if refresh else [])]
        case "QuickSight", "RefreshSchedule":
            schedule, frequency = dict(given["Schedule"]), dict(given["Schedule"]["ScheduleFrequency"])
            frequency["Timezone"] = frequency.pop("TimeZone")
            schedule["ScheduleFrequency"] = frequency
            return [Call("quicksight", "CreateRefreshSchedule", {**given, "Schedule": schedule})]
        case "QuickSight", _:
            return [Call("quicksight", f"Create{kind}", given)]
        case "IAM", "Role":
            policies = given.pop("Policies")
            given["AssumeRolePolicyDocument"] = json.dumps(given["AssumeRolePolicyDocument"])
            texts = [{**policy, "PolicyDocument": json.dumps(policy["PolicyDocument"])} for policy in policies]
            puts = [Call("iam", "PutRolePolicy", {"RoleName": given["RoleName"], **policy}) for policy in texts]
            return [Call("iam", "CreateRole", given), *puts]
        case "IAM", "ManagedPolicy":
            roles, name = given.pop("Roles"), given.pop("ManagedPolicyName")
            given |= {"PolicyName": name, "PolicyDocument": json.dumps(given["PolicyDocument"])}
            arn = f"arn:aws:iam::111122223333:policy/{name}"
            attached = [Call("iam", "AttachRolePolicy", {"RoleName": role, "PolicyArn": arn}) for role in roles]
            return [Call("iam", "CreatePolicy", given), *attached]
    raise AssertionError(f"no call is known for {resource['Type']}")


# References in definitions


@dataclass(frozen=True)
class DataSet:
    """A data set: its SQL, the types of the columns that it reads and has, and the columns' geographic roles."""

    sql: str
    read: Mapping[str, str]
    columns: Mapping[str, str]
    places: Mapping[str, str]


def data_set(resource: Mapping[str, Any]) -> DataSet:
    """A data set of one table or statement, with calculated columns."""
    ((key, physical),) = resource["Properties"]["PhysicalTableMap"].items()
    ((source, of),) = physical.items()
    declared = of["Columns" if source == "CustomSql" else "InputColumns"]
    read = {column["Name"]: f"{column['Type']} {column.get('SubType', '')}".strip() for column in declared}
    sql = of["SqlQuery"] if source == "CustomSql" else f"SELECT {', '.join(read)} FROM {of['Schema']}.{of['Name']}"
    ((_, logical),) = resource["Properties"]["LogicalTableMap"].items()
    assert logical["Source"] == {"PhysicalTableId": key}
    transforms = logical.get("DataTransforms", [])
    made = [column for one in transforms for column in one.get("CreateColumnsOperation", {}).get("Columns", [])]
    tags = [one["TagColumnOperation"] for one in transforms if "TagColumnOperation" in one]
    columns = {name: kind.split()[0] for name, kind in read.items()}
    for column in made:
        assert set(names_in(column["Expression"])) <= columns.keys(), column
        columns[column["ColumnName"]] = "DECIMAL"
    places = {tag["ColumnName"]: tag["Tags"][0]["ColumnGeographicRole"] for tag in tags}
    assert places.keys() <= columns.keys()
    return DataSet(sql, read, columns, places)


def data_sets(made: Resources) -> dict[str, DataSet]:
    """All data sets, by their logical ids."""
    return {name: data_set(one) for name, one in made.items() if one["Type"] == "AWS::QuickSight::DataSet"}


def names_in(expression: str) -> list[str]:
    """The fields that a calculated field reads."""
    return re.findall(r"(?<!\$)\{(\w+)\}", expression)


def nodes(value: Any) -> Iterator[Mapping[str, Any]]:
    """Every mapping in a definition, from the outside to the inside."""
    if isinstance(value, Mapping):
        yield value
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from nodes(item)


def faults(made: Resources, name: str) -> list[str]:
    """Invalid references and types in the definition of an analysis or a dashboard."""
    return [*_Definition(made, made[name]["Properties"]["Definition"]).faults()]


class _Definition:
    def __init__(self, made: Resources, definition: Mapping[str, Any]) -> None:
        self.definition = definition
        self.known = data_sets(made)
        self.names = {
            one["Identifier"]: one["DataSetArn"].rpartition(":")[2]
            for one in definition["DataSetIdentifierDeclarations"]
        }
        self.calculated = {(one["DataSetIdentifier"], one["Name"]): one for one in definition["CalculatedFields"]}
        self.parameters = {one["Name"] for each in definition["ParameterDeclarations"] for one in each.values()}
        self.filters = [
            one for group in definition["FilterGroups"] for each in group["Filters"] for one in each.values()
        ]

    def kind(self, column: Mapping[str, str]) -> str | None:
        """The type of a column or calculated field; None if it does not exist."""
        data_set, name = column["DataSetIdentifier"], column["ColumnName"]
        found = self.known.get(self.names.get(data_set, ""))
        if (data_set, name) in self.calculated:
            return "CALCULATED"
        return found.columns.get(name) if found else None

    def faults(self) -> Iterator[str]:
        yield from self._names()
        yield from self._parameters()
        yield from self._filters()
        shown = set()
        for sheet in self.definition["Sheets"]:
            yield from self._layout(sheet)
            for visual in sheet["Visuals"]:
                ((kind, body),) = visual.items()
                yield from self._visual(kind, body)
                shown |= {node["DataSetIdentifier"] for node in nodes(body) if "DataSetIdentifier" in node}
        for identifier in self.names.keys() - shown:
            yield f"data set {identifier} is in no visual"

    def _names(self) -> Iterator[str]:
        for identifier, resource in self.names.items():
            if resource not in self.known:
                yield f"data set {identifier} is {resource}, which is none"
        for node in nodes(self.definition):
            if node.get("DataSetIdentifier", "") not in ("", *self.names):
                yield f"no data set {node['DataSetIdentifier']}"
            elif "ColumnName" in node and self.kind(node) is None:
                yield f"no column {node['DataSetIdentifier']}.{node['ColumnName']}"
            for field in names_in(node.get("Expression", "")):
                if self.kind({"DataSetIdentifier": node["DataSetIdentifier"], "ColumnName": field}) is None:
                    yield f"no field {field} for {node['Expression']}"

    def _parameters(self) -> Iterator[str]:
        keys = ("Parameter", "ParameterName", "SourceParameterName", "DestinationParameterName")
        used = {node[key] for node in nodes(self.definition) for key in keys if isinstance(node.get(key), str)}
        used |= {
            name for node in nodes(self.definition) for name in re.findall(r"\$\{(\w+)\}", node.get("Expression", ""))
        }
        for name in used ^ self.parameters:
            yield f"parameter {name} is {'not used' if name in self.parameters else 'none'}"

    def _filters(self) -> Iterator[str]:
        for one in self.filters:
            kinds = {
                known.columns[one["Column"]["ColumnName"]]
                for known in self.known.values()
                if one["Column"]["ColumnName"] in known.columns
            }
            if len(kinds) > 1:
                yield f"filter {one['FilterId']} is for columns of several types"
        for sheet in self.definition["Sheets"]:
            controls = [next(iter(each.values())) for each in sheet["FilterControls"] + sheet["ParameterControls"]]
            reached = {one.get("SourceFilterId") or one["SourceParameterName"] for one in controls}
            for one in self.filters:
                bounds = {node["Parameter"] for node in nodes(one) if "Parameter" in node}
                if not (one["FilterId"] in reached or (bounds and bounds <= reached)):
                    yield f"filter {one['FilterId']} has no control on sheet {sheet['SheetId']}"
            for name in reached - self.parameters - {one["FilterId"] for one in self.filters}:
                yield f"a control is for {name}, which is none"

    def _layout(self, sheet: Mapping[str, Any]) -> Iterator[str]:
        there = [("VISUAL", body["VisualId"]) for visual in sheet["Visuals"] for body in visual.values()]
        there += [
            ("FILTER_CONTROL", one["FilterControlId"]) for each in sheet["FilterControls"] for one in each.values()
        ]
        there += [
            ("PARAMETER_CONTROL", one["ParameterControlId"])
            for each in sheet["ParameterControls"]
            for one in each.values()
        ]
        laid_out = [
            (element["ElementType"], element["ElementId"])
            for layout in (*sheet["Layouts"], *sheet["SheetControlLayouts"])
            for element in layout["Configuration"]["GridLayout"]["Elements"]
        ]
        if sorted(there) != sorted(laid_out) or len(set(there)) != len(there):
            yield f"sheet {sheet['SheetId']} lays out {sorted(set(laid_out) ^ set(there))}"

    def _visual(self, kind: str, body: Mapping[str, Any]) -> Iterator[str]:
        where = body["VisualId"]
        wells = list(nodes(body["ChartConfiguration"]["FieldWells"]))
        fields = [node for node in wells if "FieldId" in node]
        for node in nodes(body):
            wanted = node.get("FieldSort", {}).get("FieldId")
            if wanted and wanted not in {field["FieldId"] for field in fields}:
                yield f"{where}: no field {wanted} to sort by"
        hierarchies = {
            one["HierarchyId"]: one["Columns"] for each in body.get("ColumnHierarchies", []) for one in each.values()
        }
        drilled = {field["HierarchyId"]: field["Column"] for field in fields if "HierarchyId" in field}
        for name in hierarchies.keys() | drilled.keys():
            if name not in hierarchies or drilled.get(name) != hierarchies[name][0]:
                yield f"{where}: no way down hierarchy {name}"
        fits = {
            "CategoricalDimensionField": ("STRING",),
            "DateDimensionField": ("DATETIME",),
            "NumericalDimensionField": _NUMBERS,
            "NumericalMeasureField": (*_NUMBERS, "CALCULATED"),
        }
        for well in wells:
            for role in well.keys() & fits.keys():
                kind = self.kind(well[role]["Column"]) or "none"
                if kind not in fits[role]:
                    yield f"{where}: {well[role]['Column']['ColumnName']} is {kind}, no {role}"
            for field in well.get("Geospatial", []):
                column = field["NumericalDimensionField"]["Column"]
                known = self.known.get(self.names.get(column["DataSetIdentifier"], ""))
                if not known or known.places.get(column["ColumnName"]) not in ("LATITUDE", "LONGITUDE"):
                    yield f"{where}: {column['ColumnName']} is no place"
