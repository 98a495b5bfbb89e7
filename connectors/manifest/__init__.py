"""A declarative REST document → frozen dataclasses. `parse` is the door; every error names the path in the document."""

from connectors.manifest.model import (
    Action,
    Auth,
    AuthStyle,
    ChildTable,
    Client,
    Credential,
    Cursor,
    DateWindows,
    EndpointSpec,
    Manifest,
    PageStyle,
    Pagination,
    ParentRecords,
    Predicate,
    Rule,
    Setting,
    ValueList,
)
from connectors.manifest.parse import parse
from connectors.manifest.problems import ManifestError, Problem

__all__ = [
    "Action",
    "Auth",
    "AuthStyle",
    "ChildTable",
    "Client",
    "Credential",
    "Cursor",
    "DateWindows",
    "EndpointSpec",
    "Manifest",
    "ManifestError",
    "PageStyle",
    "Pagination",
    "ParentRecords",
    "Predicate",
    "Problem",
    "Rule",
    "Setting",
    "ValueList",
    "parse",
]
