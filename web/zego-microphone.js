import { cleanUp } from "./clean-up.js";

/** A microphone in a room of ZEGO's: what this page hears is published there as one stream. */
export class ZegoMicrophone {
  #engine;
  #name;
  #onHeard;
  #track = null;
  #stream = null; // as the engine has it
  #copy = null; // in it: the engine stops what it was given, and the microphone goes on
  #turn = Promise.resolve();

  /**
   * @param {object} engine that is in the room
   * @param {string} name of the stream
   * @param {(heard: boolean) => void} onHeard whether the stream is there; false: and will not be, unless another is heard
   */
  constructor(engine, name, onHeard) {
    this.#engine = engine;
    this.#name = name;
    this.#onHeard = onHeard;
    engine.on("publisherStateUpdate", ({ streamID, state, errorCode }) => {
      if (streamID !== this.#name || this.#engine === null) return;
      if (state === "PUBLISHING") this.#onHeard(true);
      if (state === "NO_PUBLISH" && errorCode !== 0) this.#onHeard(false); // what is less, the engine repairs
    });
  }

  /** @param {MediaStreamTrack | null} track what is heard from now on; the same again, where it was muted or is no more */
  hear(track) {
    if (track !== this.#track) {
      this.#track = track;
      this.#turn = this.#turn.then(() => this.#take(track));
    }
    if (this.#copy !== null && track !== null) this.#copy.enabled = track.enabled;
  }

  close() {
    this.#track = null;
    this.#unpublish();
    this.#engine = null;
  }

  async #take(track) {
    if (track !== this.#track) return; // another one, or none, came meanwhile
    if (track === null) this.#unpublish();
    else if (this.#stream === null) await this.#publish(track);
    else await this.#replace(track);
  }

  async #publish(track) {
    const engine = this.#engine;
    const copy = track.clone();
    try {
      const stream = await engine.createStream({ custom: { source: new MediaStream([copy]) } });
      copy.enabled = track.enabled;
      if (track === this.#track && engine.startPublishingStream(this.#name, stream)) {
        [this.#stream, this.#copy] = [stream, copy];
        return;
      }
      engine.destroyStream(stream);
    } catch {
      // It is told below, in words for the person.
    }
    copy.stop();
    if (track === this.#track) this.#onHeard(false);
  }

  async #replace(track) {
    const [before, copy] = [this.#copy, track.clone()];
    this.#copy = copy;
    let isHeard = false;
    try {
      isHeard = (await this.#engine.replaceTrack(this.#stream, copy)).errorCode === 0;
    } catch {
      // It is told below, in words for the person.
    }
    before.stop();
    if (track === this.#track && !isHeard) this.#onHeard(false);
  }

  #unpublish() {
    if (this.#stream === null) return;
    const [engine, stream, copy] = [this.#engine, this.#stream, this.#copy];
    this.#stream = this.#copy = null;
    cleanUp(
      () => engine.stopPublishingStream(this.#name),
      () => engine.destroyStream(stream),
      () => copy.stop(),
    );
  }
}
