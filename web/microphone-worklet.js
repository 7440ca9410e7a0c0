/** Microphone at the context's rate in, 20 ms messages of 16 kHz 16-bit mono out. */

const RATE = 16_000;
const CHUNK = 320; // 20 ms
const ZERO_CROSSINGS = 12; // on each side of the low-pass filter: 0.75 ms of delay
const PHASES = 128; // sub-sample positions; only rates that 16 kHz does not divide use more than one

/** Low-pass filter and decimator: windowed sinc, so that nothing above 8 kHz folds back into speech. */
class Decimator {
  constructor(rate) {
    this.step = rate / RATE;
    this.reach = Math.ceil(ZERO_CROSSINGS * Math.max(1, this.step));
    this.taps = Array.from({ length: PHASES }, (_, phase) => this.design(phase / PHASES));
    this.history = new Float32Array(2 * this.reach + 4096);
    this.filled = this.reach; // silence before the first sample
    this.position = this.reach; // where the next output lies in the history
  }

  design(fraction) {
    const scale = Math.max(1, this.step);
    const taps = new Float32Array(2 * this.reach + 1);
    let sum = 0;
    for (let i = 0; i < taps.length; i += 1) {
      const t = (i - this.reach - fraction) / scale;
      const x = Math.PI * t * 0.92;
      const window = Math.abs(t) < ZERO_CROSSINGS ? Math.cos((Math.PI * t) / (2 * ZERO_CROSSINGS)) ** 2 : 0;
      taps[i] = window * (x === 0 ? 1 : Math.sin(x) / x);
      sum += taps[i];
    }
    return taps.map((tap) => tap / sum);
  }

  /** @param {Float32Array} input @param {(sample: number) => void} emit */
  push(input, emit) {
    this.history.set(input, this.filled);
    this.filled += input.length;
    while (this.position + this.reach + 1 < this.filled) {
      const whole = Math.floor(this.position);
      const taps = this.taps[Math.floor((this.position - whole) * PHASES)];
      const first = whole - this.reach;
      let sum = 0;
      for (let i = 0; i < taps.length; i += 1) sum += taps[i] * this.history[first + i];
      emit(sum);
      this.position += this.step;
    }
    const spent = Math.floor(this.position) - this.reach;
    this.history.copyWithin(0, spent, this.filled);
    this.filled -= spent;
    this.position -= spent;
  }
}

class MicrophoneProcessor extends AudioWorkletProcessor {
  constructor() {
    super();
    this.decimator = new Decimator(sampleRate);
    this.chunk = new Int16Array(CHUNK);
    this.length = 0;
    this.peak = 0;
    this.open = true;
    this.port.onmessage = () => {
      this.open = false;
    };
  }

  process([input]) {
    if (input.length > 0) this.decimator.push(input[0], (sample) => this.take(sample));
    return this.open;
  }

  take(sample) {
    const bounded = Math.max(-1, Math.min(1, sample));
    this.peak = Math.max(this.peak, Math.abs(bounded));
    this.chunk[this.length] = Math.round(bounded * 32_767);
    this.length += 1;
    if (this.length < CHUNK) return;
    this.port.postMessage({ pcm: this.chunk.buffer, peak: this.peak }, [this.chunk.buffer]);
    this.chunk = new Int16Array(CHUNK);
    this.length = 0;
    this.peak = 0;
  }
}

registerProcessor("microphone", MicrophoneProcessor);
