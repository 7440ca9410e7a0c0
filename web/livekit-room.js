import { whyNotLoaded } from "./room-client.js";
import { Trouble } from "./start.js";

const CLIENT = "/assets/livekit-client.js";

/** Who the avatar is in a room of HeyGen's. In another room it is whoever shows a picture first. */
const HEYGEN = "heygen";

/** A LiveKit room, in which this page looks and listens and publishes nothing. */
export class LiveKitRoom {
  #listener;
  #place;
  #room = null;
  #joined = false;
  #left = false;

  /** @param {import("./viewer.js").RoomListener} listener @param {{url: string, token: string}} place */
  constructor(listener, place) {
    this.#listener = listener;
    this.#place = place;
  }

  /** Can be called again when it failed or the room was lost. Rejects with a `Trouble`. */
  async join() {
    const livekit = await load();
    this.#room ??= this.#furnish(livekit);
    try {
      if (!this.#left) await this.#room.connect(this.#place.url, this.#place.token);
    } catch (error) {
      throw new Trouble("The avatar's room cannot be reached.", { lasting: error.reason === livekit.ConnectionErrorReason.NotAllowed });
    }
    if (this.#left) {
      this.leave();
      throw new Trouble("The avatar's room was left.", { lasting: true });
    }
    this.#joined = true;
    this.#look();
  }

  /** Nothing is told afterwards. */
  leave() {
    this.#left = true;
    this.#room?.removeAllListeners();
    this.#room?.disconnect().catch(() => {}); // gone already
  }

  #furnish({ Room, RoomEvent, DisconnectReason, setLogLevel }) {
    setLogLevel("silent"); // its lines hold addresses with the token
    // What the vendor has ended is no trouble of the page's: the bot knows of it.
    const final = [DisconnectReason.DUPLICATE_IDENTITY, DisconnectReason.PARTICIPANT_REMOVED, DisconnectReason.ROOM_DELETED];
    const room = new Room({
      adaptiveStream: false, // pauses a picture that is small or covered
      singlePeerConnection: false, // older servers refuse that, and the browser's console would show the address with the token
    });
    for (const event of [
      RoomEvent.TrackSubscribed,
      RoomEvent.TrackUnsubscribed,
      RoomEvent.TrackMuted,
      RoomEvent.TrackUnmuted,
      RoomEvent.Reconnected,
    ]) {
      room.on(event, () => this.#look());
    }
    room.on(RoomEvent.Disconnected, (reason) => {
      if (!this.#joined) return; // `join` rejects
      this.#joined = false;
      this.#look();
      if (!final.includes(reason)) this.#listener.onGone();
    });
    return room;
  }

  #look() {
    const others = this.#joined ? [...this.#room.remoteParticipants.values()] : [];
    const avatar = others.find((each) => each.identity === HEYGEN) ?? others.find((each) => trackOf(each, "video") !== null);
    this.#listener.onTracks({ picture: trackOf(avatar, "video"), sound: trackOf(avatar, "audio") });
  }
}

async function load() {
  try {
    return await import(CLIENT);
  } catch {
    throw await whyNotLoaded(CLIENT);
  }
}

function trackOf(participant, kind) {
  const published = [...(participant?.trackPublications.values() ?? [])];
  return published.find((each) => each.kind === kind && each.track && !each.isMuted)?.track.mediaStreamTrack ?? null;
}
