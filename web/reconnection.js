import { Trouble } from "./start.js";

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 8_000;
const JITTER = 0.25; // of a pause, up or down: not every page comes back to a restarted server at once
const PATIENCE_MS = 60_000;
const SETTLED_MS = 10_000; // a connection that was lost sooner was none: the pauses go on growing

/** When to try again: after growing pauses, at once when the browser is online again, and for a minute at most. */
export class Reconnection {
  #pauseMs;
  #beganAt;
  #succeededAt = -Infinity;

  /**
   * @template T
   * @param {() => Promise<T>} attempt
   * @returns {Promise<T>} of the attempt that succeeded; rejects with a `Trouble` when there is no point in going on
   */
  async run(attempt) {
    if (performance.now() - this.#succeededAt > SETTLED_MS) this.#begin();
    while (performance.now() - this.#beganAt < PATIENCE_MS) {
      const online = await rest(this.#pauseMs * (1 + JITTER * (2 * Math.random() - 1)));
      if (online) this.#begin();
      this.#pauseMs = Math.min(2 * this.#pauseMs, LONGEST_PAUSE_MS);
      try {
        const result = await attempt();
        this.#succeededAt = performance.now();
        return result;
      } catch (error) {
        if (!(error instanceof Trouble) || error.lasting) throw error;
      }
    }
    throw new Trouble("The connection was lost and has not come back for a minute. Check the network and the server, then press Start.");
  }

  #begin() {
    this.#pauseMs = FIRST_PAUSE_MS;
    this.#beganAt = performance.now();
  }
}

/** Resolves after a while, or when the browser is online again; to which of both. */
function rest(ms) {
  return new Promise((resolve) => {
    const end = (event) => {
      clearTimeout(timer);
      removeEventListener("online", end);
      resolve(event !== undefined);
    };
    const timer = setTimeout(() => end(), ms);
    addEventListener("online", end);
  });
}
