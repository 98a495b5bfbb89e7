"""The pages that are looked at, by name, each with the address that it has in a furnished house."""

from typing import Any, Final

ADDRESSES: Final[dict[str, str]] = {
    "home": "",
    "sources": "connectors/datasource/",
    "source": "connectors/datasource/{quick}/change/",
    "source, first records": "connectors/datasource/{quick}/records/",
    "source, destructive start": "connectors/datasource/{quick}/start/",
    "source, new": "connectors/datasource/add/",
    "connectors": "connectors/connector/",
    "connector": "connectors/connector/{connector}/change/",
    "runs": "runs/run/?all=1",
    "runs, filtered": "runs/run/?status=completed&status=failed&type=destructive&period=7d",
    "runs, no match": "runs/run/?status=rejected&type=destructive",
    "run": "runs/run/{completed}/change/",
    "run, tables of a task": "runs/run/{completed}/change/?tables=1",
    "run, tables": "runs/run/{completed}/change/?tab=tables",
    "run, history": "runs/run/{completed}/change/?tab=history",
    "run, log": "runs/run/{completed}/change/?tab=log",
    "run, schema changes": "runs/run/{completed}/change/?tab=changes",
    "run, API calls": "runs/run/{completed}/change/?tab=calls",
    "run, files": "runs/run/{completed}/change/?tab=files",
    "run, configuration": "runs/run/{completed}/change/?tab=configuration",
    "run, compared": "runs/run/{completed}/compare/",
    "runs, cancelled together": "runs/run/bulk/cancel/?ids={completed}",
    "runs, acknowledged together": "runs/run/bulk/acknowledge/?ids={completed},{failed}",
    "run that failed": "runs/run/{failed}/change/",
    "run that failed, messages": "runs/run/{failed}/change/?tab=messages",
    "run, retry": "runs/run/{failed}/retry/",
    "source, a configuration": "connectors/datasource/{quick}/change/?revision=1",
    "data loads": "runs/dataload/",
    "data load": "runs/dataload/{load}/change/",
    "data load, files": "runs/dataload/{load}/change/?files=1",
    "batches": "ingestion/batch/",
    "batches, filtered": "ingestion/batch/?status=failed&created=7d",
    "batch": "ingestion/batch/{batches[1]}/change/",
    "batch that failed": "ingestion/batch/{batches[2]}/change/?tab=errors",
    "batch, bad rows": "ingestion/batch/{batches[1]}/change/?tab=rows",
    "batch, revert": "ingestion/batch/{batches[1]}/revert/",
    "datasets": "ingestion/dataset/",
    "dataset": "ingestion/dataset/{dataset}/change/",
    "API clients": "access/apiclient/",
    "API client": "access/apiclient/{client}/change/",
    "API client, new": "access/apiclient/add/",
    "API client, new secret": "access/apiclient/{client}/secret/",
    "organisations": "access/organisation/",
    "organisation": "access/organisation/{organisation}/change/",
}


def address(name: str, rows: dict[str, Any]) -> str:
    return ADDRESSES[name].format(**rows)
