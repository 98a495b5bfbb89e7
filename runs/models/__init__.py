"""Runs, their tasks, and what they leave for people to read: tables, messages, history, data loads."""

from runs.models.company import Sweep, Worker
from runs.models.loads import DataLoad
from runs.models.logins import FailedLogin
from runs.models.runs import IN_TROUBLE, OPEN_STATUSES, Run, RunQuerySet, StartKey
from runs.models.steps import LoadStep, LoadTry
from runs.models.tasks import TableLoad, Task, TaskQuerySet, search_words
from runs.models.telling import Event, Level, LogChunk, Message, Note

__all__ = [
    "IN_TROUBLE",
    "OPEN_STATUSES",
    "DataLoad",
    "Event",
    "FailedLogin",
    "Level",
    "LoadStep",
    "LoadTry",
    "LogChunk",
    "Message",
    "Note",
    "Run",
    "RunQuerySet",
    "StartKey",
    "Sweep",
    "TableLoad",
    "Task",
    "TaskQuerySet",
    "Worker",
    "search_words",
]
