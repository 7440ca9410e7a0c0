import { announce } from "./observability.js";

const LABEL = "rtvi-ai";
const RTVI_VERSION = "2.0.0";
const START_TIMEOUT_MS = 10_000;
const READY_TIMEOUT_MS = 15_000;
// Microphone audio older than this helps nobody: drop it rather than let it pile up in a stalled socket.
const MAX_BACKLOG_BYTES = 5 * 16_000 * 2;

/** A reason that can be shown to the person as it stands: what happened and what to do. */
export class Trouble extends Error {}

/**
 * What a connection tells its owner.
 * @typedef {object} ConnectionListener
 * @property {(type: string, data: any) => void} onMessage RTVI message; a server-message arrives as its `data.type`
 * @property {(pcm: ArrayBuffer) => void} onAudio
 * @property {(sentence: string) => void} onLost the bot or the network ended it, not this page
 */

/** One session with the bot: `POST /start`, the ticket, the WebSocket and the RTVI envelope. */
export class Connection {
  #listener;
  #socket = null;
  #abort = new AbortController();
  #ready = false;
  #readyTimer = 0;
  #nextId = 1;

  /** @param {ConnectionListener} listener */
  constructor(listener) {
    this.#listener = listener;
  }

  /** Resolves when the socket is open; rejects with a `Trouble`. */
  async open() {
    const { wsUrl, token } = await this.#start();
    this.#readyTimer = setTimeout(() => this.#lose("The bot did not answer. Press Start to try again."), READY_TIMEOUT_MS);
    await this.#dial(wsUrl, token);
  }

  /** Says that the page can play; the bot answers with `bot-ready`. */
  announceClient() {
    return this.send("client-ready", { version: RTVI_VERSION, about: { library: "avatarbot-page", library_version: "1" } });
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

  /** @param {ArrayBuffer} pcm */
  sendAudio(pcm) {
    const socket = this.#socket;
    if (!this.#ready || socket?.readyState !== WebSocket.OPEN || socket.bufferedAmount > MAX_BACKLOG_BYTES) return;
    socket.send(pcm);
  }

  /** Ends the session from this side; nothing is reported afterwards. */
  close() {
    this.send("disconnect-bot");
    this.#release();
  }

  async #start() {
    let response;
    try {
      response = await fetch("/start", {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ transport: "websocket" }),
        signal: AbortSignal.any([this.#abort.signal, AbortSignal.timeout(START_TIMEOUT_MS)]),
      });
    } catch {
      throw new Trouble("The server cannot be reached. Check that it is running, then press Start again.");
    }
    if (!response.ok) throw new Trouble(refusal(response.status));
    const session = await response.json().catch(() => null);
    if (typeof session?.wsUrl !== "string" || typeof session?.token !== "string") {
      throw new Trouble("The server gave an answer that this page does not understand. Reload the page, then press Start again.");
    }
    return session;
  }

  #dial(wsUrl, token) {
    return new Promise((resolve, reject) => {
      if (this.#abort.signal.aborted) return reject(new Trouble("The session was ended."));
      const socket = new WebSocket(new URL(wsUrl, location.href), ["avatarbot", `ticket.${token}`]);
      socket.binaryType = "arraybuffer";
      socket.onmessage = (event) => this.#receive(event.data);
      // Until the socket is open the promise tells, afterwards the listener does.
      socket.onclose = () => reject(new Trouble("The server refused the connection. Press Start to try again."));
      socket.onopen = () => {
        socket.onclose = (event) => this.#lose(farewell(event.code, this.#ready));
        resolve();
      };
      this.#socket = socket;
    });
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
    }
    if (message.type === "server-message") {
      const type = String(message.data?.type);
      this.#listener.onMessage(type, message.data);
      announce("message", { type });
    } else {
      this.#listener.onMessage(message.type, message.data ?? {});
    }
  }

  #lose(sentence) {
    this.#release();
    this.#listener.onLost(sentence);
  }

  #release() {
    this.#abort.abort();
    clearTimeout(this.#readyTimer);
    this.#ready = false;
    const socket = this.#socket;
    if (socket === null) return;
    this.#socket = null;
    socket.onmessage = null;
    socket.onclose = null;
    socket.close(1000);
  }
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

function refusal(status) {
  if (status === 401 || status === 403) {
    return "The server does not allow a session from here. Open the page at the address that the server printed, then press Start again.";
  }
  if (status === 429 || status === 503) return "Every place is taken at the moment. Wait a little, then press Start again.";
  return `The server could not start a session (error ${status}). Press Start to try again.`;
}

function farewell(code, wasReady) {
  if (!wasReady) return "The bot closed the connection before it was ready. Press Start to try again.";
  if (code === 1000) return "The session has ended. Press Start for a new one.";
  return "The connection was lost. Check the network, then press Start to talk again.";
}
