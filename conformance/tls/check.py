"""Starts the program with a certificate of its own making, and has clients of others use it over TLS."""

import http.client
import itertools
import re
import select
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading

import acme

PATIENCE_S = 60
SUITE_PATIENCE_S = 600
CASES_MIN = 500

NODE = """
import { request } from 'node:https';
import { readFileSync } from 'node:fs';
const [base, ca] = process.argv.slice(2);
const options = { ca: readFileSync(ca), agent: false };
const publish = () => {
  const posting = request(`${base}/v1/channels/node`, { ...options, method: 'POST' }, (answer) => answer.resume());
  posting.end('from node');
};
const events = request(`${base}/v1/sse?channel=node`, options, (stream) => {
  const { authorized, alpnProtocol } = stream.socket;
  let text = '';
  stream.on('data', (bytes) => {
    text += bytes;
    if (text.includes('$sync') && !text.includes('from node')) publish();
    if (text.includes('from node')) {
      console.log(authorized, alpnProtocol);
      process.exit(0);
    }
  });
});
events.end();
"""


class Server:
    """The program on a free port."""

    def __init__(self, program, certificates):
        command = [program, "serve", "--listen", "127.0.0.1:0"]
        command += ["--cert", f"{certificates}/cert.pem", "--key", f"{certificates}/key.pem"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        self.port = int(re.search(r" https://127\.0\.0\.1:(\d+)$", line.strip()).group(1))
        threading.Thread(target=self.process.stdout.read, daemon=True).start()

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(PATIENCE_S)
        assert status == 0, f"the server ended with status {status}"


class Tunnel:
    """A port without TLS whose connections go to the server with TLS."""

    def __init__(self, port, context):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port = self.listener.getsockname()[1]
        self.server = port
        self.context = context
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            client, _ = self.listener.accept()
            threading.Thread(target=self.connect, args=(client,), daemon=True).start()

    def connect(self, client):
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        plain = socket.create_connection(("127.0.0.1", self.server))
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        Session(client, plain, self.context).run()


class Session:
    """A TLS session in memory between two sockets, driven by one thread."""

    def __init__(self, client, server, context):
        self.client, self.server = client, server
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname="localhost")
        self.client_ended = self.server_ended = False

    def flush(self):
        if data := self.outgoing.read():
            self.server.sendall(data)

    def run(self):
        try:
            self.handshake()
            while not (self.client_ended and self.server_ended):
                wanted = [] if self.client_ended else [self.client]
                wanted += [] if self.server_ended else [self.server]
                for end in select.select(wanted, [], [])[0]:
                    self.from_client() if end is self.client else self.from_server()
        except (OSError, ssl.SSLError):
            pass
        finally:
            self.client.close()
            self.server.close()

    def handshake(self):
        while True:
            try:
                self.tls.do_handshake()
                return self.flush()
            except ssl.SSLWantReadError:
                self.flush()
                self.feed()

    def feed(self):
        if data := self.server.recv(65_536):
            self.incoming.write(data)
        else:
            self.incoming.write_eof()

    def from_client(self):
        try:
            data = self.client.recv(65_536)
        except ConnectionResetError:
            self.server.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            raise
        if data:
            self.tls.write(data)
        else:
            self.client_ended = True
            try:
                self.tls.unwrap()
            except ssl.SSLError:
                pass
        self.flush()
        if self.client_ended:
            self.server.shutdown(socket.SHUT_WR)

    def from_server(self):
        self.feed()
        while True:
            try:
                data = self.tls.read(65_536)
            except ssl.SSLWantReadError:
                break
            except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                data = b""
            if not data:
                self.server_ended = True
                self.client.shutdown(socket.SHUT_WR)
                break
            self.client.sendall(data)
        self.flush()


def run(command, stdin=None, patience=PATIENCE_S):
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=patience)
    return done.returncode, done.stdout + done.stderr


def check_curl(base, ca, arguments):
    status, text = run(["curl", "-sS", "--fail", "--noproxy", "*", "--http1.1", "--cacert", ca, *arguments, f"{base}/healthz"])
    assert (status, text) == (0, "ok\n"), (status, text)


def check_http2(base, ca):
    command = ["curl", "-sS", "--fail", "--noproxy", "*", "--cacert", ca, "-w", "%{http_version}"]
    status, text = run([*command, f"{base}/healthz", f"{base}/v1/position"])
    assert status == 0 and text.startswith("ok\n2") and text.endswith("2"), (status, text)


def check_curl_refuses(base):
    status, text = run(["curl", "-sS", "--noproxy", "*", f"{base}/healthz"])
    assert status == 60, (status, text)


def check_openssl(port, ca, version):
    request = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-servername", "localhost", "-CAfile", ca]
    status, text = run([*command, version, "-alpn", "http/1.1", "-verify_return_error", "-ign_eof"], request)
    assert status == 0, text
    for words in ("Verify return code: 0 (ok)", "ALPN protocol: http/1.1", "\r\n\r\nok\n"):
        assert words in text or words.replace("\r\n", "\n") in text, (words, text)
    assert "unexpected eof" not in text, text


def check_no_old_version(port):
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-tls1_1", "-cipher", "ALL:@SECLEVEL=0"]
    status, text = run(command, "")
    assert status != 0 and "SSL alert number" in text and "Cipher is (NONE)" in text, text


def check_no_renegotiation(port, ca):
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-CAfile", ca, "-tls1_2"]
    status, text = run(command, "R\n")
    assert "no renegotiation" in text or "no_renegotiation" in text, text


def check_tickets(port, ca, version, directory):
    ticket = f"{directory}/ticket{version}"
    request = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-servername", "localhost", "-CAfile", ca]
    status, text = run([*command, version, "-ign_eof", "-sess_out", ticket], request)
    assert status == 0 and "New, " in text, text
    status, text = run([*command, version, "-ign_eof", "-sess_in", ticket], request)
    assert status == 0 and "Reused, " in text, text


def check_node(base, ca, directory):
    path = f"{directory}/client.mjs"
    with open(path, "w") as file:
        file.write(NODE)
    status, text = run(["node", path, base, ca])
    assert status == 0 and text.startswith("true "), (status, text)


def check_python(port, context):
    connection = http.client.HTTPSConnection("localhost", port, context=context, timeout=PATIENCE_S)
    for number in range(20):
        connection.request("POST", "/v1/channels/python", body=f"message {number}")
        answer = connection.getresponse()
        assert answer.status == 200, (answer.status, answer.read())
        answer.read()
    connection.request("GET", "/v1/channels/python/history")
    answer = connection.getresponse()
    text = answer.read().decode()
    assert "message 0" in text and "message 19" in text, text
    connection.close()


def check_plain_http(port):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    connection.request("GET", "/")
    answer = connection.getresponse()
    assert answer.status == 400 and b"https://" in answer.read()


def check_noise(port):
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as noise:
        noise.sendall(b"\0\1\2\3\4\5\6\7")
        noise.shutdown(socket.SHUT_WR)
        alert = noise.recv(100)
        assert alert[:1] == b"\x15", alert


def check_strict(suite, port, context):
    tunnel = Tunnel(port, context)
    base = f"127.0.0.1:{tunnel.port}"
    command = [suite, f"ws://{base}/echo", "--sse", f"http://{base}/clock"]
    status, text = run(command, patience=SUITE_PATIENCE_S)
    counted = re.search(r"(\d+) passed, 0 failed", text)
    assert status == 0 and counted and int(counted.group(1)) >= CASES_MIN, text[-3_000:]
    return int(counted.group(1))


def main():
    program, suite, *only = sys.argv[1:]
    passed = failed = 0
    with tempfile.TemporaryDirectory() as directory:
        certificates = f"{directory}/dev"
        subprocess.run([program, "cert", "--out", certificates], check=True, stdout=subprocess.DEVNULL)
        ca = f"{certificates}/ca.pem"
        server = Server(program, certificates)
        base, port = f"https://localhost:{server.port}", server.port
        context = ssl.create_default_context(cafile=ca)
        context.set_alpn_protocols(["http/1.1"])
        checks = [
            ("curl, TLS 1.2", lambda: check_curl(base, ca, ["--tlsv1.2", "--tls-max", "1.2"])),
            ("curl, TLS 1.3", lambda: check_curl(base, ca, ["--tlsv1.3"])),
            ("curl, HTTP/2", lambda: check_http2(base, ca)),
            ("curl trusts nobody unasked", lambda: check_curl_refuses(base)),
            ("openssl, TLS 1.2", lambda: check_openssl(port, ca, "-tls1_2")),
            ("openssl, TLS 1.3", lambda: check_openssl(port, ca, "-tls1_3")),
            ("no TLS 1.1", lambda: check_no_old_version(port)),
            ("no renegotiation", lambda: check_no_renegotiation(port, ca)),
            ("tickets, TLS 1.2", lambda: check_tickets(port, ca, "-tls1_2", directory)),
            ("tickets, TLS 1.3", lambda: check_tickets(port, ca, "-tls1_3", directory)),
            ("Node: publish and subscribe", lambda: check_node(base, ca, directory)),
            ("Python: publish and read", lambda: check_python(port, context)),
            ("plain HTTP is told", lambda: check_plain_http(port)),
            ("noise gets an alert", lambda: check_noise(port)),
            ("the strict suite through TLS", lambda: check_strict(suite, port, context)),
            ("the server ends in good order", server.end),
        ]
        for name, check in checks if only else itertools.chain(checks, acme.checks(program)):
            if only and name not in only:
                continue
            try:
                count = check()
            except Exception as why:  # noqa: BLE001: any is a failure of this check
                failed += 1
                print(f"  FAIL {name}: {type(why).__name__}: {why}", flush=True)
            else:
                passed += count or 1
                print(f"  ok   {name}", flush=True)
        if server.process.poll() is None:
            server.process.kill()
    print(f"tls: {passed} passed, {failed} failed")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
