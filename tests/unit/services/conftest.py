import warnings

# Pipecat 1.14 warns of a deprecated class of its own while this module is imported.
with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
    import pipecat.services.tts_service  # noqa: F401
