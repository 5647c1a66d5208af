"""Event streams and answers in gzip, decoded by curl, Python's zlib and Node's fetch (undici).

Each event has to be there before the next one is published: a decoder that waits for more bytes hangs here.
"""

import http.client
import json
import subprocess
import sys
import urllib.parse
import zlib

PATIENCE = 60
LINE = '{"type":"order","state":"shipped","item":"blue chair","price":%d}'
TEXTS = ["short", LINE % 1 * 20, "again", LINE % 2 * 200, "ü€😀" * 500]

failed = 0


def check(name, run):
    global failed
    try:
        told = run()
        print(f"ok    {name}{': ' + told if told else ''}")
        return 1
    except Exception as error:  # pylint: disable=broad-except
        failed += 1
        print(f"FAIL  {name}: {type(error).__name__} {error}")
        return 0


def publish(address, channel, text):
    connection = http.client.HTTPConnection(address, timeout=PATIENCE)
    connection.request("POST", f"/v1/channels/{channel}", text.encode())
    answer = connection.getresponse()
    assert answer.status == 200, answer.status
    answer.read()


def get(address, target, accept):
    """The response, and its body as it came."""
    connection = http.client.HTTPConnection(address, timeout=PATIENCE)
    connection.request("GET", target, headers={"Accept-Encoding": accept})
    answer = connection.getresponse()
    return answer, answer.read()


def until(read, wanted):
    """Reads until `wanted` has come."""
    text = b""
    while wanted not in text:
        more = read()
        assert more, f"the stream ended before {wanted[:40]}"
        text += more
    return text


def python_streams(address):
    """One stream in gzip and one without, read beside each other."""
    decoder, channel = zlib.decompressobj(16 + zlib.MAX_WBITS), "python"
    answers = []
    for accept in ("gzip", "identity"):
        connection = http.client.HTTPConnection(address, timeout=PATIENCE)
        connection.request("GET", f"/v1/sse?channel={channel}", headers={"Accept-Encoding": accept})
        answers.append(connection.getresponse())
    coded, plain = answers
    assert coded.headers["Content-Encoding"] == "gzip" and plain.headers["Content-Encoding"] is None
    assert all("Accept-Encoding" in it.headers["Vary"] for it in answers)
    sizes = [0, 0]

    def read_coded():
        # The header of the member has no text.
        while wire := coded.read1(65536):
            sizes[0] += len(wire)
            if text := decoder.decompress(wire):
                return text
        return b""

    def read_plain():
        text = plain.read1(65536)
        sizes[1] += len(text)
        return text

    until(read_coded, b"retry:"), until(read_plain, b"retry:")
    sizes[:] = [0, 0]
    for text in TEXTS:
        publish(address, channel, text)
        end = f"data: {text}\n\n".encode()
        events = [until(read, end).split(b"id: ")[-1] for read in (read_coded, read_plain)]
        assert events[0] == events[1], "the same event"
    assert sizes[0] * 4 < sizes[1], sizes
    return f"{sizes[0]} bytes for {sizes[1]}"


def curl_stream(address):
    url = f"http://{address}/v1/sse?channel=curl"
    command = ["curl", "-sSN", "--compressed", "--max-time", str(PATIENCE), url]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as curl:
        try:
            until(lambda: curl.stdout.read1(65536), b"retry:")
            for text in TEXTS:
                publish(address, "curl", text)
                until(lambda: curl.stdout.read1(65536), f"data: {text}\n\n".encode())
        finally:
            curl.terminate()


def curl_answers(address):
    for target in ("/v1/channels/curl/history", "/v1/poll?channel=curl&cursor=earliest", "/", "/metrics"):
        url = f"http://{address}{target}"
        say = "\n%{size_download} %header{content-encoding} %header{vary}"
        run = lambda *more: subprocess.run(
            ["curl", "-sS", "--max-time", str(PATIENCE), "-w", say, *more, url], check=True, stdout=subprocess.PIPE
        ).stdout.decode().rpartition("\n")
        coded, plain = run("--compressed"), run()
        size, coding, *vary = coded[2].split(" ", 2)
        assert coding == "gzip" and (target == "/metrics" or "Accept-Encoding" in vary[0]), (target, coded[2])
        assert int(size) * 2 < len(plain[0].encode()), (target, size)
        assert target == "/metrics" or coded[0] == plain[0], f"{target}: another text"


def conditional(address):
    for target in ("/v1/channels/curl/history", "/v1/poll?channel=curl&cursor=earliest"):
        for accept in ("gzip", "identity"):
            first, body = get(address, target, accept)
            assert first.status == 200 and body
            tag = first.headers["ETag"]
            for other in ("gzip", "identity"):
                connection = http.client.HTTPConnection(address, timeout=PATIENCE)
                headers = {"Accept-Encoding": other, "If-None-Match": tag}
                connection.request("GET", target, headers=headers)
                again = connection.getresponse()
                assert (again.status, again.read()) == (304, b""), (target, accept, other)


def waiting_poll(address):
    connection = http.client.HTTPConnection(address, timeout=PATIENCE)
    connection.request("GET", "/v1/poll?channel=poll&cursor=earliest&wait=30", headers={"Accept-Encoding": "gzip"})
    publish(address, "poll", TEXTS[3])
    answer = connection.getresponse()
    assert answer.headers["Content-Encoding"] == "gzip"
    body = json.loads(zlib.decompress(answer.read(), 16 + zlib.MAX_WBITS))
    assert body["messages"][0]["data"] == TEXTS[3]


def node(address, script):
    command = ["node", script, f"http://{address}", json.dumps(TEXTS)]
    done = subprocess.run(command, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=PATIENCE)
    assert done.returncode == 0, done.stdout.decode()


def main():
    address, script = urllib.parse.urlsplit(sys.argv[1]).netloc, sys.argv[2]
    passed = check("Python zlib, a stream in gzip beside one without", lambda: python_streams(address))
    passed += check("curl --compressed, each event at once", lambda: curl_stream(address))
    passed += check("curl --compressed, answers and pages", lambda: curl_answers(address))
    passed += check("a tag of either form is known by both", lambda: conditional(address))
    passed += check("a poll that waited", lambda: waiting_poll(address))
    passed += check("Node's fetch, each event at once, and a page", lambda: node(address, script))
    print(f"gzip: {passed} passed, {failed} failed")
    return failed > 0


sys.exit(main())
