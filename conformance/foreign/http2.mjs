// Fifty event streams, fifty WebSockets (RFC 8441) and a publication that reaches all of them, on one connection of
// HTTP/2 with prior knowledge.
//
//   node http2.mjs http://127.0.0.1:8080
import assert from "node:assert";
import http2 from "node:http2";

const COUNT = 50;
const session = http2.connect(process.argv[2]);
session.on("error", (error) => {
    throw error;
});
await new Promise((resolve) => session.once("remoteSettings", resolve));
assert(session.remoteSettings.enableConnectProtocol);

/** Resolves with the status once the head is there. */
const head = (stream) =>
    new Promise((resolve, reject) => {
        stream.once("response", (headers) => resolve(headers[":status"]));
        stream.once("error", reject);
    });

/** Resolves once the bytes of the stream hold the text. */
const holds = (stream, text) =>
    new Promise((resolve) => {
        let all = "";
        stream.on("data", (bytes) => {
            all += bytes.toString("latin1");
            if (all.includes(text)) resolve();
        });
    });

const text = "from one to all";
const streams = [];
for (let n = 0; n < COUNT; n++) {
    const events = session.request({ ":path": "/v1/sse?channel=http2.node" });
    streams.push([events, head(events), holds(events, text)]);
    const socket = session.request({
        ":method": "CONNECT",
        ":protocol": "websocket",
        ":path": "/v1/ws?channel=http2.node",
        "sec-websocket-version": "13",
    });
    streams.push([socket, head(socket), holds(socket, text)]);
}
for (const [, status] of streams) assert.equal(await status, 200);

const publish = session.request({
    ":method": "POST",
    ":path": "/v1/channels/http2.node",
});
publish.end(text);
assert.equal(await head(publish), 200);
await Promise.all(streams.map(([, , message]) => message));

for (const [stream] of streams) stream.close(http2.constants.NGHTTP2_CANCEL);
session.destroy();
console.log("http2 done");
