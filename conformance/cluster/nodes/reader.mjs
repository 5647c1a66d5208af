// A reader of channels that prints an object a line for what it is given.
//
//   node reader.mjs KIND BASE CHANNEL...      events, sockets: our client; eventsource: the package
import { EventSource } from "eventsource";
import WebSocket from "ws";

const [kind, base, ...channels] = process.argv.slice(2);
const print = (value) => console.log(JSON.stringify(value));

const ours = async (transports) => {
  const { Sockeye } = await import(process.env.SOCKEYE_JS);
  const hub = new Sockeye(base, { WebSocket, transports, times: { silenceMs: 4000, retryMaxMs: 1000 } });
  hub.on("state", ({ state, error }) => {
    if (state === "live") print({ kind: "open" });
    if (state === "stopped") throw error;
  });
  hub.subscribe(channels, {
    cursor: "earliest",
    onitem: ({ type, ...item }) => {
      if (type === "refused") throw new Error(JSON.stringify(item));
      if (type === "message" || type === "gap") print({ ...item, kind: type });
    },
  });
};

const eventsource = () => {
  const query = new URLSearchParams([...channels.map((it) => ["channel", it]), ["envelope", "json"], ["cursor", "earliest"]]);
  const source = new EventSource(`${base}/v1/sse?${query}`);
  source.onopen = () => print({ kind: "open" });
  source.onmessage = (event) => print({ ...JSON.parse(event.data), kind: "message" });
  source.addEventListener("$gap", (event) => print({ ...JSON.parse(event.data), kind: "gap" }));
  source.onerror = () => {
    if (source.readyState === EventSource.CLOSED) throw new Error("the EventSource has ended for good");
  };
};

const kinds = { events: () => ours(["sse"]), sockets: () => ours(["websocket"]), eventsource };
await kinds[kind]();
