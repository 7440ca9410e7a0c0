"""Starts one process per session, and ends what a session leaves behind: `uv run -m launcher`.

Asked over HTTP:      api, shapes, starting, tenants, machine, idempotency, metrics, http_server
A session, and money: backend, local, running, life, session_log, slots, reaper,
                      retries, socket_folder
Passed on to it:      handover, forwarding
Where processes are:  processes, zygote, parent, pool, launching
Between the two:      channel, messages
Inside a process:     loading, bot_file, kernel; zygote_process, guard, rehearsal; session_process,
                      session_server, webrtc, pipelines, pipeline_hook, memory
On a command line:    __main__, command_line, remote
"""
