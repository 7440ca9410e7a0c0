"""Services of others, as far as Pipecat talks to them: over real sockets, with faults on demand.

They know nothing of this project, so that a mistake of ours cannot cancel itself out. What they
send and expect was read in the providers' references and in what Pipecat's services and the
providers' SDKs send and read; no live account was asked.
"""
