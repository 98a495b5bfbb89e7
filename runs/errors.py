"""What the verbs of runs refuse, with the sentence that people are shown."""


class Refused(Exception):
    """A verb is not allowed now. `run` is the run it is about; `code` is stable, for API clients."""

    def __init__(self, message: str, *, code: str, run_id: int | None = None, blocker_id: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.run_id = run_id
        self.blocker_id = blocker_id


class Ghost(Exception):
    """This attempt no longer owns its task: a newer claim, or the sweeper, has taken it. Stop; write nothing."""


class Stopped(Exception):
    """The run is being cancelled: stop at this page or file."""


class Released(Exception):
    """The process is shutting down: the task goes back to the queue, with nothing counted against it."""
