const SPOKEN_MS = 10_000;

/**
 * Tells a screen reader what was said, a whole turn at a time. The bubbles grow word by word, as they are heard: a live
 * region there would read every word by itself, and over the voice.
 */
export class Announcer {
  #region;

  /** @param {HTMLElement} region polite, and out of sight */
  constructor(region) {
    this.#region = region;
  }

  /** @param {boolean} reads */
  set enabled(reads) {
    this.#region.setAttribute("aria-live", reads ? "polite" : "off");
  }

  /** @param {import("./conversation.js").Transcript} transcript */
  tell({ role, text, final, source, cut }) {
    // Who typed knows what they typed.
    if (!final || typeof text !== "string" || text === "" || source === "typed") return;
    const line = document.createElement("p");
    line.textContent = `${role === "user" ? "You" : "Bot"}: ${text}${cut ? " — cut off" : ""}`;
    this.#region.append(line);
    // Who reads the page line by line meets the bubble, and not the same once more.
    setTimeout(() => line.remove(), SPOKEN_MS);
  }
}
