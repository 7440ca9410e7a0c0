import { recall, remember } from "./choices.js";
import { listDevices } from "./devices.js";
import { Meter } from "./meter.js";
import { Microphone } from "./microphone.js";

const HINTS = {
  untried: "Try it before you start: the bar moves when the microphone hears you.",
  asking: "Your browser asks whether this page may use the microphone.",
  quiet: "Say something: the bar moves when the microphone hears you.",
  heard: "The microphone hears you.",
  muted: "Muted: nothing is heard or sent.",
  missing: "The conversation has no microphone at the moment.",
};

/** @typedef {"none" | "missing" | "muted" | "on"} Ears of the conversation; "none" is: there is no conversation */

/**
 * What the sheet tells the page.
 * @typedef {object} SoundListener
 * @property {(device: string) => void} onMicrophone
 * @property {(device: string) => void} onSpeaker
 * @property {(reads: boolean) => void} onReading
 */

/** The sheet "Sound": which microphone and loudspeaker, and whether the microphone hears. */
export class Sound {
  #parts;
  #listener;
  #meter;
  /** @type {Microphone | null} outside of a conversation, while the sheet is open */
  #trial = null;
  /** @type {Ears} */
  #ears = "none";

  /** @param {Record<string, HTMLElement>} parts @param {SoundListener} listener */
  constructor(parts, listener) {
    const { sheet, opener, close, microphone, speaker, bar, trying, reading } = parts;
    this.#parts = parts;
    this.#listener = listener;
    this.#meter = new Meter(bar);
    parts.speakerField.hidden = !("setSinkId" in AudioContext.prototype);
    reading.checked = recall("reading") === "yes";
    opener.addEventListener("click", () => this.#open());
    close.addEventListener("click", () => sheet.close());
    sheet.addEventListener("close", () => this.#endTrial());
    trying.addEventListener("click", () => this.#try(HINTS.asking));
    microphone.addEventListener("change", () => this.#choose("microphone", microphone.value));
    speaker.addEventListener("change", () => this.#choose("speaker", speaker.value));
    reading.addEventListener("change", () => {
      remember("reading", reading.checked ? "yes" : "no");
      listener.onReading(reading.checked);
    });
    navigator.mediaDevices?.addEventListener("devicechange", () => this.#list());
  }

  /** @param {Ears} ears */
  set ears(ears) {
    if (ears === this.#ears) return;
    this.#ears = ears;
    this.#endTrial();
    if (this.#parts.sheet.open) this.#begin();
  }

  /** @param {number} peak loudness of the conversation's microphone, every 20 ms */
  hear(peak) {
    if (this.#parts.sheet.open && this.#meter.hear(peak)) this.#hint(HINTS.heard);
  }

  #open() {
    this.#parts.sheet.showModal();
    this.#begin();
  }

  async #begin() {
    this.#meter.reset();
    this.#list();
    this.#parts.trying.hidden = true;
    if (this.#ears !== "none") {
      this.#hint({ missing: HINTS.missing, muted: HINTS.muted, on: HINTS.quiet }[this.#ears]);
      return;
    }
    const allowed = await isAllowed();
    // Meanwhile the sheet may have been closed, and "Start" been pressed.
    if (!this.#parts.sheet.open || this.#ears !== "none") return;
    this.#parts.trying.hidden = allowed;
    if (allowed) this.#try(HINTS.quiet);
    else this.#hint(HINTS.untried);
  }

  /** @param {string} hint until the microphone is there */
  #try(hint) {
    this.#endTrial();
    this.#hint(hint);
    const trial = new Microphone(
      {
        onChunk: (_, peak) => this.hear(peak),
        onLive: () => this.#heard(),
        onTrouble: (sentence) => this.#hint(sentence),
      },
      recall("microphone"),
    );
    this.#trial = trial;
    trial.open();
  }

  /** The trial brought a microphone: its name may be known now, and there is nothing left to press. */
  #heard() {
    this.#hint(HINTS.quiet);
    this.#list();
    const { trying, microphone } = this.#parts;
    if (document.activeElement === trying) microphone.focus();
    trying.hidden = true;
  }

  #endTrial() {
    this.#trial?.close();
    this.#trial = null;
  }

  #choose(name, device) {
    remember(name, device);
    if (name === "speaker") {
      this.#listener.onSpeaker(device);
      return;
    }
    this.#meter.reset();
    if (this.#ears === "none" || this.#ears === "on") this.#hint(HINTS.quiet);
    if (this.#trial !== null) this.#trial.device = device;
    this.#listener.onMicrophone(device);
  }

  async #list() {
    if (!this.#parts.sheet.open) return;
    const [microphones, speakers] = await Promise.all([listDevices("audioinput"), listDevices("audiooutput")]);
    fill(this.#parts.microphone, microphones, recall("microphone"));
    fill(this.#parts.speaker, speakers, recall("speaker"));
  }

  #hint(sentence) {
    if (this.#parts.hint.textContent !== sentence) this.#parts.hint.textContent = sentence;
  }
}

/** Shows what is in use: a remembered device that is gone is not, and comes back when it is plugged in. */
function fill(select, devices, chosen) {
  const options = [{ id: "", name: "System default" }, ...devices];
  select.replaceChildren(...options.map(({ id, name }) => new Option(name, id)));
  select.value = devices.some(({ id }) => id === chosen) ? chosen : "";
}

async function isAllowed() {
  try {
    return (await navigator.permissions.query({ name: "microphone" })).state === "granted";
  } catch {
    return false; // Not every browser tells; then the person presses the button.
  }
}
