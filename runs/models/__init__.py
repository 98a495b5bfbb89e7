"""Runs, their tasks, and what they leave for people to read: tables, messages, history, data loads."""

from runs.models.company import Sweep
from runs.models.loads import DataLoad
from runs.models.runs import IN_TROUBLE, OPEN_STATUSES, Run, RunQuerySet, StartKey
from runs.models.tasks import TableLoad, Task, TaskQuerySet, search_words
from runs.models.telling import Event, Level, LogChunk, Message, Note

__all__ = [
    "IN_TROUBLE",
    "OPEN_STATUSES",
    "DataLoad",
    "Event",
    "Level",
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
    "search_words",
]
