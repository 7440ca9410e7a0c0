import { Connection } from "./connection.js";
import { deviceIds } from "./devices.js";
import { Microphone } from "./microphone.js";
import { Playback } from "./playback.js";
import { RemoteVoice } from "./remote-voice.js";
import { Trouble } from "./start.js";
import { Viewer } from "./viewer.js";

// A context that was made in a click still needs a moment before it runs.
const SOUND_PATIENCE_MS = 500;
const RETURNED_MS = 6000;
const AGAIN_MS = 6000;
const FORGOTTEN_MS = 15_000;

/**
 * What a call tells the page.
 * @typedef {object} CallListener
 * @property {(type: string, data: any) => void} onMessage an RTVI message, or the `data` of a server-message
 * @property {(sentence: string) => void} onOver the call ended, not by this page
 * @property {() => void} onLost the connection was lost, and is tried again; `bot-ready` says that it is back
 * @property {(topic: string, sentence: string | null, forMs?: number) => void} onTrouble null: this trouble is over
 * @property {() => void} onMicrophone the microphone came or went
 * @property {(shown: boolean) => void} onVideo the vendor's video takes the drawn face's place, or gives it back
 * @property {(there: boolean) => void} onThere whether an avatar that listens by itself is there to do so
 * @property {(peak: number) => void} onVoice loudness of the person, 0 to 1, every 20 ms
 */

/**
 * What the person chose; "" is the system's own choice.
 * @typedef {object} Devices
 * @property {string} microphone
 * @property {string} speaker
 */

/** How the page reaches the bot: over a WebSocket, or over WebRTC at `?transport=webrtc`. */
const TRANSPORT = new URLSearchParams(location.search).get("transport") === "webrtc" ? "webrtc" : "websocket";

/** One conversation, from "Start" to its end: connection, playback and microphone, opened at the same time. */
export class Call {
  #listener;
  #speaker;
  #connection;
  #playback;
  #microphone;
  #viewer;
  #over = false;
  #soundTimer = 0;

  /**
   * Call it inside the click on "Start": the browser allows sound only then.
   * @param {CallListener} listener
   * @param {Devices} devices
   * @param {HTMLVideoElement} video where a vendor's face is shown
   */
  constructor(listener, { microphone, speaker }, video) {
    this.#listener = listener;
    this.#speaker = speaker;
    const Voice = TRANSPORT === "webrtc" ? RemoteVoice : Playback;
    this.#playback = new Voice({
      onPlayed: (utterance, samples) => this.#connection.send("client-message", { t: "avatar-played", d: { utterance, samples } }),
      onRunning: () => this.#checkSound(),
    });
    const line = {
      onMessage: (type, data) => this.#receive(type, data),
      onAudio: (pcm) => this.#playback.append(pcm),
      onVoice: (receiver, stream) => this.#playback.play(receiver, stream),
      onLost: (ended) => (ended ? this.#finish("The conversation has ended. Press Start for a new one.") : this.#recover()),
    };
    this.#connection = new Connection(line, TRANSPORT);
    const ears = {
      onChunk: (pcm, peak) => {
        this.#connection.sendAudio(pcm);
        listener.onVoice(peak);
      },
      onLive: () => {
        this.#lend();
        this.#tellMicrophone(null);
        this.#placeVoice(); // browsers name their loudspeakers only to those who may use the microphone
      },
      onTrouble: (sentence) => {
        this.#lend();
        this.#tellMicrophone(sentence);
      },
    };
    this.#microphone = new Microphone(ears, microphone);
    this.#viewer = new Viewer(video, {
      onSay: (type, data = {}) => this.#connection.send("client-message", { t: type, d: data }),
      onShown: listener.onVideo,
      onTrouble: (sentence) => listener.onTrouble("video", sentence),
      onHears: () => this.#lend(),
      onThere: listener.onThere,
    });
    navigator.mediaDevices?.addEventListener("devicechange", this.#placeVoice);
    document.addEventListener("visibilitychange", this.#onVisibility);
    document.addEventListener("pointerdown", this.#onGesture, true);
    document.addEventListener("keydown", this.#onGesture, true);
  }

  /** Connects. The permission for the microphone is asked beside it: nobody waits for it. */
  async open() {
    this.#microphone.open();
    try {
      const [sounds] = await Promise.all([this.#playback.load(), this.#connection.open()]);
      if (this.#over) return;
      this.#placeVoice();
      const ready = this.#connection.greet();
      if (!sounds) this.#listener.onTrouble("sound", "The browser plays sound only on https or localhost. The answers appear as text.");
      else this.#checkSound();
      await ready;
    } catch (error) {
      this.#giveUp(error);
    }
  }

  get ready() {
    return this.#connection.ready;
  }

  get hasMicrophone() {
    return this.#microphone.live;
  }

  get muted() {
    return this.#microphone.muted;
  }

  set muted(muted) {
    this.#microphone.muted = muted;
    this.#lend();
  }

  /** @param {string} device "" is the system's own choice */
  useMicrophone(device) {
    this.#microphone.device = device;
  }

  /** @param {string} device "" is the system's own choice */
  useSpeaker(device) {
    this.#speaker = device;
    this.#placeVoice();
  }

  /** What is heard of the avatar at this moment; null in silence. */
  audible() {
    return this.#playback.audible();
  }

  /** @param {string} content @returns {boolean} whether it was sent */
  sendText(content) {
    return this.ready && this.#connection.send("send-text", { content, options: { run_immediately: true, audio_response: true } });
  }

  /** Ends the call from this side. Safe to call twice. */
  end() {
    if (this.#over) return;
    this.#over = true;
    document.removeEventListener("visibilitychange", this.#onVisibility);
    document.removeEventListener("pointerdown", this.#onGesture, true);
    document.removeEventListener("keydown", this.#onGesture, true);
    navigator.mediaDevices?.removeEventListener("devicechange", this.#placeVoice);
    clearTimeout(this.#soundTimer);
    this.#connection.close();
    this.#viewer.leave();
    this.#microphone.close();
    this.#playback.close();
  }

  /** Microphone and loudspeaker stay open meanwhile: a browser would want another click for them. */
  async #recover() {
    this.#playback.cut();
    this.#viewer.leave(); // the next connection may be another session's
    this.#listener.onLost();
    this.#listener.onTrouble("again", null);
    this.#listener.onTrouble("connection", "The connection was lost. I am trying again…");
    try {
      const remembers = await this.#connection.recover();
      this.#listener.onTrouble("connection", null);
      if (remembers) this.#listener.onTrouble("again", "We are connected again.", AGAIN_MS);
      else this.#listener.onTrouble("again", "We are connected again, in a new conversation: it does not remember the old one.", FORGOTTEN_MS);
    } catch (error) {
      this.#giveUp(error);
    }
  }

  #giveUp(error) {
    if (!(error instanceof Trouble)) console.error(error);
    this.#finish(error instanceof Trouble ? error.message : "The page could not start the sound. Reload it, then press Start again.");
  }

  #finish(sentence) {
    if (this.#over) return;
    this.end();
    this.#listener.onOver(sentence);
  }

  #receive(type, data) {
    switch (type) {
      case "avatar-begin":
        this.#playback.begin(data.utterance, data.sample_rate);
        break;
      case "avatar-end":
        this.#playback.end(data.samples);
        break;
      case "avatar-cut":
        this.#playback.cut();
        break;
    }
    this.#viewer.receive(type, data);
    this.#listener.onMessage(type, data);
  }

  // A loudspeaker that is gone does not say so: a context goes on playing into nothing.
  #placeVoice = async () => {
    const there = this.#speaker !== "" && (await deviceIds("audiooutput")).has(this.#speaker);
    if (this.#over) return;
    for (const voice of [this.#playback, this.#viewer]) voice.useSpeaker(there ? this.#speaker : "");
  };

  /** The microphone is for the avatar's room where that hears the person, and for the bot everywhere else. */
  #lend() {
    const { track } = this.#microphone;
    this.#viewer.hear(track);
    this.#connection.hear(this.#viewer.hears ? null : track);
  }

  #tellMicrophone(sentence) {
    this.#listener.onTrouble("microphone", sentence);
    this.#listener.onMicrophone();
  }

  #checkSound() {
    clearTimeout(this.#soundTimer);
    if (this.#playback.running) {
      this.#listener.onTrouble("sound", null);
      return;
    }
    const tell = () => this.#listener.onTrouble("sound", "The browser holds the sound back. Click or tap anywhere to hear the bot.");
    this.#soundTimer = setTimeout(tell, SOUND_PATIENCE_MS);
  }

  #onGesture = () => {
    this.#playback.resume();
    this.#viewer.resume();
    this.#microphone.resume();
  };

  #onVisibility = () => {
    const hidden = document.visibilityState === "hidden";
    if (!hidden) this.#onGesture();
    const stays = this.hasMicrophone && !this.muted ? " and the microphone stays on" : "";
    const note = `In the background the conversation goes on${stays}. Press Mute or End if you do not want that.`;
    // It stays for a moment after the return: nobody reads a page that is hidden.
    this.#listener.onTrouble("background", note, hidden ? undefined : RETURNED_MS);
  };
}
