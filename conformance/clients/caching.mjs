// The cache of nginx: how many requests of many clients reach the server.
import { setTimeout as sleep } from "node:timers/promises";
import { Publisher } from "./publisher.mjs";
import { check, compare } from "./verdict.mjs";

const CLIENTS = 50;
const MESSAGES = 40;
const PAUSE_MS = 50;

const same = (what, got, wanted) => {
  if (got !== wanted) throw new Error(`${what}: ${got}, not ${wanted}`);
};

const get = async (url, headers = {}) => {
  const response = await fetch(url, { headers, signal: AbortSignal.timeout(10_000) });
  const text = await response.text();
  return { status: response.status, kept: response.headers.get("cache-control"), body: text === "" ? null : JSON.parse(text) };
};

/** Requests that the server has got so far, this one among them. */
async function arrived(house) {
  const text = await (await fetch(`${house.direct}/metrics`)).text();
  return Number(/^sockeye_requests_total (\d+)$/m.exec(text)[1]);
}

/** Requests that reach the server while `action` runs. */
async function reaching(house, action) {
  const before = await arrived(house);
  await action();
  return (await arrived(house)) - before - 1;
}

const all = (action) => Promise.all(Array.from({ length: CLIENTS }, (_, n) => action(n)));

export async function caching(house) {
  const publisher = new Publisher(house.direct, "public:cached", house.backend);
  const secret = new Publisher(house.direct, "private:cached", house.backend);
  const history = (channel, query) => `${house.base}/v1/channels/${channel}/history?${query}`;
  try {
    for (let i = 0; i < 20; i += 1) await publisher.publish(`old ${i}`);
    await secret.publish("not for everybody");
    const newest = await get(history("public:cached", "limit=5"));
    const page = history("public:cached", `before=${newest.body.next}&limit=5`);
    await check(`${house.way} · cache · a page of history is asked for once`, async () => {
      const wanted = publisher.receipts.slice(10, 15);
      const requests = await reaching(house, () => all(async () => {
        const { status, body } = await get(page);
        same("the status", status, 200);
        const problem = compare(body.messages.map((it) => ({ id: it.cursor, data: it.data })), wanted);
        if (problem !== null) throw new Error(problem);
      }));
      same("requests that reached the server", requests, 1);
    });
    await check(`${house.way} · cache · credentials go around it`, async () => {
      const requests = await reaching(house, () => all(async () => {
        const { status, kept } = await get(page, house.backend);
        same("the status", status, 200);
        same("Cache-Control", kept, "no-store");
      }));
      same("requests that reached the server", requests, CLIENTS);
    });
    await check(`${house.way} · cache · nobody gets what a credential was needed for`, async () => {
      const url = history("private:cached", "limit=5");
      same("with a key", (await get(url, house.backend)).status, 200);
      same("without", (await get(url)).status, 401);
      const poll = `${house.base}/v1/poll?channel=private:cached&cursor=earliest`;
      same("a poll with a key", (await get(poll, house.backend)).body.messages.length, 1);
      same("a poll without", (await get(poll)).status, 401);
    });
    await check(`${house.way} · cache · ${CLIENTS} clients that poll`, () => polls(house, publisher));
  } finally {
    publisher.close();
    secret.close();
  }
}

/** Short polls while messages come: each client gets each of them once, and the server few of the requests. */
async function polls(house, publisher) {
  const due = publisher.receipts.length;
  const from = publisher.receipts.at(-1).cursor;
  let asked = 0;
  const reader = async () => {
    const got = [];
    for (let cursor = from; got.length < MESSAGES; await sleep(PAUSE_MS)) {
      asked += 1;
      const { status, body } = await get(`${house.base}/v1/poll?channel=public:cached&wait=0&cursor=${cursor}`);
      same("the status", status, 200);
      same("gaps", body.gaps.length, 0);
      got.push(...body.messages.map((it) => ({ id: it.cursor, data: it.data })));
      cursor = body.cursor;
    }
    const problem = compare(got, publisher.receipts.slice(due));
    if (problem !== null) throw new Error(problem);
  };
  const requests = await reaching(house, () => Promise.all([publisher.run("new", MESSAGES, 20), all(reader)])) - MESSAGES;
  if (requests > asked / 5) throw new Error(`${requests} of ${asked} polls reached the server`);
  return `${requests} of ${asked} polls reached the server`;
}
