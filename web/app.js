import { Announcer } from "./announcer.js";
import { Call } from "./call.js";
import { recall } from "./choices.js";
import { Composer } from "./composer.js";
import { Conversation } from "./conversation.js";
import { Face } from "./face.js";
import { Notices } from "./notices.js";
import { Sound } from "./sound.js";
import { Status } from "./status.js";
import { VisemeTrack } from "./visemes.js";

const NOTICE_MS = 15_000;

const part = (id) => document.getElementById(id);
const buttons = { start: part("start"), end: part("end"), mute: part("mute") };
const notices = new Notices(part("notices"));
const conversation = new Conversation(part("log"));
const announcer = new Announcer(part("announcer"));
const visemes = new VisemeTrack();
const video = part("video");
const face = new Face(part("face"), () => visemes.mouthAt(call?.audible() ?? null));
const composer = new Composer({ form: part("composer"), box: part("message"), send: part("send"), chips: part("chips") }, submit);
const status = new Status(part("status"), showStatus);
const sound = new Sound(
  {
    sheet: part("sound"),
    opener: part("sound-open"),
    close: part("sound-close"),
    microphone: part("microphone"),
    bar: part("level"),
    hint: part("microphone-hint"),
    trying: part("try"),
    speaker: part("speaker"),
    speakerField: part("speaker-field"),
    reading: part("reading"),
  },
  {
    onMicrophone: (device) => call?.useMicrophone(device),
    onSpeaker: (device) => call?.useSpeaker(device),
    onReading: (reads) => (announcer.enabled = reads),
  },
);

/** @type {Call | null} */
let call = null;
// "Send" was pressed while still connecting: what is in the box leaves with `bot-ready`.
let waiting = false;

function start() {
  if (call !== null) return;
  notices.clear();
  conversation.clear();
  visemes.clear();
  const listener = {
    onMessage: receive,
    onOver: (sentence) => {
      over();
      notices.show("call", sentence);
    },
    onLost: lost,
    onTrouble: (topic, sentence, forMs) => notices.show(topic, sentence, forMs),
    onMicrophone: showMicrophone,
    onVideo: showVideo,
    onThere: (there) => (status.deaf = !there),
    onVoice: (peak) => {
      face.hear(peak);
      video.style.setProperty("--voice", peak.toFixed(2));
      sound.hear(peak);
    },
  };
  call = new Call(listener, { microphone: recall("microphone"), speaker: recall("speaker") }, video);
  status.set("connecting");
  call.open();
}

function end() {
  call?.end();
  over();
  notices.clear();
}

function lost() {
  conversation.breakOff();
  visemes.clear();
  status.set("connecting");
}

function over() {
  call = null;
  waiting = false;
  conversation.breakOff();
  visemes.clear();
  // Why the bot ended it stays.
  for (const topic of ["connection", "again", "microphone", "sound", "background", "send", "video"]) notices.show(topic, null);
  part("brain").hidden = true;
  composer.examples = false;
  status.set("disconnected");
  status.deaf = false;
}

function submit(text) {
  if (call !== null && !call.ready) {
    waiting = true;
    notices.show("send", "We are not connected yet; the message leaves as soon as we are.");
    return false;
  }
  if (!call?.sendText(text)) {
    notices.show("send", "The message could not be sent; it is still in the box. Press Start, then Send.", NOTICE_MS);
    return false;
  }
  notices.show("send", null);
  status.set("thinking");
  return true;
}

function receive(type, data) {
  status.follow(type, data);
  switch (type) {
    case "bot-ready":
      if (waiting) composer.submit();
      waiting = false;
      break;
    case "session":
      part("brain").hidden = data.llm !== "local";
      composer.examples = data.llm === "local";
      break;
    case "avatar-visemes":
      visemes.add(data.utterance, data.visemes);
      face.wake();
      break;
    case "avatar-cut":
      visemes.clear();
      break;
    case "transcript":
      conversation.show(data);
      announcer.tell(data);
      break;
    case "notice":
      notices.show("notice", String(data.text), NOTICE_MS);
      break;
    case "error":
      notices.show("error", `The bot reports a problem: ${data.error ?? data.message ?? "unknown"}`, NOTICE_MS);
      break;
  }
}

/** @param {import("./status.js").StatusName} name */
function showStatus(name) {
  const connected = name !== "disconnected";
  const focused = document.activeElement;
  buttons.start.hidden = connected;
  buttons.end.hidden = !connected;
  buttons.mute.hidden = !connected;
  composer.enabled = connected;
  face.mood = name;
  video.setAttribute("aria-label", `The bot, ${name}`);
  part("welcome").hidden = connected || part("log").childElementCount > 0;
  document.title = connected ? `${name} · avatarbot` : "avatarbot";
  showMicrophone();
  if (focused.disabled || focused.closest("[hidden]") !== null) moveFocus(connected);
}

/** What had the focus is gone: go on where a keyboard goes on. A text box would open a phone's keyboard, so not there. */
function moveFocus(connected) {
  if (!connected) buttons.start.focus();
  else if (matchMedia("(hover: hover)").matches) composer.focus();
  else buttons.mute.focus();
}

function showVideo(shown) {
  document.documentElement.dataset.face = shown ? "video" : "drawn";
  face.covered = shown;
}

function showMicrophone() {
  const muted = call?.muted ?? false;
  const ears = call?.hasMicrophone ? (muted ? "muted" : "on") : "missing";
  // Not `disabled`: a microphone that is unplugged would take the focus with it.
  buttons.mute.setAttribute("aria-disabled", String(ears === "missing"));
  buttons.mute.setAttribute("aria-pressed", String(muted));
  part("mute-name").textContent = muted ? "Muted" : "Mute";
  document.documentElement.dataset.microphone = ears === "missing" ? "off" : ears;
  sound.ears = call === null ? "none" : ears;
}

buttons.start.addEventListener("click", start);
buttons.end.addEventListener("click", end);
buttons.mute.addEventListener("click", () => {
  if (!call?.hasMicrophone) return;
  call.muted = !call.muted;
  showMicrophone();
});
window.addEventListener("pagehide", end);
composer.enabled = false;
announcer.enabled = recall("reading") === "yes";
face.start();
