import { LiveKitRoom } from "./livekit-room.js";
import { Reconnection } from "./reconnection.js";
import { ZegoRoom } from "./zego-room.js";

const CHECK_MS = 100;
const STALL_MS = 1_200;

/** Who plays a room, by the `kind` that the bot names. */
const ROOMS = new Map([
  ["livekit", LiveKitRoom],
  ["zego", ZegoRoom],
]);

/**
 * What a room tells its owner.
 * @typedef {object} RoomListener
 * @property {(tracks: {picture: MediaStreamTrack | null, sound: MediaStreamTrack | null}) => void} onTracks what there is of the avatar now
 * @property {() => void} onGone the room was lost, and may be there again
 * @property {() => void} onExpiring another token is needed
 * @property {(drive: {drive_id: string, status: number}) => void} onDrive what the vendor tells of the avatar's speech
 */

/**
 * What a viewer tells its owner.
 * @typedef {object} ViewerListener
 * @property {(type: string, data?: object) => void} onSay what the bot has to know
 * @property {(shown: boolean) => void} onShown the video takes the drawn face's place, or gives it back
 * @property {(sentence: string | null) => void} onTrouble null: it is over
 */

/**
 * A vendor's face: joins the room that the bot names, plays picture and sound, and says whether both really arrive.
 * The bot gives the speech to the vendor only while they do.
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
  #carries = false; // the vendor carries the speech, as the bot has told

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
        if (data.avatar !== "local") this.#listener.onSay("avatar-watch");
        break;
      case "avatar-room":
        this.#enter(data);
        break;
      case "avatar-face":
        this.#carries = data.by === "vendor";
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

  leave() {
    clearInterval(this.#timer);
    this.#room?.leave();
    this.#room = null;
    this.#play({ picture: null, sound: null });
    this.#carries = false;
    this.#listener.onTrouble(null);
  }

  #enter(place) {
    if (this.#room?.renew?.(place)) return; // with another token, it goes on where it is
    this.leave();
    const Room = ROOMS.get(place.kind);
    if (Room === undefined) return;
    const reconnection = new Reconnection();
    const again = () => reconnection.run(join).then(arrived, giveUp);
    const join = () => room.join();
    const arrived = () => this.#room === room && this.#listener.onTrouble(null);
    const giveUp = () => {
      if (this.#room !== room) return;
      this.leave();
      this.#listener.onTrouble("The avatar's picture cannot be had. The drawn face speaks in its place.");
    };
    const listener = {
      onTracks: (tracks) => this.#play(tracks),
      onGone: again,
      onExpiring: () => this.#listener.onSay("avatar-watch"),
      onDrive: (drive) => this.#listener.onSay("avatar-drive", drive),
    };
    const room = new Room(listener, place);
    this.#room = room;
    this.#audio.muted = false;
    this.#timer = setInterval(() => this.#check(), CHECK_MS);
    join().catch((trouble) => (trouble.lasting ? giveUp() : again()));
  }

  #play({ picture, sound }) {
    if (feed(this.#video, picture)) this.#picture.restart();
    if (feed(this.#audio, sound)) this.#sound.restart();
    if (picture === null || sound === null) this.#report(false);
  }

  #check() {
    const now = performance.now();
    const [picture, sound] = [this.#picture.moves(now), this.#sound.moves(now)];
    const here = picture && sound && !this.#video.paused && !this.#audio.paused;
    // Heard first, told then: the bot may answer with speech.
    if (here && this.#audio.muted) this.#audio.muted = false;
    else this.#report(here);
  }

  #report(here) {
    if (here === this.#here) return;
    this.#here = here;
    // From here on the bot speaks with the page's own voice: the rest of the vendor's is not heard beside it.
    this.#audio.muted = !here;
    this.#listener.onSay(here ? "avatar-joined" : "avatar-left");
    this.#show();
  }

  #show() {
    this.#listener.onShown(this.#here && this.#carries);
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
