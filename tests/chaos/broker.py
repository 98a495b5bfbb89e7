"""R5: the broker is wiped, killed without its data, frozen, and made to evict, while runs go through and a program
starts runs over the API. Messages are wake-ups only, so that nothing but latency may change.
"""

import base64
import os
import signal
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import httpx
import redis

from tests.chaos.campaign import STUCK_S, Campaign, campaign
from tests.chaos.house import ROOT
from tests.chaos.scenario import Answer, Options, main, quantile
from tests.services.process import Server, free_port

FREEZE_S = 30.0
SHORT_FREEZE_S = 8.0  # where fewer than the target's faults are asked for
DELAY_S = 15.0  # beside the time that a run takes by itself
API_P99_S = 3.0
PASSWORD = "a-long-password-of-a-program"


def play(options: Options) -> Answer:
    sweeper = options.mutant != "no_sweeper"
    fast = {"HEADGATE_FAST_PASSWORDS": "1"}
    with campaign(options, runs=max(8, options.count), persistent=False, sweeper=sweeper, environment=fast) as house:
        dice = options.dice
        faults = _faults(options.count)
        dice.shuffle(faults)
        caller = Caller()
        try:
            for fault in faults:
                house.go_on(dice.uniform(0.5, 1.5))
                INJECT[fault](house, caller, options)
                house.answer.add(fault)
        finally:
            caller.stop()  # whose runs come and go: nothing would ever be still
        house.finish(stuck_after=STUCK_S if sweeper else 20.0)
        _judge(house, caller)
        return house.answer


def _faults(count: int) -> list[str]:
    """In the shares of the target: 20 wiped, 10 killed, 5 frozen."""
    frozen, killed = max(1, count // 7), max(1, count * 2 // 7)
    return ["frozen"] * frozen + ["killed"] * killed + ["wiped"] * max(1, count - frozen - killed)


def _wiped(house: Campaign, _: "Caller", __: Options) -> None:
    with redis.Redis.from_url(house.servers.redis.url) as client:
        client.flushall()


def _killed(house: Campaign, _: "Caller", __: Options) -> None:
    house.servers.redis.restart(immediate=True)
    with redis.Redis.from_url(house.servers.redis.url) as client:  # from now on it throws messages away to make room
        client.config_set("maxmemory-policy", "allkeys-lru")
        client.config_set("maxmemory", "8mb")
        for number in range(100):
            client.set(f"pressure {number}", b"x" * 100_000)
        house.answer.facts["evicted_keys"] = client.info("stats")["evicted_keys"]


def _frozen(house: Campaign, caller: "Caller", options: Options) -> None:
    pid = house.servers.redis.server.pid
    os.kill(pid, signal.SIGSTOP)
    caller.frozen.set()
    try:
        time.sleep(FREEZE_S if options.count >= 35 else SHORT_FREEZE_S)
    finally:
        os.kill(pid, signal.SIGCONT)
        caller.frozen.clear()


INJECT = {"wiped": _wiped, "killed": _killed, "frozen": _frozen}


def _judge(house: Campaign, caller: "Caller") -> None:
    answer = house.answer
    answer.facts["api"] = {"answers": dict(caller.statuses), "frozen_p99_s": quantile(caller.frozen_seconds, 0.99)}
    wrong = {status: count for status, count in caller.statuses.items() if status >= 500 or status == 0}
    answer.expect(not wrong, f"the API answered {wrong}")
    p99 = quantile(caller.frozen_seconds, 0.99)
    answer.expect(p99 is None or p99 < API_P99_S, f"while the broker was frozen, a call took {p99} s")
    late = answer.recovery_s
    answer.expect(late is not None and late <= DELAY_S * 4, f"the last run ended {late} s after the last fault")


@dataclass
class Caller:
    """A program that asks the API for a run again and again, through a real web server with one worker process."""

    statuses: Counter[int] = field(default_factory=Counter)
    frozen_seconds: list[float] = field(default_factory=list)
    frozen: threading.Event = field(default_factory=threading.Event)
    over: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        from django.contrib.auth.models import User

        from tests.sources import small_source

        User.objects.create_superuser("program", password=PASSWORD)
        self.source = small_source("Called").pk
        port = free_port()
        self.address = f"http://127.0.0.1:{port}"
        command = [sys.executable, "-m", "gunicorn", "config.wsgi", "-b", f"127.0.0.1:{port}", "--threads", "4"]
        log = ROOT / os.environ["HEADGATE_VAR"] / "web.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        self.server = Server("gunicorn", command, log, lambda: httpx.get(f"{self.address}/api/"), {"cwd": ROOT})
        self.server.start()
        self.thread = threading.Thread(target=self._call)
        self.thread.start()

    def _call(self) -> None:
        login = base64.b64encode(f"program:{PASSWORD}".encode()).decode()
        with httpx.Client(base_url=self.address, headers={"Authorization": f"Basic {login}"}, timeout=90) as client:
            while not self.over.wait(0.2):
                frozen, started = self.frozen.is_set(), time.monotonic()
                status = self._ask(client)
                self.statuses[status] += 1
                if frozen:
                    self.frozen_seconds.append(time.monotonic() - started)

    def _ask(self, client: httpx.Client) -> int:
        try:
            body: dict[str, Any] = {"source": self.source, "type": "destructive"}
            made = client.post("/api/runs/", json=body)
            if made.status_code == 201:
                client.post(f"/api/runs/{made.json()['id']}/cancel/")
        except httpx.HTTPError:
            return 0
        return made.status_code

    def stop(self) -> None:
        self.over.set()
        self.thread.join()
        self.server.stop()


if __name__ == "__main__":
    raise SystemExit(main({"R5": play}))
