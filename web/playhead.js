const REPORT_MS = 100;

/**
 * A run of samples without a gap.
 * @typedef {object} Run
 * @property {string} utterance
 * @property {number} rate samples per second of the utterance
 * @property {number} sample first sample of the run, counted in its utterance
 * @property {number} frame frame of the audio clock at which that sample was rendered
 * @property {number | null} endSample one past the last sample; null while it runs
 * @property {number} reported samples last reported to the bot; -1 before the first time
 */

/** Which sample of which utterance lies at a moment of the audio clock, and what the bot has to hear about it. */
export class Playhead {
  #frameRate;
  /** @type {Run[]} */
  #runs = [];
  #lastReport = 0;

  /** @param {number} frameRate frames per second of the audio clock */
  constructor(frameRate) {
    this.#frameRate = frameRate;
  }

  /** @param {{utterance: string, rate: number, sample: number, frame: number}} start */
  startRun({ utterance, rate, sample, frame }) {
    this.#runs.push({ utterance, rate, sample, frame, endSample: null, reported: -1 });
  }

  /** @param {number} endSample */
  endRun(endSample) {
    const run = this.#runs.at(-1);
    if (run !== undefined) run.endSample = endSample;
  }

  clear() {
    this.#runs = [];
  }

  /**
   * What leaves the loudspeaker at this frame; null in silence.
   * @param {number} frame
   * @returns {{utterance: string, sample: number, rate: number} | null}
   */
  at(frame) {
    const run = this.#runs.findLast((candidate) => candidate.frame <= frame);
    if (run === undefined) return null;
    const sample = this.#heard(run, frame);
    return sample === run.endSample ? null : { utterance: run.utterance, sample, rate: run.rate };
  }

  /**
   * The reports that are due: a run's start at once, then one every 100 ms, and its last sample at once.
   * @param {number} frame the frame that is heard now
   * @param {number} nowMs
   * @returns {{utterance: string, samples: number}[]}
   */
  due(frame, nowMs) {
    const reports = [];
    for (const run of this.#runs) {
      if (run.frame > frame) break;
      const samples = Math.max(this.#heard(run, frame), run.reported);
      const turning = run.reported < 0 || samples === run.endSample;
      if (!turning && nowMs - this.#lastReport < REPORT_MS) continue;
      run.reported = samples;
      this.#lastReport = nowMs;
      reports.push({ utterance: run.utterance, samples });
    }
    this.#runs = this.#runs.filter((run) => run.reported !== run.endSample);
    return reports;
  }

  #heard(run, frame) {
    const sample = run.sample + Math.floor(((frame - run.frame) * run.rate) / this.#frameRate);
    return Math.min(sample, run.endSample ?? sample);
  }
}
