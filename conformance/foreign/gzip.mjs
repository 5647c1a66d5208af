// A stream and a page in gzip, decoded by Node's fetch (undici). Each event has to come before the next one is published.
const [origin, list] = process.argv.slice(2);
const texts = JSON.parse(list);
const headers = { "accept-encoding": "gzip" };

const response = await fetch(`${origin}/v1/sse?channel=node`, { headers });
if (response.headers.get("content-encoding") !== "gzip") throw new Error("not in gzip");
const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
let said = "";

async function until(wanted) {
  while (!said.includes(wanted)) {
    const { done, value } = await reader.read();
    if (done) throw new Error(`the stream ended before ${wanted.slice(0, 40)}`);
    said += value;
  }
}

await until("retry:");
for (const text of texts) {
  await fetch(`${origin}/v1/channels/node`, { method: "POST", body: text });
  await until(`data: ${text}\n\n`);
}
await reader.cancel();

const page = await fetch(`${origin}/v1/channels/node/history`, { headers });
if (page.headers.get("content-encoding") !== "gzip") throw new Error("the page is not in gzip");
const { messages } = await page.json();
if (messages.map(({ data }) => data).join() !== texts.join()) throw new Error("other messages");
