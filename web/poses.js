/**
 * How the head is held. Angles in degrees, distances in units of the drawing, the rest from 0 to 1.
 * @typedef {object} Pose
 * @property {number} tilt of the head, clockwise
 * @property {number} lift of the head, upwards
 * @property {number} turn of the face to the side (positive: to its left, our right)
 * @property {number} nod of the face, downwards
 * @property {number} browLeft raised
 * @property {number} browRight raised
 * @property {number} knit brows turned inwards and up (worry); negative: down (effort)
 * @property {number} lid upper lids closed
 * @property {number} smile lower lids and corners of the mouth up
 * @property {number} gasp mouth a little open, by itself
 * @property {number} gazeX
 * @property {number} gazeY downwards
 * @property {number} pupil size
 * @property {number} earLeft turned outwards, degrees
 * @property {number} earRight turned outwards, degrees
 */

/** @type {Pose} */
const NEUTRAL = {
  tilt: 0, lift: 0, turn: 0, nod: 0, browLeft: 0, browRight: 0, knit: 0, lid: 0.06, smile: 0.25, gasp: 0,
  gazeX: 0, gazeY: 0, pupil: 1, earLeft: 0, earRight: 0,
};

/** @type {Record<import("./status.js").StatusName, Pose>} */
export const POSES = {
  disconnected: { ...NEUTRAL, tilt: 5, lift: -12, nod: 9, lid: 1, browLeft: -4, browRight: -4, smile: 0.35, earLeft: 16, earRight: 12 },
  connecting: { ...NEUTRAL, lid: 0.34, browLeft: 4, browRight: 8, gazeY: 2, earLeft: 5, earRight: 3 },
  listening: { ...NEUTRAL, tilt: -6, lift: 3, turn: -4, browLeft: 7, browRight: 9, lid: 0, pupil: 1.14, smile: 0.4, earLeft: -5, earRight: -7 },
  thinking: { ...NEUTRAL, tilt: 4, turn: 9, nod: -6, browLeft: 0, browRight: 13, knit: -0.4, gazeX: 8, gazeY: -11, lid: 0.1, smile: 0.05, pupil: 0.95, earLeft: 8, earRight: -4 },
  speaking: { ...NEUTRAL, tilt: 1, browLeft: 4, browRight: 4, lid: 0.03, smile: 0.4, earLeft: 0, earRight: 0 },
  interrupted: { ...NEUTRAL, lift: 7, nod: -5, browLeft: 17, browRight: 17, knit: 0.7, lid: 0, smile: 0, gasp: 1, pupil: 0.74, earLeft: 24, earRight: 24 },
};

const STIFFNESS = 150;
const DAMPING = 17; // a little under critical: ears and brows arrive with some life

/** Moves from pose to pose as if everything hung on springs. */
export class Posture {
  #value = { ...POSES.disconnected };
  #speed = Object.fromEntries(Object.keys(NEUTRAL).map((key) => [key, 0]));

  /**
   * @param {Pose} target
   * @param {number} seconds since the last step
   * @returns {Pose}
   */
  step(target, seconds) {
    // In small steps: a spring that is integrated over a dropped frame would fly off.
    const steps = Math.max(1, Math.ceil(seconds / 0.012));
    const dt = seconds / steps;
    for (let i = 0; i < steps; i += 1) {
      for (const key of Object.keys(this.#speed)) {
        this.#speed[key] += ((target[key] - this.#value[key]) * STIFFNESS - this.#speed[key] * DAMPING) * dt;
        this.#value[key] += this.#speed[key] * dt;
      }
    }
    return { ...this.#value };
  }

  /** Takes the pose at once, without a movement. @param {Pose} target @returns {Pose} */
  jump(target) {
    this.#value = { ...target };
    for (const key of Object.keys(this.#speed)) this.#speed[key] = 0;
    return { ...target };
  }
}
