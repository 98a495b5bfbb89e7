"""What the Import API sends and takes, as it describes itself: names of the wire."""

from __future__ import annotations

from typing import Any, Final

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers

from ingestion.uploads.files import FileFacts

BYTES: Final = {"application/octet-stream": OpenApiTypes.BINARY}


def file_json(file: FileFacts) -> dict[str, Any]:
    return {"name": file.path, "sizeInBytes": file.size}


class FileSerializer(serializers.Serializer[Any]):
    """A file of a batch."""

    name = serializers.CharField(help_text="The full path, as it was uploaded.")
    sizeInBytes = serializers.IntegerField(help_text="Of a large file not yet complete: what has arrived.")  # noqa: N815


class InputFormatSerializer(serializers.Serializer[Any]):
    """How the files are written. All but `format` and `isMultiLineJson` is for CSV."""

    format = serializers.CharField(help_text="json, parquet or csv, in any case. parquet where it is left out.")
    isMultiLineJson = serializers.BooleanField(required=False, help_text="One array over any number of lines.")  # noqa: N815
    delimiter = serializers.CharField(required=False)
    quote = serializers.CharField(required=False)
    escape = serializers.CharField(required=False)
    nullMarker = serializers.CharField(required=False)  # noqa: N815
    header = serializers.BooleanField(required=False)
    charset = serializers.CharField(required=False, help_text="UTF-8, US-ASCII or ISO-8859-1.")


class ReplaySerializer(serializers.Serializer[Any]):
    """The batches that this one takes the place of. In requests ids begin with `$`; without it they are taken too."""

    predecessors = serializers.ListField(child=serializers.CharField(), required=False)
    predecessorsByExternalId = serializers.ListField(child=serializers.CharField(), required=False)  # noqa: N815
    reason = serializers.CharField(required=False)


class CreateSerializer(serializers.Serializer[Any]):
    """A batch to be."""

    datasetId = serializers.CharField()  # noqa: N815
    externalId = serializers.CharField(required=False, help_text="Unique in the organisation. Its id, if left out.")  # noqa: N815
    inputFormat = InputFormatSerializer(required=False)  # noqa: N815
    enableErrorDiagnostics = serializers.BooleanField(required=False)  # noqa: N815
    partialIngestionPercent = serializers.FloatField(required=False, min_value=0, max_value=100)  # noqa: N815
    replay = ReplaySerializer(required=False)
    tags = serializers.DictField(child=serializers.ListField(child=serializers.CharField()), required=False)


class PreviewColumnSerializer(serializers.Serializer[Any]):
    cid = serializers.CharField()
    name = serializers.CharField()


class PreviewTableSerializer(serializers.Serializer[Any]):
    columns = PreviewColumnSerializer(many=True)
    rows = serializers.ListField(child=serializers.DictField(child=serializers.CharField(allow_null=True)))


class PreviewSerializer(serializers.Serializer[Any]):
    """The first rows of what was uploaded so far; each row maps a column's `cid` to a text."""

    formatParams = serializers.DictField()  # noqa: N815
    preview = PreviewTableSerializer()


def query(name: str, description: str, *, required: bool = False, values: list[str] | None = None) -> OpenApiParameter:
    return OpenApiParameter(name, description=description, required=required, enum=values)


def header(name: str, description: str, *, required: bool = False) -> OpenApiParameter:
    return OpenApiParameter(name, location=OpenApiParameter.HEADER, description=description, required=required)
