// Stands in for livekit-client where a test wants to do to a room what no server does on demand.
// The tracks are real: a canvas that is drawn on, and a tone. `window.room` is what a test holds.

export const RoomEvent = {
  TrackSubscribed: "trackSubscribed",
  TrackUnsubscribed: "trackUnsubscribed",
  TrackMuted: "trackMuted",
  TrackUnmuted: "trackUnmuted",
  Reconnected: "reconnected",
  Disconnected: "disconnected",
};
export const DisconnectReason = { UNKNOWN_REASON: 0, DUPLICATE_IDENTITY: 2, PARTICIPANT_REMOVED: 4, ROOM_DELETED: 5 };
export const ConnectionErrorReason = { NotAllowed: 0, ServerUnreachable: 1 };
export const logLevels = (window.logLevels = []);
export const setLogLevel = (level) => logLevels.push(level);

const audio = new AudioContext();

export class Room {
  remoteParticipants = new Map();
  joined = []; // the addresses
  published = [];
  #takers = new Map();
  #avatar = null;
  #drawing = 0;

  constructor() {
    (window.rooms ??= []).push(this);
    window.room = this;
    this.localParticipant = new Proxy({}, { get: (_, name) => () => this.published.push(name) });
  }

  on(event, taker) {
    this.#takers.set(event, taker);
  }

  removeAllListeners() {
    this.#takers.clear();
  }

  async connect(url) {
    this.joined.push(url);
    if (window.refusal !== undefined) throw Object.assign(new Error("refused"), { reason: window.refusal });
  }

  async disconnect() {
    this.isOver = true;
  }

  /** The avatar comes, with a picture, and with a sound if there is one. */
  enter(identity = "heygen", kinds = ["video", "audio"]) {
    this.#avatar = { identity, trackPublications: new Map() };
    this.remoteParticipants.set(identity, this.#avatar);
    for (const kind of kinds) this.publish(kind);
  }

  publish(kind) {
    const mediaStreamTrack = kind === "video" ? this.#picture() : tone();
    this.#avatar.trackPublications.set(kind, { kind, isMuted: false, track: { mediaStreamTrack } });
    this.#tell(RoomEvent.TrackSubscribed);
  }

  unpublish(kind) {
    this.#avatar.trackPublications.get(kind).track.mediaStreamTrack.stop();
    this.#avatar.trackPublications.delete(kind);
    this.#tell(RoomEvent.TrackUnsubscribed);
  }

  mute(kind, isMuted) {
    this.#avatar.trackPublications.get(kind).isMuted = isMuted;
    this.#tell(isMuted ? RoomEvent.TrackMuted : RoomEvent.TrackUnmuted);
  }

  /** No frame comes any more, and nobody says so. */
  freeze() {
    clearInterval(this.#drawing);
  }

  lose(reason) {
    this.remoteParticipants.clear();
    this.#takers.get(RoomEvent.Disconnected)?.(reason);
  }

  #tell(event) {
    this.#takers.get(event)?.();
  }

  #picture() {
    const canvas = Object.assign(document.createElement("canvas"), { width: 640, height: 360 });
    const pen = canvas.getContext("2d");
    this.#drawing = setInterval(() => {
      pen.fillStyle = `hsl(${performance.now() / 20} 60% 60%)`;
      pen.fillRect(0, 0, 640, 360);
    }, 40);
    return canvas.captureStream().getVideoTracks()[0];
  }
}

function tone() {
  const out = audio.createMediaStreamDestination();
  const oscillator = new OscillatorNode(audio, { frequency: 440 });
  oscillator.connect(out);
  oscillator.start();
  return out.stream.getAudioTracks()[0];
}
