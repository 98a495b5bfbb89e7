"""R8: the source answers a fifth of all calls with 429, 500, a cut answer or a reset, and a token lasts 50 calls."""

from collections import Counter

from runs.demo.tokens import CLIENT_ID, CLIENT_SECRET
from tests.chaos.campaign import Campaign, campaign
from tests.chaos.house import MANIFEST
from tests.chaos.scenario import Answer, Options, main

RATES = {"rate_429": 0.05, "rate_500": 0.05, "rate_truncated": 0.05, "rate_reset": 0.05, "retry_after": 1}
TOKEN_CALLS = 50
OAUTH = """auth: {style: oauth2, token_url: "{{ settings.base_url }}/oauth/token"}"""
CALLS_OF_MINIMUM = 1.6
LONGEST_HOLD_S = 30.0


def play(options: Options) -> Answer:
    manifest = MANIFEST.replace("auth: {style: bearer}", OAUTH)
    secrets = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
    with campaign(options, runs=options.count, manifest=manifest, credentials=secrets, latency_ms=10) as house:
        house.servers.api.control(**RATES, token_requests=TOKEN_CALLS, fixed_token_valid=False, seed=options.seed)
        house.servers.api.reset_stats()
        while house.story.left:
            house.go_on(0.5)
        house.finish()
        house.answer.recovery_s = None  # the faults last as long as the runs
        house.answer.add("runs", house.answer.facts["runs"])
        _judge(house)
        return house.answer


def _judge(house: Campaign) -> None:
    from django.db.models import Max, Sum

    from runs.models import Task

    answer, stats = house.answer, house.servers.api.stats()
    faults = Counter(stats["faults"])
    found = Task.objects.aggregate(pages=Sum("page_count"), calls=Sum("call_count"), waited=Max("waited_seconds"))
    tokens = stats["tokens_issued"]
    answer.facts |= {"faults": dict(faults), "calls": found["calls"], "pages": found["pages"], "tokens": tokens}
    answer.expect(sum(faults.values()) > 0, "no fault was injected: nothing was tested")
    answer.expect(
        found["calls"] <= CALLS_OF_MINIMUM * found["pages"], f"{found['calls']} calls for {found['pages']} pages"
    )
    least = found["calls"] // TOKEN_CALLS
    answer.expect(least <= tokens <= least * 3 + 20, f"{tokens} tokens were asked for; {least} are the least")
    answer.facts["longest_waits_of_a_task_s"] = round(found["waited"] or 0, 1)
    answer.expect((found["waited"] or 0) < LONGEST_HOLD_S * 2, f"a task waited {found['waited']} s in its worker")


if __name__ == "__main__":
    raise SystemExit(main({"R8": play}))
