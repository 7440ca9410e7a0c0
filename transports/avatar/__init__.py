"""The avatar output transport, vendor-neutral: what every face has in common.

`core` decides, `session` owns the connection, `output` speaks Pipecat; a folder beside this one
(`transports/local`, later `transports/heygen` …) is a vendor. `docs/frames.md` lists what travels.
"""
