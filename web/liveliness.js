const BLINK_S = 0.17;
const ASLEEP = new Set(["disconnected"]);

/** The small movements that nobody orders: breath, sway, blinks, glances, and the head that goes along with the voice. */
export class Liveliness {
  #still;
  #blinkAt = 2;
  #glanceAt = 1;
  #glance = { x: 0, y: 0 };
  #energy = 0;

  /** @param {() => boolean} still whether the person asked their system for less motion */
  constructor(still) {
    this.#still = still;
  }

  /**
   * @param {import("./poses.js").Pose} pose changed in place
   * @param {{now: number, seconds: number, mood: string, open: number}} moment `open`: how far the mouth is open
   * @returns {number} how far the chest is lifted by breath
   */
  apply(pose, { now, seconds, mood, open }) {
    if (this.#still()) return 0;
    const asleep = ASLEEP.has(mood);
    if (!asleep) pose.lid = Math.max(pose.lid, this.#blink(now));
    this.#energy += (open - this.#energy) * Math.min(1, seconds * 7);
    const speaking = mood === "speaking" ? 1 : 0;
    const pace = asleep ? 0.62 : 1;
    const breath = Math.sin(now * 1.5 * pace);
    pose.lift += breath * (asleep ? 2.6 : 1.3);
    pose.tilt += Math.sin(now * 0.53) * 0.9 + Math.sin(now * 1.31 + 1) * (0.35 + speaking * 1.1);
    pose.turn += Math.sin(now * 0.41 + 2) * 1.6 + Math.sin(now * 1.07) * speaking * 3;
    pose.nod += this.#energy * 7 * speaking;
    pose.browLeft += this.#energy * 9 * speaking;
    pose.browRight += this.#energy * 9 * speaking;
    if (!asleep) this.#look(pose, now);
    return breath * 2.4;
  }

  #blink(now) {
    if (now > this.#blinkAt + BLINK_S) {
      // Now and then two in a row, as people do.
      this.#blinkAt = now + (Math.random() < 0.15 ? 0.12 : 2.2 + Math.random() * 3.6);
    }
    const phase = (now - this.#blinkAt) / BLINK_S;
    return phase < 0 || phase > 1 ? 0 : Math.sin(phase * Math.PI) ** 0.7;
  }

  #look(pose, now) {
    if (now > this.#glanceAt) {
      this.#glanceAt = now + 0.7 + Math.random() * 2.2;
      this.#glance = { x: (Math.random() - 0.5) * 5, y: (Math.random() - 0.5) * 3 };
    }
    pose.gazeX += this.#glance.x;
    pose.gazeY += this.#glance.y;
  }
}
