const FLOOR_DB = 60; // below full scale: what is quieter than this is an empty bar
const HEARD = 0.015; // a voice at arm's length without gain control; an empty room stays below
const FALL = 0.06; // of the bar per drawing
const PIECES = 3; // of 20 ms, per drawing

/** A bar that shows how loud the microphone is. */
export class Meter {
  #bar;
  #level = 0;
  #peak = 0;
  #pieces = 0;

  /** @param {HTMLElement} bar the element with role="meter" */
  constructor(bar) {
    this.#bar = bar;
    this.reset();
  }

  /** @param {number} peak loudness of 20 ms, 0 to 1 @returns {boolean} whether it is more than an empty room */
  hear(peak) {
    this.#peak = Math.max(this.#peak, peak);
    this.#pieces += 1;
    if (this.#pieces >= PIECES) {
      const loudness = Math.max(0, 1 + (20 * Math.log10(this.#peak + 1e-9)) / FLOOR_DB);
      this.#draw(Math.min(1, Math.max(loudness, this.#level - FALL)));
    }
    return peak > HEARD;
  }

  reset() {
    this.#draw(0);
  }

  #draw(level) {
    this.#level = level;
    this.#peak = 0;
    this.#pieces = 0;
    this.#bar.style.setProperty("--level", level.toFixed(2));
    this.#bar.setAttribute("aria-valuenow", String(Math.round(level * 100)));
  }
}
