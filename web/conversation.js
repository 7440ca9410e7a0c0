const NEAR_END_PX = 48;

/**
 * @typedef {object} Transcript
 * @property {string} turn names the bubble
 * @property {"user" | "assistant"} role
 * @property {string} text the whole text so far
 * @property {boolean} final
 * @property {"spoken" | "typed"} [source]
 * @property {boolean} [cut] the rest was never heard
 */

/** The bubbles: one per turn, its text replaced as the words are heard. */
export class Conversation {
  #log;
  #bubbles = new Map();
  #follows = true; // whoever scrolled up to read stays where they are

  /** @param {HTMLElement} log the element with role="log" */
  constructor(log) {
    this.#log = log;
    log.addEventListener("scroll", () => {
      this.#follows = log.scrollHeight - log.scrollTop - log.clientHeight < NEAR_END_PX;
    });
    // A notice above, or a keyboard below: what was said last stays in sight.
    new ResizeObserver(() => this.#follow()).observe(log);
  }

  clear() {
    this.#bubbles.clear();
    this.#log.replaceChildren();
    this.#follows = true;
  }

  /** @param {Transcript} transcript */
  show(transcript) {
    const { turn, text, final, cut } = transcript;
    if (typeof text !== "string" || (text === "" && !cut && !this.#bubbles.has(turn))) return;
    const bubble = this.#bubbles.get(turn) ?? this.#add(transcript);
    write(bubble.querySelector(".bubble-text"), text);
    bubble.classList.toggle("is-open", !final);
    if (cut) markCut(bubble);
    this.#follow();
  }

  /** The connection is gone: what was open stays as far as it came, and the next turns are others, whatever their names. */
  breakOff() {
    for (const bubble of this.#log.querySelectorAll(".is-open")) {
      bubble.classList.remove("is-open");
      markCut(bubble);
    }
    this.#bubbles.clear();
    this.#follow();
  }

  #follow() {
    if (this.#follows) this.#log.scrollTop = this.#log.scrollHeight;
  }

  #add({ turn, role, source }) {
    const bubble = element("div", `bubble bubble-${role === "user" ? "user" : "bot"}`);
    const who = element("p", "bubble-who", role === "user" ? "You" : "Bot");
    if (role === "user") who.append(element("span", "bubble-source", source === "typed" ? " · typed" : " · spoken"));
    const body = element("p", "bubble-body");
    body.append(element("span", "bubble-text"));
    bubble.append(who, body);
    this.#bubbles.set(turn, bubble);
    this.#log.append(bubble);
    return bubble;
  }
}

/** Appends where the text only grew, so that a selection in the bubble survives. */
function write(target, text) {
  const node = target.firstChild;
  if (node !== null && text.startsWith(node.data)) node.appendData(text.slice(node.data.length));
  else target.textContent = text;
}

function markCut(bubble) {
  if (bubble.classList.contains("is-cut")) return;
  bubble.classList.add("is-cut");
  bubble.querySelector(".bubble-body").append(" ", element("span", "bubble-cut", "— cut off"));
}

function element(tag, className, text = "") {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  return made;
}
