"""Operators of this package, and the Amazon provider's made stricter."""

from smart_hub.operators.audit import AuditOperator
from smart_hub.operators.clean_up import CleanUpOperator
from smart_hub.operators.copy_raw_data import CopyRawDataOperator
from smart_hub.operators.glue import CrawlOperator, StrictGlueJobOperator
from smart_hub.operators.insight import InsightOperator
from smart_hub.operators.publish import PublishOperator, RollBackOperator
from smart_hub.operators.teardown import TeardownOperator, TeardownPreviewOperator, exact_pattern

__all__ = [
    "AuditOperator",
    "CleanUpOperator",
    "CopyRawDataOperator",
    "CrawlOperator",
    "InsightOperator",
    "PublishOperator",
    "RollBackOperator",
    "StrictGlueJobOperator",
    "TeardownOperator",
    "TeardownPreviewOperator",
    "exact_pattern",
]
