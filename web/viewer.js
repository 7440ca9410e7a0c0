import { LiveKitRoom } from "./livekit-room.js";
import { Reconnection } from "./reconnection.js";
import { NotInstalled } from "./room-client.js";
import { ZegoRoom } from "./zego-room.js";

const CHECK_MS = 100;
const STALL_MS = 1_200;

const FACELESS = "The avatar's picture cannot be had. The drawn face speaks in its place.";
const VOICELESS = "The avatar's room cannot be reached, and there is no voice without it. Press End, then Start, to try again.";
const UNHEARD = "You cannot be heard in the avatar's room. Press End, then Start, to try again. You can go on by typing.";

/** Who plays a room, by the `kind` that the bot names. */
const ROOMS = new Map([
  ["livekit", LiveKitRoom],
  ["zego", ZegoRoom],
  ["zego-agent", ZegoRoom],
]);

/**
 * What a room tells its owner.
 * @typedef {object} RoomListener
 * @property {(tracks: {picture: MediaStreamTrack | null, sound: MediaStreamTrack | null}) => void} onTracks what there is of the avatar now
 * @property {() => void} onGone the room was lost, and may be there again
 * @property {() => void} onEnded this page was sent out, and is not to come back
 * @property {() => void} onExpiring another token is needed
 * @property {(drive: {drive_id: string, status: number}) => void} onDrive what the vendor tells of the avatar's speech
 * @property {(news: import("./zego-talk.js").News) => void} onNews what the avatar tells of a conversation that it holds itself
 * @property {(heard: boolean) => void} onHeard whether the person can be heard, where the room is to hear them
 */

/**
 * What a viewer tells its owner.
 * @typedef {object} ViewerListener
 * @property {(type: string, data?: object) => void} onSay what the bot has to know
 * @property {(shown: boolean) => void} onShown the video takes the drawn face's place, or gives it back
 * @property {(sentence: string | null) => void} onTrouble null: it is over
 * @property {() => void} onHears the room hears the person from now on, or no more (`hears`)
 * @property {(there: boolean) => void} onThere whether an avatar that listens by itself is there to do so
 */

/**
 * A vendor's face: joins the room that the bot names, plays picture and sound, and says whether both really arrive.
 * The bot gives the speech to the vendor only while they do.
 * Where the room hears the person as well, there is no other voice: the sound alone counts, and is never muted.
 */
export class Viewer {
  #listener;
  #video;
  #audio = new Audio();
  #picture;
  #sound;
  #room = null;
  #timer = 0;
  #here = false; // as the bot was told
  #listens = false; // the avatar hears the person by itself, wherever its room is
  #carries = false; // the vendor carries the speech, as the bot has told
  #seen = false; // the picture is drawn
  #shown = false;

  /** @param {HTMLVideoElement} video @param {ViewerListener} listener */
  constructor(video, listener) {
    this.#listener = listener;
    this.#video = video;
    // Counts on in a tab that is hidden, where nothing is drawn: nobody looks, but somebody may listen.
    this.#picture = new Flow(() => video.getVideoPlaybackQuality().totalVideoFrames);
    this.#sound = new Flow(() => this.#audio.currentTime);
    this.#audio.onpause = () => this.#check();
  }

  /** Takes a message of the bot. */
  receive(type, data) {
    switch (type) {
      case "session":
        if (data.avatar === "local") break;
        this.#listens = data.stt === data.avatar;
        if (this.#listens) this.#listener.onThere(this.#here);
        this.#listener.onSay("avatar-watch");
        break;
      case "avatar-room":
        this.#enter(data);
        break;
      case "avatar-face":
        this.#carries = data.by === "vendor";
        // The bot has lost it: what the vendor still says there is said again here.
        if (this.#here && !this.hears) this.#audio.muted = !this.#carries;
        this.#show();
        break;
    }
  }

  /** Sound that the browser holds back may be let out after a click. */
  resume() {
    if (this.#audio.srcObject !== null) play(this.#audio);
    if (this.#video.srcObject !== null) play(this.#video);
  }

  /** @param {string} device where the voice comes out; "" is the system's own choice */
  useSpeaker(device) {
    this.#audio.setSinkId?.(device).catch(() => {});
  }

  /** Whether the microphone is for the room, and not for the bot. */
  get hears() {
    return this.#room?.hears ?? false;
  }

  /** @param {MediaStreamTrack | null} track the microphone; the same again when it was muted, or is no more */
  hear(track) {
    if (this.hears) this.#room.hear(track);
  }

  leave() {
    clearInterval(this.#timer);
    this.#room?.leave();
    this.#play({ picture: null, sound: null });
    this.#room = null;
    this.#carries = false;
    this.#listener.onTrouble(null);
    this.#listener.onHears();
  }

  #enter(place) {
    if (this.#room?.renew?.(place)) return; // with another token, it goes on where it is
    this.leave();
    const Room = ROOMS.get(place.kind);
    if (Room === undefined) return;
    const reconnection = new Reconnection();
    const again = () => {
      if (room.hears) this.#listener.onTrouble("The avatar's room cannot be reached. I am trying again…");
      reconnection.run(join).then(arrived, giveUp);
    };
    const join = () => room.join();
    const arrived = () => this.#room === room && this.#listener.onTrouble(null);
    const giveUp = (trouble) => {
      if (this.#room !== room) return;
      const usual = room.hears ? VOICELESS : FACELESS;
      const until = room.hears ? "Until then nothing is heard." : "Until then the drawn face speaks.";
      const sentence = trouble instanceof NotInstalled ? `${trouble.message} ${until}` : usual;
      this.leave();
      this.#listener.onTrouble(sentence);
    };
    const listener = {
      onTracks: (tracks) => this.#play(tracks),
      onGone: again,
      onEnded: () => room.hears && giveUp(),
      onExpiring: () => this.#listener.onSay("avatar-watch"),
      onDrive: (drive) => this.#listener.onSay("avatar-drive", drive),
      onNews: (messages) => this.#listener.onSay("avatar-agent", { messages }),
      onHeard: (heard) => this.#listener.onTrouble(heard ? null : UNHEARD),
    };
    const room = new Room(listener, place);
    this.#room = room;
    this.#listener.onHears();
    this.#audio.muted = false;
    this.#timer = setInterval(() => this.#check(), CHECK_MS);
    join().catch((trouble) => (trouble.lasting ? giveUp(trouble) : again()));
  }

  #play({ picture, sound }) {
    if (feed(this.#video, picture)) this.#picture.restart();
    if (feed(this.#audio, sound)) this.#sound.restart();
    if (picture === null) this.#seen = false;
    if (sound === null || (picture === null && !this.hears)) this.#report(false);
    this.#show();
  }

  #check() {
    const now = performance.now();
    const heard = this.#sound.moves(now) && !this.#audio.paused;
    this.#seen = this.#picture.moves(now) && !this.#video.paused;
    const here = heard && (this.#seen || this.hears);
    // Heard first, told then: the bot may answer with speech.
    if (here && !this.#here && this.#audio.muted) this.#audio.muted = false;
    else this.#report(here);
    this.#show();
  }

  #report(here) {
    if (here === this.#here) return;
    this.#here = here;
    // From here on the bot speaks with the page's own voice: the rest of the vendor's is not heard beside it.
    this.#audio.muted = !here && !this.hears;
    this.#listener.onSay(here ? "avatar-joined" : "avatar-left");
    if (this.#listens) this.#listener.onThere(here);
  }

  #show() {
    const shown = this.#here && this.#seen && this.#carries;
    if (shown === this.#shown) return;
    this.#shown = shown;
    this.#listener.onShown(shown);
  }
}

/** Something that goes on, as long as its number changes. */
class Flow {
  #read;
  #last = 0;
  #movedAt = -Infinity;

  /** @param {() => number} read */
  constructor(read) {
    this.#read = read;
  }

  restart() {
    this.#last = this.#read();
    this.#movedAt = -Infinity;
  }

  moves(now) {
    const number = this.#read();
    if (number !== this.#last) {
      this.#last = number;
      this.#movedAt = now;
    }
    return now - this.#movedAt < STALL_MS;
  }
}

/** @returns {boolean} whether it is another track than before */
function feed(element, track) {
  const before = element.srcObject?.getTracks()[0] ?? null;
  if (before === track) return false;
  element.srcObject = track === null ? null : new MediaStream([track]);
  if (track !== null) play(element);
  return true;
}

function play(element) {
  element.play().catch(() => {}); // held back until there is a click
}
