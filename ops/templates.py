"""Loads CloudFormation's templates."""

from typing import Any

import yaml


class _Loader(yaml.CSafeLoader):
    """YAML with CloudFormation's short forms, ``!Ref X`` read as ``{"Ref": "X"}``."""


def _short_form(loader: _Loader, tag: str, node: yaml.Node) -> dict[str, Any]:
    name = tag if tag in ("Ref", "Condition") else f"Fn::{tag}"
    if isinstance(node, yaml.ScalarNode):
        return {name: loader.construct_scalar(node)}
    assert isinstance(node, yaml.SequenceNode)
    return {name: loader.construct_sequence(node, deep=True)}


_Loader.add_multi_constructor("!", _short_form)


def load(text: str) -> dict[str, Any]:
    """A template, with its intrinsic functions in their long form."""
    loaded = yaml.load(text, _Loader)
    assert isinstance(loaded, dict)
    return loaded
