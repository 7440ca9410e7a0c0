const START_TIMEOUT_MS = 10_000;
const REACH_TIMEOUT_MS = 5_000;

/** A reason that can be shown to the person as it stands: what happened and what to do. */
export class Trouble extends Error {
  /** @param {string} sentence @param {{lasting?: boolean}} [kind] lasting: the same would happen again */
  constructor(sentence, { lasting = false } = {}) {
    super(sentence);
    this.lasting = lasting;
  }
}

/** What an answer to `POST /start` must hold. */
const WAYS_IN = { websocket: ["wsUrl", "token"], webrtc: ["sessionId", "token"] };

/**
 * `POST /start`: asks for a session.
 * @param {"websocket" | "webrtc"} transport
 * @param {AbortSignal} signal
 * @returns {Promise<{wsUrl?: string, sessionId?: string, token: string}>} rejects with a `Trouble`
 */
export async function startSession(transport, signal) {
  const response = await ask("/start", START_TIMEOUT_MS, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ transport }),
    signal,
  });
  const session = await response.json().catch(() => null);
  if (!response.ok) throw refusal(response.status, session?.detail);
  if (!WAYS_IN[transport].every((name) => typeof session?.[name] === "string")) {
    throw new Trouble("The server gave an answer that this page does not understand. Reload the page, then press Start again.", { lasting: true });
  }
  return session;
}

/**
 * Resolves when the server answers at all; rejects with a `Trouble`.
 * @param {AbortSignal} signal
 */
export async function reachServer(signal) {
  await ask("/", REACH_TIMEOUT_MS, { method: "HEAD", cache: "no-store", signal });
}

async function ask(path, timeoutMs, { signal, ...request }) {
  try {
    return await fetch(path, { ...request, signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]) });
  } catch {
    signal.throwIfAborted();
    throw new Trouble("The server cannot be reached. Check that it is running, then press Start again.");
  }
}

function refusal(status, detail) {
  if ((status === 400 || status === 401) && typeof detail === "string") return new Trouble(detail, { lasting: true });
  if (status === 401 || status === 403) {
    return new Trouble("The server does not allow a session from here. Open the page at the address that the server printed, then press Start again.", { lasting: true });
  }
  if (status === 429 || status === 503) return new Trouble("Every place is taken at the moment. Wait a little, then press Start again.");
  return new Trouble(`The server could not start a session (error ${status}). Press Start to try again.`);
}
