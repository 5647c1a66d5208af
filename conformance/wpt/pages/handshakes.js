// How a WebSocket opens, or does not. For windows.
"use strict";

const BASE = location.origin.replace("http", "ws");

async function open(path, protocols = []) {
  const socket = new WebSocket(BASE + path, protocols);
  same((await next(socket, "open", "error")).type, "open", "what came");
  return socket;
}

/** What the server says first. */
async function said(path, protocols) {
  const socket = new WebSocket(BASE + path, protocols ?? []);
  const event = await next(socket, "message", "error");
  same(event.type, "message", "what came");
  socket.close();
  return event.data;
}

async function fails(path, protocols = []) {
  const socket = new WebSocket(BASE + path, protocols);
  const seen = [];
  for (const type of ["open", "error", "close"]) socket.addEventListener(type, () => seen.push(type));
  const { wasClean, code } = await next(socket, "close");
  same([seen, wasClean, code], [["error", "close"], false, 1006], "what came");
}

check("what is no HTTP fails", () => fails("/invalid"));
check("a wrong key fails", () => fails("/wrong_accept_key"));
check("404 fails", () => fails("/does-not-exist"));
check("a redirect is not followed", () => fails("/websockets/opening-handshake/resources/redirect_response.py"));
check("a subprotocol that nobody asked for fails", () => fails("/handshake_protocol"));
check("a subprotocol in another case fails", () => fails("/handshake_protocol", "FOOBAR"));
check("no subprotocol where one was asked for fails", () => fails("/handshake_no_protocol", "foobar"));

check("a subprotocol that both speak", async () => {
  const socket = await open("/echo", ["chat", "echo"]);
  same(socket.protocol, "echo", "the subprotocol");
  socket.close();
});

check("the first of several subprotocols", async () => same(await said("/protocol_array", ["foobar", "foobar2"]), "foobar", "the answer"));

check("subprotocols that may not be asked for", async () => {
  for (const bad of ["", "a b", "a,b", "(a)", "ä", "\0", ["echo", "echo"]]) {
    throws("SyntaxError", () => new WebSocket(`${BASE}/echo`, bad));
  }
});

check("addresses that are none", async () => {
  for (const bad of ["ws://[", "ftp://web-platform.test/", "mailto:a@b", `${BASE}/echo#part`]) {
    throws("SyntaxError", () => new WebSocket(bad));
  }
});

check("http: is ws:, and a path is of this host", async () => {
  for (const url of [`${location.origin}/echo`, "/echo"]) {
    const socket = new WebSocket(url);
    same(socket.url, `${BASE}/echo`, "url");
    same((await next(socket, "open", "error")).type, "open", "what came");
    socket.close();
  }
});

check("a port that browsers block is an error", async () => {
  const socket = new WebSocket("ws://web-platform.test:25/echo");
  same((await next(socket, "error", "open")).type, "error", "what came");
});

check("a password in the address is sent when it is asked for", async () => {
  const socket = new WebSocket(`${BASE.replace("://", "://foo:bar@")}/basic_auth`);
  same((await next(socket, "open", "error")).type, "open", "what came");
});

check("extensions that are declined are none", async () => {
  const socket = await open("/handshake_no_extensions");
  same(socket.extensions, "", "extensions");
});

check("Origin is that of the page, also for another host", async () => {
  same(await said("/origin"), location.origin, "the origin");
  const socket = new WebSocket(`${BASE.replace("://", "://www.")}/origin`);
  same((await next(socket, "message")).data, location.origin, "the origin for another host");
});

check("there is no Referer", async () => same(await said("/referrer"), "MISSING AS PER FETCH", "the answer"));
check("a query arrives as the URL says", async () => same(await said("/echo-query?x y%20ü|{}"), "x%20y%20%C3%BC|{}", "the query"));

check("the response and a Close in one packet", async () => {
  const socket = new WebSocket(`${BASE}/simple_handshake`);
  const seen = [];
  socket.onopen = () => seen.push("open");
  const { wasClean, code, reason } = await next(socket, "close");
  same([seen, wasClean, code, reason], [["open"], true, 1001, "PASS"], "what came");
});

check("a response that comes late", async () => {
  const socket = await open("/handshake_sleep_2");
  same((await next(socket, "close")).code, 1000, "the code");
});

check("a cookie of the page is sent", async () => {
  document.cookie = "own_page=1; Path=/";
  same((await said("/echo-cookie")).split("; ").includes("own_page=1"), true, "whether it is among them");
  document.cookie = "own_page=1; Path=/; Max-Age=0";
});

for (const [path, visible] of [["/set-cookie", true], ["/set-cookie_http", false]]) {
  check(`a cookie comes with the response, for scripts too: ${visible}`, async () => {
    const name = `ws_test_${path.slice(1)}`;
    (await open(`${path}?${path.slice(1)}`)).close();
    same(document.cookie.includes(name), visible, "whether the page sees it");
    same((await said("/echo-cookie")).includes(`${name}=test`), true, "whether it comes back");
  });
}

check("cookies of each same-site rule come with one response", async () => {
  (await open("/set-cookies-samesite?value=9")).close();
  const cookies = (await said("/echo-cookie")).split("; ");
  for (const name of ["unspecified", "lax", "strict"]) same(cookies.includes(`samesite-${name}=9`), true, name);
  (await open("/set-cookies-samesite?clear&value=9")).close();
});

check("a script cannot ask by hand", async () => {
  const request = new XMLHttpRequest();
  request.open("GET", "/websockets/security/check.py");
  request.setRequestHeader("Sec-WebSocket-Key", "jW7qmdXFu2mIXVTPk5XfUQ==");
  request.send();
  await next(request, "load");
  same(request.responseText, "PASS", "what the server saw");
});

check("a frame that goes away takes its socket with it, and the next one works", async () => {
  const frame = document.createElement("iframe");
  document.body.append(frame);
  const socket = new frame.contentWindow.WebSocket(`${BASE}/echo`);
  await new Promise((resolve) => {
    socket.onopen = () => { frame.remove(); resolve(); };
  });
  (await open("/echo")).close();
});
