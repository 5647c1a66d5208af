// Compiled, never run: what a program may write, and what it may not.
import { EventStreamParser, Sockeye, SockeyeError, type Item, type Receipt, type Subscription } from "./sockeye.js";

const hub = new Sockeye("https://hub.example", {
  credentials: async ({ reason, code, signal }) => {
    const word: string = reason;
    const number: number | undefined = code;
    signal.throwIfAborted();
    return word === "first" && number === undefined ? { ticket: "t" } : null;
  },
  transports: ["websocket", "poll"],
  times: { againMs: 1_000 },
});

interface Sale { seat: number }

export async function read(): Promise<void> {
  const sub: Subscription<Sale> = hub.subscribe<Sale>(["a:1", "b:*"], { cursor: hub.cursor, presence: true, queue: { items: 10 } });
  for await (const item of sub) {
    switch (item.type) {
      case "message": { const seat: number = item.data.seat; console.log(seat, item.event?.length, item.cursor); break; }
      case "gap": console.log(item.reason, item.missed?.through); break;
      case "sync": console.log(item.recovered); break;
      case "end": console.log(item.channel); break;
      case "refused": console.log(item.code); break;
      case "presence": console.log(item.joined.length); break;
      default: { const never: never = item; console.log(never); }
    }
  }
  hub.subscribe("a:2", { onitem: (item: Item) => console.log(item.type) });
  const receipt: Receipt = await hub.publish("a:1", { seat: 1 }, { key: null, expect: 7, ttlMs: 5 });
  const { channels } = await hub.position(["a:1"]);
  console.log(receipt.level === "logged", channels[0].ended, (await hub.history<Sale>("a:1", { limit: 5 })).messages[0].data.seat, (await hub.present("a:1")).members);
}

const off: () => void = hub.on("state", (state) => {
  if (state.state === "waiting") console.log(state.ms, state.code);
  if (state.state === "stopped") console.log(state.error.closeCode, state.error instanceof SockeyeError);
  if (state.state === "live") console.log(state.transport);
  // @ts-expect-error only who waits has a time
  const ms: number = state.ms;
  console.log(ms);
});
off();
hub.on("state", ({ state, transport, why }) => console.log(state, transport ?? why ?? ""));
hub.on("cursor", (cursor: string | null) => localStorage.setItem("cursor", cursor ?? ""));
hub.on("message", ({ channel, data }) => console.log(channel, data));

const blocks: { data: string | null }[] = new EventStreamParser({ charsMax: 10 }).feed("data: x\n\n");
console.log(blocks);

// @ts-expect-error no such event
hub.on("nothing", () => {});
// @ts-expect-error no such transport
new Sockeye("https://hub.example", { transports: ["pigeon"] });
// @ts-expect-error one credential at a time has a name
new Sockeye("https://hub.example", { credentials: () => ({ password: "x" }) });
// @ts-expect-error the cursor is not for writing
hub.cursor = "1a-1";
