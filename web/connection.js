import { announce } from "./observability.js";
import { Peer } from "./peer.js";
import { Reconnection } from "./reconnection.js";
import { Trouble, reachServer, startSession } from "./start.js";

const LABEL = "rtvi-ai";
const RTVI_VERSION = "2.0.0";
const READY_TIMEOUT_MS = 15_000;
const NORMAL_CLOSURE = 1000;
// Microphone audio older than this helps nobody: drop it rather than let it pile up in a stalled socket.
const MAX_BACKLOG_BYTES = 5 * 16_000 * 2;

/**
 * What a connection tells its owner.
 * @typedef {object} ConnectionListener
 * @property {(type: string, data: any) => void} onMessage RTVI message; a server-message arrives as its `data.type`
 * @property {(pcm: ArrayBuffer) => void} onAudio
 * @property {(receiver: RTCRtpReceiver, stream: MediaStream) => void} onVoice over WebRTC, in place of `onAudio`
 * @property {(ended: boolean) => void} onLost not by this page; `ended`: the bot ended the conversation
 */

/** One conversation with the bot: its session, its WebSocket or WebRTC connection, or one after the other, and the RTVI envelope. */
export class Connection {
  #listener;
  #transport;
  #microphone = null;
  #socket = null;
  #abort = new AbortController();
  #reconnection = new Reconnection();
  #session = null;
  /** For the next connection of this conversation: the newest that the bot sent, and whether it will remember. */
  #ticket = null;
  #ending = false;
  #ready = false;
  #readyTimer = 0;
  #awaited = null;
  #nextId = 1;

  /** @param {ConnectionListener} listener @param {"websocket" | "webrtc"} transport */
  constructor(listener, transport) {
    this.#listener = listener;
    this.#transport = transport;
  }

  /** Resolves when the socket of a new session is open; rejects with a `Trouble`. */
  async open() {
    this.#session = await startSession(this.#transport, this.#abort.signal);
    this.#ticket = null;
    await this.#dial(this.#session.token);
  }

  /** Says that the page can play. Resolves when the bot is ready; rejects with a `Trouble`. */
  async greet() {
    if (this.#socket === null) throw unready();
    this.#awaited = Promise.withResolvers();
    this.send("client-ready", { version: RTVI_VERSION, about: { library: "avatarbot-page", library_version: "1" } });
    await this.#awaited.promise;
  }

  /**
   * After a loss: tries again until the bot is ready, or rejects with a `Trouble`.
   * @returns {Promise<boolean>} whether the bot remembers the conversation
   */
  recover() {
    return this.#reconnection.run(async () => {
      this.#abort.signal.throwIfAborted();
      // A WebSocket does not tell a ticket that is refused from a network that is away.
      await reachServer(this.#abort.signal);
      const remembers = await this.#return();
      await this.greet();
      return remembers;
    });
  }

  get ready() {
    return this.#ready;
  }

  /**
   * @param {string} type
   * @param {object} [data]
   * @returns {boolean} whether it could be handed to the network
   */
  send(type, data = {}) {
    if (this.#socket?.readyState !== WebSocket.OPEN) return false;
    this.#socket.send(JSON.stringify({ label: LABEL, type, id: String(this.#nextId++), data }));
    return true;
  }

  /** @param {MediaStreamTrack | null} track what the bot hears over WebRTC; over a WebSocket `sendAudio` says it, unless this is null */
  hear(track) {
    this.#microphone = track;
    if (this.#socket instanceof Peer) this.#socket.hear(track);
  }

  /** @param {ArrayBuffer} pcm */
  sendAudio(pcm) {
    const socket = this.#socket;
    if (this.#transport === "webrtc" || this.#microphone === null || !this.#ready || socket?.readyState !== WebSocket.OPEN || socket.bufferedAmount > MAX_BACKLOG_BYTES) return;
    socket.send(pcm);
  }

  /** Ends the conversation from this side; nothing is reported afterwards. */
  close() {
    this.send("disconnect-bot");
    const ended = new Trouble("The conversation was ended.", { lasting: true });
    this.#abort.abort(ended);
    this.#fail(ended);
  }

  async #return() {
    const ticket = this.#ticket;
    if (ticket !== null) {
      try {
        await this.#dial(ticket.token);
        return ticket.remembers;
      } catch {
        // Refused: too old, or the server was started anew. What remains is a new conversation.
      }
    }
    await this.open();
    return false;
  }

  #dial(token) {
    this.#abort.signal.throwIfAborted();
    const awaited = Promise.withResolvers();
    this.#awaited = awaited;
    const socket = this.#transport === "webrtc" ? this.#callPeer() : this.#openSocket(token);
    socket.onmessage = (event) => this.#receive(event.data);
    socket.onclose = () => this.#fail(new Trouble("The server refused the connection. Press Start to try again."));
    socket.onopen = () => {
      socket.onclose = (event) => this.#closed(event.code);
      awaited.resolve();
    };
    this.#socket = socket;
    this.#readyTimer = setTimeout(() => this.#fail(new Trouble("The bot did not answer. Press Start to try again.")), READY_TIMEOUT_MS);
    return awaited.promise;
  }

  #openSocket(token) {
    const socket = new WebSocket(new URL(this.#session.wsUrl, location.href), ["avatarbot", `ticket.${token}`]);
    socket.binaryType = "arraybuffer";
    return socket;
  }

  #callPeer() {
    const peer = new Peer(this.#session, this.#listener.onVoice);
    if (this.#microphone !== null) peer.hear(this.#microphone);
    return peer;
  }

  #receive(payload) {
    if (payload instanceof ArrayBuffer) {
      this.#listener.onAudio(payload);
      return;
    }
    const message = parse(payload);
    if (message === null) return;
    if (message.type === "bot-ready") {
      this.#ready = true;
      clearTimeout(this.#readyTimer);
      this.#awaited.resolve();
    }
    if (message.type === "server-message") {
      const type = String(message.data?.type);
      this.#note(type, message.data);
      this.#listener.onMessage(type, message.data);
      announce("message", { type });
    } else {
      this.#listener.onMessage(message.type, message.data ?? {});
    }
  }

  #note(type, data) {
    if (type === "ticket" && typeof data.token === "string") this.#ticket = { token: data.token, remembers: data.remembers === true };
    if (type === "notice" && data.ends === true) this.#ending = true;
  }

  #closed(code) {
    if (!this.#ready) {
      this.#fail(unready());
      return;
    }
    this.#drop();
    this.#listener.onLost(this.#ending || code === NORMAL_CLOSURE);
  }

  #fail(trouble) {
    this.#drop();
    this.#awaited?.reject(trouble);
  }

  #drop() {
    clearTimeout(this.#readyTimer);
    this.#ready = false;
    const socket = this.#socket;
    if (socket === null) return;
    this.#socket = null;
    socket.onmessage = null;
    socket.onopen = null;
    socket.onclose = null;
    socket.close(NORMAL_CLOSURE);
  }
}

function unready() {
  return new Trouble("The bot closed the connection before it was ready. Press Start to try again.");
}

/** @returns {{type: string, data: any} | null} null for what is no RTVI message: a stranger's message ends nothing */
function parse(text) {
  try {
    const message = JSON.parse(text);
    return message?.label === LABEL && typeof message.type === "string" ? message : null;
  } catch {
    return null;
  }
}
