import { Call } from "./call.js";
import { Composer } from "./composer.js";
import { Conversation } from "./conversation.js";
import { Face } from "./face.js";
import { Notices } from "./notices.js";
import { Status } from "./status.js";
import { VisemeTrack } from "./visemes.js";

const NOTICE_MS = 15_000;

const part = (id) => document.getElementById(id);
const buttons = { start: part("start"), end: part("end"), mute: part("mute") };
const notices = new Notices(part("notices"));
const conversation = new Conversation(part("log"));
const visemes = new VisemeTrack();
const face = new Face(part("face"), () => visemes.mouthAt(call?.audible() ?? null));
const composer = new Composer({ form: part("composer"), box: part("message"), send: part("send"), chips: part("chips") }, submit);
const status = new Status(part("status"), showStatus);

/** @type {Call | null} */
let call = null;
// "Send" was pressed while still connecting: what is in the box leaves with `bot-ready`.
let waiting = false;

function start() {
  if (call !== null) return;
  notices.clear();
  conversation.clear();
  visemes.clear();
  call = new Call({
    onMessage: receive,
    onOver: (sentence) => {
      over();
      notices.show("call", sentence);
    },
    onTrouble: (topic, sentence, forMs) => notices.show(topic, sentence, forMs),
    onMicrophone: showMicrophone,
    onVoice: (peak) => face.hear(peak),
  });
  status.set("connecting");
  call.open();
}

function end() {
  call?.end();
  over();
}

function over() {
  call = null;
  waiting = false;
  visemes.clear();
  notices.clear();
  part("brain").hidden = true;
  composer.examples = false;
  status.set("disconnected");
}

function submit(text) {
  if (call !== null && !call.ready) {
    waiting = true;
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
  const lostFocus = document.activeElement === buttons.start || document.activeElement === buttons.end;
  buttons.start.hidden = connected;
  buttons.end.hidden = !connected;
  buttons.mute.hidden = !connected;
  composer.enabled = connected;
  face.mood = name;
  part("welcome").hidden = connected || part("log").childElementCount > 0;
  document.title = connected ? `${name} · avatarbot` : "avatarbot";
  showMicrophone();
  // The button with the focus is gone: go on where a keyboard goes on. A phone would open its keyboard, so not there.
  if (!lostFocus) return;
  if (!connected) buttons.start.focus();
  else if (name === "connecting" && matchMedia("(hover: hover)").matches) composer.focus();
}

function showMicrophone() {
  buttons.mute.disabled = !call?.hasMicrophone;
  const muted = call?.muted ?? false;
  part("mute-name").textContent = muted ? "Unmute" : "Mute";
  document.documentElement.dataset.microphone = call?.hasMicrophone ? (muted ? "muted" : "on") : "off";
}

buttons.start.addEventListener("click", start);
buttons.end.addEventListener("click", end);
buttons.mute.addEventListener("click", () => {
  if (call === null) return;
  call.muted = !call.muted;
  showMicrophone();
});
window.addEventListener("pagehide", end);
composer.enabled = false;
face.start();
