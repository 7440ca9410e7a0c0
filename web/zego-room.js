import { cleanUp } from "./clean-up.js";
import { whyNotLoaded } from "./room-client.js";
import { Trouble } from "./start.js";
import { ZegoMicrophone } from "./zego-microphone.js";
import { ZegoTalk } from "./zego-talk.js";

const ENGINE = "/assets/zego-express-engine.js";

/** Without a network a login says nothing at all, for minutes. */
const LOGIN_MS = 15_000;

/** What is said of a token that is not taken. One that is too old is replaced. */
const REFUSALS = new Set([1102016, 1102020]);
const TOO_OLD = 1102018;

/** What makes another room of it. The token does not. */
const IDENTITY = ["app_id", "server", "room", "stream", "user", "publish"];

/** A message in the room that tells of the avatar's speech: it is smaller, and there are fewer. */
const LONGEST_MESSAGE = 1_000;
const MOST_A_SECOND = 10;
const STATUSES = new Set([2, 4]); // begins to speak, has finished

/**
 * Where the avatar is, all in text. `publish`: it hears the person there, in a stream of this name.
 * @typedef {{app_id: string, server: string, room: string, stream: string, user: string, token: string, publish?: string}} ZegoPlace
 */

/** A room of ZEGO's RTC, in which this page plays one stream, and publishes the microphone where the avatar hears it there. */
export class ZegoRoom {
  #listener;
  #place;
  #engine = null;
  #joined = false;
  #left = false;
  #tracks = null; // of the stream, from when it is asked for
  #relayedAt = [];
  #ears = null; // the microphone in the room
  #track = null;
  #talk;

  /** @param {import("./viewer.js").RoomListener} listener @param {ZegoPlace} place */
  constructor(listener, place) {
    this.#listener = listener;
    this.#place = place;
    this.#talk = new ZegoTalk((news) => this.#listener.onNews(news));
  }

  /** Whether the avatar hears the person here, and speaks of its own accord. */
  get hears() {
    return this.#place.publish !== undefined;
  }

  /** @param {MediaStreamTrack | null} track the microphone; the same again when it was muted or no more is */
  hear(track) {
    this.#track = track;
    this.#ears?.hear(track);
  }

  /** Can be called again when it failed or the room was lost. Rejects with a `Trouble`. */
  async join() {
    const Engine = await load();
    if (this.#left) throw leftMeanwhile();
    const engine = new Engine(Number(this.#place.app_id), this.#place.server);
    this.#engine = engine;
    const silence = new Promise((resolve) => setTimeout(resolve, LOGIN_MS, {}));
    const refusal = await Promise.race([this.#logIn(engine), silence]);
    if (this.#left) throw leftMeanwhile();
    if (refusal !== null || engine !== this.#engine) {
      this.#close();
      if (refusal?.code === TOO_OLD) this.#listener.onExpiring();
      throw new Trouble("The avatar's room cannot be reached.", { lasting: REFUSALS.has(refusal?.code) });
    }
    this.#joined = true;
    if (!this.hears) return;
    this.#ears = new ZegoMicrophone(engine, this.#place.publish, (heard) => this.#listener.onHeard(heard));
    this.#ears.hear(this.#track);
  }

  /**
   * Takes a new token of the same room.
   * @param {ZegoPlace} place
   * @returns {boolean} whether it is the same
   */
  renew(place) {
    if (this.#left || IDENTITY.some((key) => place[key] !== this.#place[key])) return false;
    this.#place = place;
    if (this.#joined) this.#engine.renewToken(place.token, place.room);
    return true;
  }

  /** Nothing is told afterwards. */
  leave() {
    this.#left = true;
    this.#close();
  }

  /** Undoes what was done, the last first. */
  #close() {
    const engine = this.#engine;
    if (engine === null) return;
    const [ears, plays, joined] = [this.#ears, this.#tracks !== null, this.#joined];
    this.#engine = this.#ears = this.#tracks = null;
    this.#joined = false;
    this.#talk.clear();
    cleanUp(
      () => ears?.close(),
      () => plays && engine.stopPlayingStream(this.#place.stream),
      () => joined && engine.logoutRoom(this.#place.room),
      () => engine.destroyEngine(),
    );
  }

  /** What it is refused with; null when it is in. */
  async #logIn(engine) {
    const { room, user, token } = this.#place;
    try {
      this.#furnish(engine);
      return (await engine.loginRoom(room, token, { userID: user, userName: user })) ? null : {};
    } catch (error) {
      return error;
    }
  }

  #furnish(engine) {
    engine.setLogConfig({ logLevel: "disable", remoteLogLevel: "disable" }); // its lines may hold the token
    const on = (event, act) => engine.on(event, (...told) => engine === this.#engine && act(...told));
    on("roomStreamUpdate", (_, change, streams) => {
      if (streams.some(({ streamID }) => streamID === this.#place.stream)) this.#follow(engine, change);
    });
    on("playerVideoTrackUpdate", (stream, track) => this.#replace(stream, { picture: track }));
    on("playerAudioTrackUpdate", (stream, track) => this.#replace(stream, { sound: track }));
    on("roomStateChanged", (_, reason, code) => {
      if (reason === "KICKOUT" && code !== TOO_OLD) this.#end();
      else if (reason === "KICKOUT" || reason === "RECONNECT_FAILED") this.#lose(code); // what is less, the engine repairs
    });
    on("tokenWillExpire", () => this.#listener.onExpiring());
    on("recvExperimentalAPI", ({ method, content }) => {
      if (method === "onRecvRoomChannelMessage") this.#take(content);
    });
    engine.callExperimentalAPI({ method: "onRecvRoomChannelMessage", params: {} });
  }

  #follow(engine, change) {
    if (change === "ADD") this.#watch(engine);
    if (change === "DELETE" && this.#tracks !== null) {
      this.#tracks = null;
      cleanUp(() => engine.stopPlayingStream(this.#place.stream));
      this.#listener.onTracks({ picture: null, sound: null });
    }
  }

  async #watch(engine) {
    if (this.#tracks !== null) return;
    const tracks = (this.#tracks = { picture: null, sound: null });
    try {
      // Without `jitterBufferTarget`, which is a delay that is kept even where none is needed.
      const stream = await engine.startPlayingStream(this.#place.stream);
      if (tracks !== this.#tracks) return;
      tracks.picture ??= stream.getVideoTracks()[0] ?? null;
      tracks.sound ??= stream.getAudioTracks()[0] ?? null;
      this.#listener.onTracks({ ...tracks });
    } catch {
      if (tracks === this.#tracks) this.#lose();
    }
  }

  #replace(stream, track) {
    if (stream !== this.#place.stream || this.#tracks === null) return;
    Object.assign(this.#tracks, track);
    this.#listener.onTracks({ ...this.#tracks });
  }

  #lose(code) {
    const joined = this.#joined;
    this.#close();
    this.#listener.onTracks({ picture: null, sound: null });
    if (code === TOO_OLD) this.#listener.onExpiring();
    if (joined) this.#listener.onGone(); // otherwise `join` rejects
  }

  /** The vendor has ended it, or a room of the same user elsewhere has: no trouble of the page's. */
  #end() {
    this.leave();
    this.#listener.onTracks({ picture: null, sound: null });
    this.#listener.onEnded();
  }

  /** A message of the room's service. Anybody in the room might have written it. */
  #take(message) {
    if (this.hears) this.#talk.hear(message);
    else this.#takeDrive(message.msgContent);
  }

  #takeDrive(text) {
    const told = driveIn(text);
    if (told === null) return;
    const now = performance.now();
    this.#relayedAt = this.#relayedAt.filter((at) => now - at < 1_000);
    if (this.#relayedAt.length >= MOST_A_SECOND) return;
    this.#relayedAt.push(now);
    this.#listener.onDrive(told);
  }
}

/** @returns {{drive_id: string, status: number} | null} null for what tells of no drive */
function driveIn(text) {
  if (typeof text !== "string" || text.length > LONGEST_MESSAGE) return null;
  try {
    const { Product, Cmd, Data } = JSON.parse(text);
    if (Product !== "digitalhuman" || Cmd !== 1001) return null;
    const { DriveId, Status } = Data;
    const known = typeof DriveId === "string" && /^[\w-]{1,64}$/.test(DriveId) && STATUSES.has(Status);
    return known ? { drive_id: DriveId, status: Status } : null;
  } catch {
    return null;
  }
}

let loading = null;

/** A classic script: as a module, parts of it ask for `eval`. It is there once for the whole page. */
function load() {
  loading ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = ENGINE;
    script.onload = () => {
      const Engine = globalThis.Zego?.ZegoExpressEngine;
      if (Engine === undefined) return script.onerror(); // it did not run in this browser
      Engine.presetLogConfig({ logLevel: "disable" });
      resolve(Engine);
    };
    script.onerror = async () => {
      loading = null;
      script.remove();
      reject(await whyNotLoaded(ENGINE));
    };
    document.head.append(script);
  });
  return loading;
}

function leftMeanwhile() {
  return new Trouble("The avatar's room was left.", { lasting: true });
}
