import { Liveliness } from "./liveliness.js";
import { REST } from "./mouth-shapes.js";
import { MouthDrawing } from "./mouth.js";
import { POSES, Posture } from "./poses.js";

const MAX_STEP_S = 0.1;
// The mouth gets every frame where the machine can do that, a change of pose half of them, breath and sway a few: drawing
// costs the most on the machines that have the least, and the same processor may be busy with recognising speech.
const FRAME_MS = 1000 / 60;
const LATE_MS = 2;
const MOVING_MS = 33;
const SLOW_MS = 41;
const SLOWEST_MS = 120;
const IDLE_MS = 90;
const SETTLED_S = 0.8;
const LESS = 0.5; // of the mouth's movement, for people who asked their system for less motion

/** What a person sees that does not see the status. */
const LOOKS = {
  disconnected: "asleep",
  connecting: "waking up",
  listening: "listening",
  thinking: "thinking",
  speaking: "speaking",
  interrupted: "startled, because you cut in",
};

/** The drawn face: takes a mood and a mouth, and moves the parts of the SVG accordingly. */
export class Face {
  #svg;
  #description;
  #parts;
  #mouth;
  #mouthNow;
  #posture = new Posture();
  #reduced = matchMedia("(prefers-reduced-motion: reduce)");
  #liveliness = new Liveliness(() => this.#reduced.matches);
  #mood;
  #voice = 0;
  #drawnAt = 0;
  #awakeUntil = 0;
  #timer = 0;
  #covered = false;
  #resting = false;
  #blinking = false;
  #pause = IDLE_MS;
  #lateMs = 0; // how much later than asked frames come, on average
  #slow = navigator.hardwareConcurrency <= 2;

  /**
   * @param {SVGElement} svg
   * @param {() => import("./mouth-shapes.js").Mouth} mouthNow the mouth that belongs to what is heard at this moment
   */
  constructor(svg, mouthNow) {
    this.#svg = svg;
    this.#description = svg.getAttribute("aria-label");
    this.#mouthNow = mouthNow;
    this.#mouth = new MouthDrawing(svg);
    this.#parts = Object.fromEntries([...svg.querySelectorAll("[data-part]")].map((part) => [part.dataset.part, part]));
    this.mood = "disconnected";
  }

  /** @param {import("./status.js").StatusName} mood */
  set mood(mood) {
    this.#mood = mood;
    this.#svg.setAttribute("aria-label", `${this.#description}, ${LOOKS[mood]}`);
    this.wake();
  }

  /** Speech or a new pose is about to come: do not sleep through its first frames. */
  wake() {
    this.#awakeUntil = performance.now() / 1000 + SETTLED_S;
    if (this.#timer === 0) return;
    clearTimeout(this.#timer);
    this.#timer = 0;
    this.#request();
  }

  /** Nobody sees it, so nothing is drawn. */
  set covered(covered) {
    this.#covered = covered;
    if (covered || !this.#resting) return;
    this.#resting = false;
    this.#request();
  }

  /** The person's voice, 0 to 1: a ring around the portrait shows that it arrives. */
  hear(peak) {
    this.#voice = Math.max(this.#voice, Math.min(1, peak * 1.6));
  }

  start() {
    this.#request();
  }

  #request() {
    requestAnimationFrame((now) => this.#frame(now / 1000));
  }

  #frame(now) {
    this.#resting = this.#covered;
    if (this.#resting) return;
    const mouth = this.#mouthNow();
    const seconds = Math.min(now - this.#drawnAt, MAX_STEP_S);
    this.#drawnAt = now;
    this.#draw(now, seconds, mouth);
    this.#lateMs += (Math.max(0, seconds * 1000 - (this.#pause || FRAME_MS)) - this.#lateMs) * 0.1;
    if (this.#pause === 0 && this.#lateMs > LATE_MS) this.#slow = true;
    this.#pause = this.#pauseMs(mouth, now);
    if (this.#pause === 0) {
      this.#request();
      return;
    }
    // A timer instead of skipped frames: each frame that is asked for costs, drawn or not.
    this.#timer = setTimeout(() => {
      this.#timer = 0;
      this.#request();
    }, this.#pause - FRAME_MS);
  }

  #pauseMs(mouth, now) {
    if (mouth !== REST) return this.#slow ? Math.min(SLOWEST_MS, SLOW_MS + 2 * this.#lateMs) : 0;
    return now < this.#awakeUntil || this.#blinking ? MOVING_MS : IDLE_MS;
  }

  #draw(now, seconds, mouth) {
    const still = this.#reduced.matches;
    const pose = still ? this.#posture.jump(POSES[this.#mood]) : this.#posture.step(POSES[this.#mood], seconds);
    const breath = this.#liveliness.apply(pose, { now, seconds, mood: this.#mood, open: mouth.open });
    this.#blinking = pose.lid > 0.15 && pose.lid < 0.95;
    this.#placeHead(pose, breath);
    this.#placeEye("left", pose, -1);
    this.#placeEye("right", pose, 1);
    this.#mouth.draw(gasping(still ? lessened(mouth) : mouth, Math.max(0, pose.gasp)), Math.max(0, pose.smile));
    this.#placeSigns(now);
    this.#voice *= Math.exp(-seconds * 7);
    this.#parts.voice.setAttribute("r", (232 + (still ? 0.5 : this.#voice) * 34).toFixed(1));
    this.#parts.voice.setAttribute("opacity", (this.#voice * 0.8).toFixed(2));
  }

  // Here and not in the stylesheet: an animation there would ask for every frame.
  #placeSigns(now) {
    const signs = { thinking: ["dots", 5.2], disconnected: ["sleep", 1.6] }[this.#mood];
    if (signs === undefined) return;
    const [name, pace] = signs;
    [...this.#parts[name].children].forEach((sign, i) => {
      const wave = this.#reduced.matches ? 1 : Math.sin(now * pace - i * 0.9) * 0.5 + 0.5;
      sign.setAttribute("opacity", (0.3 + 0.7 * wave).toFixed(2));
    });
  }

  #placeHead(pose, breath) {
    const { turn, nod } = pose;
    set(this.#parts.body, `translate(${px(turn * 0.15)} ${px(-breath)})`);
    // Turns around the neck, not around the middle of the face.
    set(this.#parts.head, `translate(0 ${px(-pose.lift)}) rotate(${px(pose.tilt)} 300 450)`);
    // What is nearer to us moves further: a turn without a third dimension.
    set(this.#parts.back, `translate(${px(-turn * 0.5)} ${px(-nod * 0.4)})`);
    set(this.#parts.features, `translate(${px(turn)} ${px(nod)})`);
    set(this.#parts.muzzle, `translate(${px(turn * 0.45)} ${px(nod * 0.35)})`);
    set(this.#parts["ear-left"], `rotate(${px(-pose.earLeft)} 205 232)`);
    set(this.#parts["ear-right"], `rotate(${px(pose.earRight)} 395 232)`);
  }

  #placeEye(side, pose, direction) {
    const raised = side === "left" ? pose.browLeft : pose.browRight;
    set(this.#parts[`brow-${side}`], `translate(0 ${px(-raised)}) rotate(${px(direction * pose.knit * 11)})`);
    set(this.#parts[`iris-${side}`], `translate(${px(pose.gazeX)} ${px(pose.gazeY)})`);
    set(this.#parts[`pupil-${side}`], `scale(${pose.pupil.toFixed(3)})`);
    const closed = Math.max(0, Math.min(1, pose.lid));
    // Hidden when shut, or its white would shine through at the edge of the lids.
    this.#parts[`ball-${side}`].setAttribute("opacity", closed > 0.97 ? "0" : "1");
    const corner = mix(-6, 6, closed);
    const upper = mix(-76, 34, closed);
    const lower = mix(mix(82, 58, Math.max(0, pose.smile)), 34, closed);
    const edge = `-38 ${px(corner)}Q0 ${px(upper)} 38 ${px(corner)}`;
    this.#parts[`lid-${side}`].setAttribute("d", `M-50 -60V${px(corner)}L${edge}H50V-60Z`);
    this.#parts[`underlid-${side}`].setAttribute("d", `M-50 60V${px(corner)}L-38 ${px(corner)}Q0 ${px(lower)} 38 ${px(corner)}H50V60Z`);
    this.#parts[`lash-${side}`].setAttribute("d", `M${edge}`);
  }
}

/** @returns {import("./mouth-shapes.js").Mouth} */
function gasping(mouth, gasp) {
  return { ...mouth, open: Math.max(mouth.open, gasp * 0.3), round: Math.max(mouth.round, gasp * 0.8) };
}

/** @param {import("./mouth-shapes.js").Mouth} mouth */
function lessened(mouth) {
  return { ...mouth, open: mouth.open * LESS, wide: mouth.wide * LESS, round: mouth.round * LESS };
}

const px = (value) => value.toFixed(2);
const mix = (a, b, t) => a + (b - a) * t;

function set(element, transform) {
  element.setAttribute("transform", transform);
}
