import { deviceIds } from "./devices.js";

// Only the echo of the face is taken out. What suppresses noise also eats the beginning of a word, and
// with it a tenth of a second of every cut-in; gain control overdrives a voice that is loud enough.
const CONSTRAINTS = {
  echoCancellation: true,
  noiseSuppression: false,
  autoGainControl: false,
  channelCount: 1,
};
const GONE = new Set(["OverconstrainedError", "NotFoundError"]);
const TYPING = "You can go on by typing.";

/**
 * What a microphone tells its owner.
 * @typedef {object} MicrophoneListener
 * @property {(pcm: ArrayBuffer, peak: number) => void} onChunk 20 ms, 16 kHz, 16-bit; never while muted
 * @property {() => void} onLive sound arrives now
 * @property {(sentence: string) => void} onTrouble no sound arrives, and what the person can do
 */

/** The person's microphone, from permission to 20 ms messages. A failure is a sentence, never an exception. */
export class Microphone {
  #listener;
  #device;
  #stream = null;
  #context = null;
  #node = null;
  #muted = false;
  #closed = false;
  #opening = false;
  #attempt = 0; // what an earlier one brings is of no use any more
  #permission = null;

  /** @param {MicrophoneListener} listener @param {string} device "" is the system's own choice */
  constructor(listener, device) {
    this.#listener = listener;
    this.#device = device;
  }

  /** Asks for the microphone; may stay open for as long as the person thinks about the permission. */
  async open() {
    // Undefined outside https and localhost: the browser hides the device altogether.
    if (navigator.mediaDevices === undefined) {
      this.#listener.onTrouble(`The browser gives the microphone only to pages on https or localhost. Open this page that way to talk. ${TYPING}`);
      return;
    }
    navigator.mediaDevices.addEventListener("devicechange", this.#retry);
    this.#watchPermission();
    await this.#acquire();
  }

  /** @param {string} device */
  set device(device) {
    this.#device = device;
    if (!this.#closed) this.#acquire();
  }

  get live() {
    return this.#stream !== null;
  }

  /** What it hears, for whoever sends it as a track; null while there is none. */
  get track() {
    return this.#stream?.getAudioTracks()[0] ?? null;
  }

  get muted() {
    return this.#muted;
  }

  set muted(muted) {
    this.#muted = muted;
    for (const track of this.#stream?.getTracks() ?? []) track.enabled = !muted;
  }

  /** Browsers may start a context suspended; a gesture or a return to the page wakes it. */
  resume() {
    if (this.#context?.state !== "running") this.#context?.resume().catch(() => {});
  }

  close() {
    this.#closed = true;
    this.#attempt += 1;
    navigator.mediaDevices?.removeEventListener("devicechange", this.#retry);
    this.#permission?.removeEventListener("change", this.#retry);
    this.#release();
  }

  // A device that was plugged in, perhaps the chosen one, or a permission that was given after all.
  #retry = async () => {
    const hopeful = this.live ? await this.#isChosenBack() : !this.#opening && this.#permission?.state !== "denied";
    if (hopeful && !this.#closed) this.#acquire();
  };

  async #isChosenBack() {
    const [track] = this.#stream.getAudioTracks();
    return this.#device !== "" && track.getSettings().deviceId !== this.#device && (await deviceIds("audioinput")).has(this.#device);
  }

  async #acquire() {
    this.#release();
    this.#attempt += 1;
    const attempt = this.#attempt;
    this.#opening = true;
    try {
      const stream = await request(this.#device);
      if (attempt !== this.#attempt) {
        stop(stream);
        return;
      }
      this.#stream = stream;
      stream.getAudioTracks()[0].addEventListener("ended", this.#lost, { once: true });
      this.muted = this.#muted;
      await this.#capture(stream);
      if (attempt === this.#attempt) this.#listener.onLive();
    } catch (error) {
      if (attempt !== this.#attempt) return;
      this.#release();
      this.#listener.onTrouble(reason(error));
    } finally {
      if (attempt === this.#attempt) this.#opening = false;
    }
  }

  async #capture(stream) {
    // The device's own rate: Firefox refuses to join a stream to a context of another one.
    const context = new AudioContext({ latencyHint: "interactive" });
    this.#context = context;
    await context.audioWorklet.addModule("/assets/microphone-worklet.js");
    if (context.state === "closed") return;
    const node = new AudioWorkletNode(context, "microphone", { channelCount: 1, channelCountMode: "explicit" });
    node.port.onmessage = ({ data }) => {
      if (!this.#muted) this.#listener.onChunk(data.pcm, data.peak);
    };
    this.#node = node;
    // The node writes nothing to the destination; being connected is what makes every browser run it.
    context.createMediaStreamSource(stream).connect(node).connect(context.destination);
    this.resume();
  }

  #lost = () => {
    this.#release();
    this.#listener.onTrouble(`The microphone was unplugged or switched off. Plug one in and it is used at once. ${TYPING}`);
    this.#acquire();
  };

  #release() {
    this.#node?.port.postMessage("close");
    this.#node?.disconnect();
    this.#node = null;
    if (this.#stream !== null) stop(this.#stream);
    this.#stream = null;
    if (this.#context !== null && this.#context.state !== "closed") this.#context.close().catch(() => {});
    this.#context = null;
  }

  async #watchPermission() {
    try {
      this.#permission = await navigator.permissions.query({ name: "microphone" });
      if (!this.#closed) this.#permission.addEventListener("change", this.#retry);
    } catch {
      // Not every browser tells; then "End" and "Start" ask again.
    }
  }
}

/** The chosen device, or what the system takes where it is gone. A wish is not enough: browsers prefer a device of their own. */
async function request(device) {
  const ask = (wish) => navigator.mediaDevices.getUserMedia({ audio: { ...CONSTRAINTS, ...wish } });
  if (device === "") return ask({});
  try {
    return await ask({ deviceId: { exact: device } });
  } catch (error) {
    if (!GONE.has(error?.name)) throw error;
    return ask({});
  }
}

function stop(stream) {
  for (const track of stream.getTracks()) track.stop();
}

function reason(error) {
  switch (error?.name) {
    case "NotAllowedError":
    case "SecurityError":
      return `The microphone is not allowed. To talk, allow it for this page beside the address bar, then press End and Start. ${TYPING}`;
    case "NotFoundError":
    case "OverconstrainedError":
      return `No microphone was found. Plug one in and it is used at once. ${TYPING}`;
    case "NotReadableError":
    case "AbortError":
      return `The microphone cannot be opened; another program may be using it. Close that one, then press End and Start. ${TYPING}`;
    default:
      return `The microphone does not work in this browser. ${TYPING}`;
  }
}
