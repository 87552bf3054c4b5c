"""A process with two engines and an accelerated function, which waits until it is told to end."""

import sys
from collections.abc import Sequence

from ayo_bridge import LLM, Runtime, accelerate
from ayo_bridge.seam import BatchEngine, Call, EngineKind, Limits

SECRET = "what was asked"


class Echo(BatchEngine):
    name, kind, limits = "embedding:echo", EngineKind.EMBEDDING, Limits(max_items=8)

    def run(self, calls: Sequence[Call]) -> Sequence[object]:
        return [call.payload for call in calls]


runtime = Runtime(
    measure=False,
    engines=[LLM("my-model", ["http://127.0.0.1:1001/v1", "http://127.0.0.1:1002/v1"])],
)
scheduler = runtime.register(Echo())
with scheduler.held():
    requests = [
        scheduler.submit(Call("embedding:echo", i, SECRET, group="texts"), query=i, node="n")
        for i in range(4)
    ]
for request in requests:
    request.future.result(10)


def shout(text: str) -> str:
    return text.upper()


loud = accelerate(shout, runtime=runtime)
for _ in range(int(sys.argv[1])):
    loud(SECRET)
print("ready", flush=True)
sys.stdin.read()
runtime.close()
