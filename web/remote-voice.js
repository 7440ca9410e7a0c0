import { announce } from "./observability.js";

// Between a message on the data channel and the same moment of the voice: what WebRTC buffers of sound.
const VOICE_LAG_MS = 170;
const AUDIBLE = 0.01;
const WATCH_MS = 20;

/** The avatar's voice as a WebRTC track: the browser plays it, and only the time tells which sample is heard. */
export class RemoteVoice {
  #listener;
  #element = new Audio();
  #receiver = null;
  /** @type {{utterance: string, rate: number, at: number, samples: number} | null} */
  #utterance = null;
  #announced = false; // of this utterance, that it is heard
  #watch = 0;

  /** @param {import("./playback.js").PlaybackListener} listener only `onRunning` is told: nobody counts samples here */
  constructor(listener) {
    this.#listener = listener;
    this.#element.onplaying = () => listener.onRunning(true);
    this.#element.onpause = () => listener.onRunning(false);
    this.#watch = setInterval(() => this.#listen(), WATCH_MS);
  }

  async load() {
    return true;
  }

  /** @param {RTCRtpReceiver} receiver @param {MediaStream} stream */
  play(receiver, stream) {
    this.#receiver = receiver;
    this.#element.srcObject = stream;
    this.resume();
  }

  get running() {
    return !this.#element.paused;
  }

  resume() {
    if (this.#element.srcObject !== null && this.#element.paused) this.#element.play().catch(() => this.#listener.onRunning(false));
  }

  /** @param {string} device where the voice comes out; "" is the system's own choice */
  useSpeaker(device) {
    this.#element.setSinkId?.(device).catch(() => {});
  }

  /** @param {string} utterance @param {number} rate */
  begin(utterance, rate) {
    this.#utterance = { utterance, rate, at: performance.now() + VOICE_LAG_MS, samples: Infinity };
    this.#announced = false;
    this.#element.muted = false;
  }

  append() {
    // The voice comes as a track.
  }

  /** @param {number} samples how long the utterance is */
  end(samples) {
    if (this.#utterance !== null) this.#utterance.samples = samples;
  }

  /** Silence, now: what WebRTC still holds of the voice is not heard. */
  cut() {
    this.#element.muted = true;
    this.#utterance = null;
    announce("silent", { performanceTime: performance.now() });
  }

  /** What leaves the loudspeaker at about this moment, with the loudness of the voice (0 to 1); null in silence. */
  audible() {
    if (this.#utterance === null) return null;
    const { utterance, rate, at, samples } = this.#utterance;
    const sample = Math.floor(((performance.now() - at) * rate) / 1000);
    return sample < 0 || sample >= samples ? null : { utterance, rate, sample, level: this.#level() };
  }

  close() {
    clearInterval(this.#watch);
    this.#element.pause();
    this.#element.srcObject = null;
    this.#utterance = null;
  }

  #level() {
    return this.#receiver?.getSynchronizationSources()[0]?.audioLevel ?? 0;
  }

  #listen() {
    if (this.#announced || this.audible() === null || this.#level() < AUDIBLE) return;
    this.#announced = true;
    announce("audible", { utterance: this.#utterance.utterance, performanceTime: performance.now() });
  }
}
