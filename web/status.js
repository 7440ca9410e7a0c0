const INTERRUPTED_MS = 600;

/** What each RTVI message says about the status; `avatar-cut` is decided by its data. */
const STATUS_OF = {
  "bot-ready": "listening",
  "user-started-speaking": "listening",
  "user-stopped-speaking": "thinking",
  "bot-llm-started": "thinking",
  "bot-started-speaking": "speaking",
  "bot-stopped-speaking": "listening",
};

/**
 * @typedef {"connecting" | "listening" | "thinking" | "speaking" | "interrupted" | "disconnected"} StatusName
 */

/** The one word that says what is going on. "interrupted" stays readable before the next one takes its place. */
export class Status {
  #element;
  #onChange;
  #current = "disconnected"; // as it is shown
  #asked = "disconnected";
  #deaf = false;
  #next = null;
  #holdTimer = 0;
  /** Calls of tools that the language model waits for: nobody listens before they are answered. */
  #calls = new Set();

  /** @param {HTMLElement} element @param {(status: StatusName) => void} onChange */
  constructor(element, onChange) {
    this.#element = element;
    this.#onChange = onChange;
  }

  get current() {
    return this.#current;
  }

  /** @param {boolean} deaf nobody is there who could listen: one is still being connected with */
  set deaf(deaf) {
    this.#deaf = deaf;
    this.#show(this.#asked);
  }

  /** @param {string} type @param {any} data */
  follow(type, data) {
    if (type === "avatar-cut") {
      if (data.unheard && !data.hold) this.set("interrupted");
    } else if (type === "llm-function-call-in-progress") {
      this.#calls.add(data.tool_call_id);
      if (this.#current === "listening") this.set("thinking");
    } else if (type === "llm-function-call-stopped") {
      this.#calls.delete(data.tool_call_id);
    } else if (type === "no-answer") {
      if ((this.#next ?? this.#current) === "thinking") this.set("listening");
    } else if (type === "bot-stopped-speaking" && this.#calls.size > 0) {
      this.set("thinking");
    } else if (Object.hasOwn(STATUS_OF, type)) {
      this.set(STATUS_OF[type]);
    }
  }

  /** @param {StatusName} status */
  set(status) {
    if (status === "disconnected" || status === "connecting") this.#calls.clear();
    if (status === "disconnected" || status === "connecting" || status === "interrupted") {
      this.#release();
    } else if (this.#holdTimer !== 0) {
      this.#next = status;
      return;
    }
    this.#show(status);
    if (status === "interrupted") this.#holdTimer = setTimeout(() => this.#afterHold(), INTERRUPTED_MS);
  }

  #afterHold() {
    const next = this.#next;
    this.#release();
    if (next !== null) this.#show(next);
  }

  #release() {
    clearTimeout(this.#holdTimer);
    this.#holdTimer = 0;
    this.#next = null;
  }

  #show(asked) {
    this.#asked = asked;
    const status = asked === "listening" && this.#deaf ? "connecting" : asked;
    if (status === this.#current) return;
    this.#current = status;
    this.#element.textContent = status;
    document.documentElement.dataset.status = status;
    this.#onChange(status);
  }
}
