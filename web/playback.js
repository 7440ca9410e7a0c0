import { announce } from "./observability.js";
import { Playhead } from "./playhead.js";

const VOICE_RATE = 24_000;

/**
 * What playback tells its owner.
 * @typedef {object} PlaybackListener
 * @property {(utterance: string, samples: number) => void} onPlayed so many samples have left the loudspeaker
 * @property {(running: boolean) => void} onRunning whether the browser lets sound out at the moment
 */

/** The avatar's voice: PCM in, sound out, and the position that the person has really heard. */
export class Playback {
  #listener;
  #context;
  #playhead;
  #node = null;
  #open = false; // an utterance is current: binary messages belong to it
  #level = 0;
  #cuts = 0;
  #rendered = 0; // frame up to which the worklet has told what it did

  /**
   * Call it inside a click: that is what allows the sound.
   * @param {PlaybackListener} listener
   */
  constructor(listener) {
    this.#listener = listener;
    this.#context = createContext();
    this.#playhead = new Playhead(this.#context.sampleRate);
    this.#context.onstatechange = () => listener.onRunning(this.running);
  }

  /** Resolves to false where the browser has no AudioWorklet, as on plain http: then there is no sound. */
  async load() {
    if (this.#context.audioWorklet === undefined) return false;
    await this.#context.audioWorklet.addModule("/assets/playback-worklet.js");
    if (this.#context.state === "closed") return false;
    this.#node = new AudioWorkletNode(this.#context, "playback", { numberOfInputs: 0, outputChannelCount: [1] });
    this.#node.port.onmessage = ({ data }) => this.#receive(data);
    this.#node.connect(this.#context.destination);
    this.resume();
    return true;
  }

  get running() {
    return this.#context.state === "running";
  }

  resume() {
    if (!this.running && this.#context.state !== "closed") this.#context.resume().catch(() => {});
  }

  /** @param {string} device where the voice comes out; "" is the system's own choice */
  useSpeaker(device) {
    const { sinkId, state } = this.#context;
    // Not every browser can choose. A device that it does not let us have leaves the voice where it is.
    if (sinkId !== undefined && sinkId !== device && state !== "closed") this.#context.setSinkId(device).catch(() => {});
  }

  /** @param {string} utterance @param {number} rate */
  begin(utterance, rate) {
    this.#open = true;
    this.#post({ type: "begin", utterance, rate });
  }

  /** @param {ArrayBuffer} pcm */
  append(pcm) {
    // What was on its way when its utterance was cut has no owner any more.
    if (this.#open) this.#post({ type: "audio", pcm }, [pcm]);
  }

  end() {
    this.#open = false;
    this.#post({ type: "end" });
  }

  /** Silence, now. */
  cut() {
    this.#open = false;
    this.#cuts += 1;
    this.#post({ type: "cut", cuts: this.#cuts });
    this.#playhead.clear();
  }

  /** What leaves the loudspeaker at this moment, with the loudness of the voice (0 to 1); null in silence. */
  audible() {
    const position = this.#playhead.at(this.#heardFrame());
    return position === null ? null : { ...position, level: this.#level };
  }

  close() {
    this.#context.onstatechange = null;
    this.#post({ type: "close" });
    this.#node?.disconnect();
    this.#node = null;
    this.#playhead.clear();
    if (this.#context.state !== "closed") this.#context.close().catch(() => {});
  }

  #receive(event) {
    if (event.cuts !== this.#cuts) return; // sent before the worklet knew of the last cut
    this.#rendered = event.frame;
    switch (event.type) {
      case "run":
        this.#playhead.startRun(event);
        break;
      case "pause":
        this.#playhead.endRun(event.sample);
        break;
      case "tick":
        this.#level = event.level;
        break;
      case "audible":
        announce("audible", { utterance: event.utterance, sample: event.sample, ...this.#moment(event.frame) });
        break;
      case "silent":
        announce("silent", this.#moment(event.frame));
        break;
    }
    // Never past what the worklet has told: a gap may have begun there, and the news of it be under way.
    const heard = Math.min(this.#heardFrame(), this.#rendered);
    for (const { utterance, samples } of this.#playhead.due(heard, performance.now())) {
      this.#listener.onPlayed(utterance, samples);
    }
  }

  /** The frame that leaves the loudspeaker now: rendered minus what the device still holds. */
  #heardFrame() {
    return Math.min(this.#outputTime(performance.now()), this.#context.currentTime) * this.#context.sampleRate;
  }

  #outputTime(nowMs) {
    const stamp = this.#context.getOutputTimestamp?.();
    if (stamp?.performanceTime > 0) return stamp.contextTime + (nowMs - stamp.performanceTime) / 1000;
    return this.#context.currentTime - (this.#context.outputLatency || this.#context.baseLatency || 0);
  }

  #moment(frame) {
    const audioTime = frame / this.#context.sampleRate;
    const nowMs = performance.now();
    return { audioTime, performanceTime: nowMs + (audioTime - this.#outputTime(nowMs)) * 1000 };
  }

  #post(message, transfer = []) {
    this.#node?.port.postMessage(message, transfer);
  }
}

function createContext() {
  try {
    return new AudioContext({ sampleRate: VOICE_RATE, latencyHint: "interactive" });
  } catch {
    // Some devices allow their own rate only; the worklet resamples then.
    return new AudioContext({ latencyHint: "interactive" });
  }
}
