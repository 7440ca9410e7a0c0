// Stands in for ZEGO's engine, whose cloud no test can reach. The tracks are real: a canvas that is drawn on, a tone, and
// what the page publishes. `window.room` is what a test holds; the engine has the real one's methods and no others.

var Zego = (() => {
  const audio = new AudioContext();

  class ZegoExpressEngine {
    static presetLogConfig(config) {
      (window.presets ??= []).push(config);
      return true;
    }

    constructor(appID, server) {
      if (!Number.isInteger(appID)) throw new Error("appID");
      window.room = new Room([appID, server]);
      (window.rooms ??= []).push(window.room);
      rooms.set(this, window.room);
    }

    setLogConfig(config) {
      return of(this).note("setLogConfig", config);
    }

    on(event, callBack) {
      return of(this).listen(event, callBack);
    }

    async callExperimentalAPI(params) {
      of(this).note("callExperimentalAPI", params);
      return { errorCode: 0, extendedData: "" };
    }

    async loginRoom(roomID, token, user) {
      of(this).note("loginRoom", roomID, token, user);
      return of(this).login();
    }

    renewToken(token, roomID) {
      return of(this).note("renewToken", token, roomID);
    }

    async startPlayingStream(streamID) {
      of(this).note("startPlayingStream", streamID);
      if (window.unplayable?.shift()) throw { errorCode: 1104001, extendedData: "" };
      return of(this).streams.get(streamID);
    }

    stopPlayingStream(streamID) {
      of(this).note("stopPlayingStream", streamID);
    }

    async createStream(source) {
      const given = source.custom.source;
      of(this).note("createStream", { custom: { source: labels(given) } });
      if (!(given instanceof MediaStream)) throw { code: 1103066, msg: "source" };
      await window.creating;
      const stream = new MediaStream(given);
      of(this).local.add(stream);
      return stream;
    }

    startPublishingStream(streamID, localStream) {
      of(this).note("startPublishingStream", streamID, labels(localStream));
      if (!of(this).local.has(localStream)) throw { errorCode: 1103070, extendedData: "stream" };
      return of(this).publish(streamID, localStream);
    }

    async replaceTrack(localStream, mediaStreamTrack) {
      of(this).note("replaceTrack", labels(localStream), mediaStreamTrack.label);
      localStream.removeTrack(localStream.getAudioTracks()[0]);
      localStream.addTrack(mediaStreamTrack);
      return { errorCode: 0, extendedData: "" };
    }

    stopPublishingStream(streamID) {
      of(this).note("stopPublishingStream", streamID);
      return of(this).published.delete(streamID);
    }

    destroyStream(localStream) {
      of(this).note("destroyStream", labels(localStream));
      of(this).local.delete(localStream);
      for (const track of localStream.getTracks()) track.stop();
    }

    logoutRoom(roomID) {
      of(this).note("logoutRoom", roomID);
      if (!of(this).loggedIn) throw { code: 1000014, msg: "no such room" };
      of(this).loggedIn = false;
    }

    destroyEngine() {
      of(this).note("destroyEngine");
      if (of(this).isOver) throw new Error("ZegoExpressEngine has been destroyed.");
      of(this).isOver = true;
      for (const stream of of(this).local) for (const track of stream.getTracks()) track.stop();
    }
  }

  const rooms = new WeakMap();
  const of = (engine) => rooms.get(engine);
  const labels = (stream) => stream.getTracks().map(({ label }) => label);

  class Room {
    calls = []; // each with what it was given
    fired = []; // events, each with how much it tells
    takers = new Map();
    streams = new Map();
    local = new Set(); // streams that were made for the page
    published = new Map();
    loggedIn = false;
    isOver = false;
    #name = "";
    #drawing = 0;

    constructor(made) {
      this.note("constructor", ...made);
    }

    note(name, ...given) {
      this.calls.push([name, ...given]);
      if (window.stuck?.includes(name)) throw { code: 1000001, msg: "stuck" };
      if (name === "loginRoom") this.#name = given[0];
      return true;
    }

    listen(event, taker) {
      this.note("on", event, taker.name);
      this.takers.set(event, taker);
      return true;
    }

    async login() {
      if (window.silences?.shift()) await new Promise(() => {});
      if (window.refusals?.length > 0) throw { code: window.refusals.shift(), msg: "refused" };
      this.loggedIn = true;
      return true;
    }

    publish(streamID, stream) {
      if (!this.loggedIn || this.published.has(streamID)) return false;
      this.#fire("publisherStateUpdate", { streamID, state: "PUBLISH_REQUESTING", errorCode: 0, extendedData: "" });
      if (window.unpublishable?.shift()) this.cease(streamID);
      else {
        this.published.set(streamID, stream);
        this.#fire("publisherStateUpdate", { streamID, state: "PUBLISHING", errorCode: 0, extendedData: "" });
      }
      return true;
    }

    /** What is published is taken no more. */
    cease(streamID, errorCode = 1003005) {
      this.published.delete(streamID);
      this.#fire("publisherStateUpdate", { streamID, state: "NO_PUBLISH", errorCode, extendedData: "" });
    }

    /** A stream comes, with a picture, and with a sound if there is one. */
    enter(streamID = "avatar", kinds = ["picture", "sound"]) {
      this.streams.set(streamID, new MediaStream(kinds.map((kind) => this.#track(kind))));
      this.#fire("roomStreamUpdate", this.#name, "ADD", [{ streamID, user: { userID: "them" } }], "");
    }

    /** A track of the stream that plays is another one. */
    replace(kind) {
      this.#fire(kind === "picture" ? "playerVideoTrackUpdate" : "playerAudioTrackUpdate", "avatar", this.#track(kind));
    }

    drop(streamID = "avatar") {
      this.#fire("roomStreamUpdate", this.#name, "DELETE", [{ streamID, user: { userID: "them" } }], "");
    }

    /** No frame comes any more, and nobody says so. */
    freeze() {
      clearInterval(this.#drawing);
    }

    kickOut(code = 1002055) {
      this.loggedIn = false;
      this.#fire("roomStateChanged", this.#name, "KICKOUT", code, "{}");
    }

    lose() {
      this.#fire("roomStateChanged", this.#name, "RECONNECTING", 1002051, "{}");
      this.loggedIn = false;
      this.#fire("roomStateChanged", this.#name, "RECONNECT_FAILED", 1002053, "{}");
    }

    expire() {
      this.#fire("tokenWillExpire", this.#name);
    }

    /** A message of the room's service, as it is written. */
    say(msgContent, method = "onRecvRoomChannelMessage", msgType = 1) {
      const content = { roomID: this.#name, sendIDName: "", sendNickName: "", msgType, msgContent };
      this.#fire("recvExperimentalAPI", { method, content });
    }

    #fire(event, ...told) {
      this.fired.push([event, told.length]);
      this.takers.get(event)?.(...told);
    }

    #track(kind) {
      return kind === "picture" ? this.#picture() : tone();
    }

    #picture() {
      clearInterval(this.#drawing);
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

  return { ZegoExpressEngine };
})();
