// What an application of somebody else would write: Pipecat's client with one of its transports.
import { PipecatClient } from "@pipecat-ai/client-js";
import { SmallWebRTCTransport } from "@pipecat-ai/small-webrtc-transport";
import { ProtobufFrameSerializer, WavMediaManager, WebSocketTransport } from "@pipecat-ai/websocket-transport";

const transports = {
  websocket: () => new WebSocketTransport({ serializer: new ProtobufFrameSerializer(), mediaManager: new WavMediaManager() }),
  webrtc: () => new SmallWebRTCTransport({ mediaManager: new WavMediaManager() }),
};

window.connect = async (transport, options = {}) => {
  const seen = (window.seen = []);
  const note = (kind) => (detail) => seen.push({ at: performance.now(), kind, detail });
  const client = new PipecatClient({
    transport: transports[transport](),
    enableMic: true,
    enableCam: false,
    callbacks: {
      onBotReady: note("ready"),
      onServerMessage: note("server-message"),
      onUserTranscript: note("user-transcript"),
      onBotStartedSpeaking: note("bot-started"),
      onBotStoppedSpeaking: note("bot-stopped"),
      onUserStartedSpeaking: note("user-started"),
      onTrackStarted: (track, participant) => note("track")({ kind: track.kind, local: participant?.local }),
      onError: (message) => note("error")(JSON.stringify(message)),
    },
  });
  window.client = client;
  await client.startBotAndConnect({ endpoint: `${location.origin}/start`, requestData: { transport, ...options } });
};
