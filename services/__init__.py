"""The embedded parts: speech, hearing and a small brain that need no key and no network.

`stt`, `llm` and `tts` have one Pipecat service each; everything else here is inside them. They are
not gathered here: hearing loads pocketsphinx (https://github.com/cmusphinx/pocketsphinx), speaking
loads espeak-ng (https://github.com/espeak-ng/espeak-ng, GPL-3.0-or-later), and whoever uses one
shall not need the other. Of the library both are the extra `avatarbot[local]`.
"""
