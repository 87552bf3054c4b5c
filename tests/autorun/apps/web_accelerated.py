"""The same service, accelerated in its code."""

import web  # type: ignore[import-not-found]

from ayo_bridge import accelerate

web.engine = accelerate(web.engine)
web.streaming = accelerate(web.streaming)
app = web.app
