/**
 * Plays utterances back to back and tells at which frame of the audio clock each run of samples began and ended.
 * Silence that is put in because nothing has arrived is not counted as speech.
 */

const START_S = 0.02; // buffered before a run starts, so that one late message is not heard as a gap
const START_WAIT_S = 0.04; // but a shorter piece does not wait longer than this
const FADE_S = 0.005; // a cut fades over this, or it would click
const TICK_S = 0.02;
const TICK_AFTER_S = 1; // the last samples are heard later than they are rendered
const AUDIBLE = 10 ** (-50 / 20);

/** One utterance's samples: what has arrived and how much of it was rendered. */
class Utterance {
  constructor(id, rate) {
    this.id = id;
    this.rate = rate;
    this.step = rate / sampleRate;
    this.pieces = [];
    this.base = 0; // number of the first sample that is still kept
    this.received = 0;
    this.position = 0; // next sample to render; a fraction where the rates differ
    this.ended = false;
    this.heard = false;
    this.firstFrame = -1;
  }

  get left() {
    return this.received - this.position;
  }

  append(samples) {
    this.pieces.push(samples);
    this.received += samples.length;
  }

  at(index) {
    let offset = Math.max(this.base, Math.min(index, this.received - 1)) - this.base;
    for (const piece of this.pieces) {
      if (offset < piece.length) return piece[offset] / 32_768;
      offset -= piece.length;
    }
    return 0;
  }

  next() {
    const whole = Math.floor(this.position);
    const t = this.position - whole;
    this.position += this.step;
    return t === 0 ? this.at(whole) : cubic(this.at(whole - 1), this.at(whole), this.at(whole + 1), this.at(whole + 2), t);
  }

  /** Forgets pieces that lie behind the position; one sample stays for the interpolation. */
  trim() {
    while (this.pieces.length > 0 && this.base + this.pieces[0].length < this.position - 1) {
      this.base += this.pieces.shift().length;
    }
  }
}

/** Catmull-Rom: for browsers that do not give a context of the voice's own rate. */
function cubic(a, b, c, d, t) {
  return b + 0.5 * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)));
}

class PlaybackProcessor extends AudioWorkletProcessor {
  constructor() {
    super();
    this.queue = [];
    this.running = false;
    this.fade = [];
    this.silencing = false;
    this.nextTick = 0;
    this.lastSound = -Infinity;
    this.energy = 0;
    this.cuts = 0;
    this.open = true;
    this.port.onmessage = ({ data }) => this[data.type](data);
  }

  begin({ utterance, rate }) {
    this.end();
    this.queue.push(new Utterance(utterance, rate));
  }

  audio({ pcm }) {
    this.queue.at(-1)?.append(new Int16Array(pcm, 0, pcm.byteLength >> 1));
  }

  end() {
    const last = this.queue.at(-1);
    if (last !== undefined) last.ended = true;
  }

  cut({ cuts }) {
    if (this.running) {
      const head = this.queue[0];
      const length = Math.min(Math.round(FADE_S * sampleRate), Math.floor(head.left / head.step));
      this.fade = Array.from({ length }, (_, i) => head.next() * (1 - (i + 1) / length));
    }
    this.queue = [];
    this.running = false;
    this.silencing = true;
    this.cuts = cuts;
  }

  close() {
    this.open = false;
  }

  /** Every message carries the number of cuts it knows of: what crossed a cut on its way is told apart. */
  tell(message) {
    this.port.postMessage({ ...message, cuts: this.cuts });
  }

  process(_inputs, [[out]]) {
    if (this.queue.length > 0 || this.fade.length > 0 || this.silencing) this.render(out);
    this.tick(out.length);
    return this.open;
  }

  render(out) {
    for (let i = 0; i < out.length; i += 1) {
      const frame = currentFrame + i;
      if (this.fade.length > 0) {
        out[i] = this.fade.shift();
        continue;
      }
      if (this.silencing) {
        this.silencing = false;
        this.tell({ type: "silent", frame });
      }
      out[i] = this.sample(frame);
    }
    this.queue[0]?.trim();
  }

  sample(frame) {
    if (this.running && this.queue[0].left <= 0) this.stop(frame);
    if (!this.running && !this.start(frame)) return 0;
    const head = this.queue[0];
    const value = head.next();
    this.energy += value * value;
    this.lastSound = frame;
    if (!head.heard && Math.abs(value) > AUDIBLE) {
      head.heard = true;
      this.tell({ type: "audible", utterance: head.id, sample: Math.floor(head.position - head.step), frame });
    }
    return value;
  }

  /** Whether a run of speech begins at this frame. */
  start(frame) {
    while (this.queue.length > 0 && this.queue[0].ended && this.queue[0].left <= 0) this.queue.shift();
    const head = this.queue[0];
    if (head === undefined || head.left <= 0) return false;
    if (head.firstFrame < 0) head.firstFrame = frame;
    // Back to back: an utterance that follows without a pause has nothing to wait for.
    const follows = this.lastSound === frame - 1;
    const enough = head.left >= START_S * head.rate || frame - head.firstFrame >= START_WAIT_S * sampleRate;
    if (!enough && !head.ended && !follows) return false;
    this.running = true;
    this.tell({ type: "run", utterance: head.id, rate: head.rate, sample: Math.floor(head.position), frame });
    return true;
  }

  stop(frame) {
    const head = this.queue[0];
    this.running = false;
    head.position = head.received;
    head.firstFrame = -1;
    this.tell({ type: "pause", utterance: head.id, sample: head.received, frame });
    if (head.ended) this.queue.shift();
  }

  /** A clock that browsers do not slow down in a background tab, unlike timers. */
  tick(frames) {
    if (currentFrame < this.nextTick || currentFrame - this.lastSound > TICK_AFTER_S * sampleRate) return;
    const level = Math.sqrt(this.energy / (TICK_S * sampleRate + frames));
    this.tell({ type: "tick", level, frame: currentFrame + frames });
    this.energy = 0;
    this.nextTick = currentFrame + TICK_S * sampleRate;
  }
}

registerProcessor("playback", PlaybackProcessor);
