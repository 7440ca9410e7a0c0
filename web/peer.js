const PING_MS = 1_000; // the bot takes a client that is silent for three seconds for gone
const GATHERING_MS = 2_000;
const LOST = 1006;
const ENDED = 1000;

/**
 * A WebRTC connection to the bot, used like a WebSocket: text goes over its data channel. Voice and microphone are tracks.
 */
export class Peer {
  onopen = null;
  onmessage = null;
  onclose = null;
  bufferedAmount = 0;
  #connection = new RTCPeerConnection();
  #channel = this.#connection.createDataChannel("chat", { ordered: true });
  #microphone = this.#connection.addTransceiver("audio", { direction: "sendrecv" }).sender;
  #pings = 0;

  /**
   * @param {{sessionId: string, token: string}} session
   * @param {(receiver: RTCRtpReceiver, stream: MediaStream) => void} onVoice the bot's voice can be played
   */
  constructor(session, onVoice) {
    // Pipecat looks for a camera and a screen, and would warn that there are none.
    for (let picture = 0; picture < 2; picture += 1) this.#connection.addTransceiver("video", { direction: "inactive" });
    this.#connection.ontrack = ({ receiver, track }) => track.kind === "audio" && onVoice(receiver, new MediaStream([track]));
    this.#connection.onconnectionstatechange = () => {
      if (this.#connection.connectionState === "failed") this.#over(LOST);
    };
    this.#channel.onopen = () => {
      this.#pings = setInterval(() => this.#channel.send(`ping: ${Date.now()}`), PING_MS);
      this.onopen?.();
    };
    this.#channel.onmessage = ({ data }) => this.#receive(data);
    this.#channel.onclose = () => this.#over(ENDED);
    this.#negotiate(session).catch(() => this.#over(LOST));
  }

  get readyState() {
    return this.#channel.readyState === "open" ? WebSocket.OPEN : WebSocket.CLOSED;
  }

  /** @param {string} text */
  send(text) {
    this.#channel.send(text);
  }

  /** @param {MediaStreamTrack | null} track what the bot hears */
  hear(track) {
    this.#microphone.replaceTrack(track).catch(() => {}); // the connection is closed: nobody hears
  }

  close() {
    clearInterval(this.#pings);
    this.#connection.close();
  }

  async #negotiate({ sessionId, token }) {
    await this.#connection.setLocalDescription();
    await gathered(this.#connection);
    const { sdp, type } = this.#connection.localDescription;
    const response = await fetch(`/sessions/${sessionId}/api/offer`, {
      method: "POST",
      headers: { "Content-Type": "application/json", Authorization: `Bearer ${token}` },
      body: JSON.stringify({ sdp, type }),
    });
    if (!response.ok) throw new Error(`the offer was refused: ${response.status}`);
    await this.#connection.setRemoteDescription(await response.json());
  }

  #receive(text) {
    // Signalling of Pipecat's, such as what became of a track, is no business of the page.
    if (!text.startsWith('{"type": "signalling"') && !text.startsWith('{"type":"signalling"')) this.onmessage?.({ data: text });
  }

  #over(code) {
    this.close();
    this.onclose?.({ code });
  }
}

/** Resolves when all addresses of this side are known, or soon after: what is known by then mostly does. */
function gathered(connection) {
  return new Promise((resolve) => {
    const check = () => connection.iceGatheringState === "complete" && resolve();
    connection.onicegatheringstatechange = check;
    setTimeout(resolve, GATHERING_MS);
    check();
  });
}
