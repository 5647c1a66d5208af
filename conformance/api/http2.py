"""A client of HTTP/2 (h2 of python-hyper), with prior knowledge or over TLS.

It asks what `Hub.ask` asks, and answers in the same form, as a gateway does: a request for a WebSocket is an
extended CONNECT (RFC 8441), and what agrees to it is a 101.
"""
import base64
import hashlib
import http.client
import socket
import ssl

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions
import h2.settings

# Fields that say something of a connection of HTTP/1.1 only (RFC 9113 section 8.2.2), or of its handshake.
OF_HTTP1 = {"connection", "upgrade", "host", "sec-websocket-key"}
ACCEPT = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Client:
    """One connection, for one request after the other; a new one where the server has ended the last."""

    def __init__(self, host, port, ca, seconds_max):
        self.host, self.port, self.ca, self.seconds_max = host, port, ca, seconds_max
        self.socket = None
        self.connections = self.requests = 0

    def ask(self, method, target, headers, body):
        """(status, pairs of names and values, body); of what has no end, a first piece."""
        try:
            return self._ask(method, target, headers, body)
        except Unprocessed:
            self.close()
            return self._ask(method, target, headers, body)
        except Exception:
            # The next request has a connection of its own.
            self.close()
            raise

    def close(self):
        if self.socket is not None:
            self.socket.close()
            self.socket = None

    def _connect(self):
        self.connections += 1
        plain = socket.create_connection((self.host, self.port), self.seconds_max)
        if self.ca is None:
            self.socket = plain
        else:
            context = ssl.create_default_context(cafile=self.ca)
            context.set_alpn_protocols(["h2", "http/1.1"])
            self.socket = context.wrap_socket(plain, server_hostname="localhost")
            if self.socket.selected_alpn_protocol() != "h2":
                raise ValueError(f"ALPN chose {self.socket.selected_alpn_protocol()}")
        # What is wrong in a request is for the server to find.
        config = h2.config.H2Configuration(client_side=True, header_encoding=None, validate_outbound_headers=False,
                                           normalize_outbound_headers=False)
        self.protocol = h2.connection.H2Connection(config)
        self.protocol.initiate_connection()
        self.agreed, self.going = False, None
        while not self.agreed:
            self._events()

    def _events(self):
        """Sends what waits, and takes in what comes."""
        self.socket.sendall(self.protocol.data_to_send())
        data = self.socket.recv(65536)
        if not data:
            raise ConnectionError("the server has ended the connection")
        events = self.protocol.receive_data(data)
        for event in events:
            self.agreed |= isinstance(event, h2.events.RemoteSettingsChanged)
            if isinstance(event, h2.events.ConnectionTerminated):
                self.going = event
        return events

    def _ask(self, method, target, headers, body):
        if self.socket is None or self.going:
            self.close()
            self._connect()
        self.requests += 1
        names = {name.lower(): value for name, value in headers.items()}
        is_socket = method == "GET" and names.get("upgrade") == "websocket"
        stream = self.protocol.get_next_available_stream_id()
        fields = self._fields(method, target, names, is_socket)
        if body is not None:
            fields.append((b"content-length", str(len(body)).encode()))
        is_whole = not body and not is_socket
        self.protocol.send_headers(stream, fields, end_stream=is_whole)
        answer = Answer()
        rest = b"" if is_whole else body or b""
        while not is_whole and not answer.is_over and (rest or not is_socket):
            most = min(self.protocol.local_flow_control_window(stream), self.protocol.max_outbound_frame_size)
            piece, rest = rest[:most], rest[most:]
            if piece or not rest:
                self.protocol.send_data(stream, piece, end_stream=not rest)
            if not rest:
                break
            self._hear(stream, answer)
        while not answer.is_enough(method, is_socket):
            self._hear(stream, answer)
        if not answer.is_over:
            self.protocol.reset_stream(stream, h2.errors.ErrorCodes.CANCEL)
        self.socket.sendall(self.protocol.data_to_send())
        return answer.in_http1(is_socket, names)

    def _fields(self, method, target, names, is_socket):
        scheme = b"http" if self.ca is None else b"https"
        name = self.host if self.ca is None else "localhost"
        fields = [(b":method", b"CONNECT" if is_socket else method.encode()), (b":scheme", scheme),
                  (b":authority", f"{name}:{self.port}".encode()), (b":path", target.encode("latin-1"))]
        fields += [(b":protocol", b"websocket")] if is_socket else []
        for name, value in names.items():
            if name not in OF_HTTP1:
                value = value.encode("latin-1") if isinstance(value, str) else value
                # HTTP/1.1 takes the space around a value for none of it; HTTP/2 has no place for it.
                fields.append((name.encode("latin-1"), value.strip(b" \t")))
        return fields

    def _hear(self, stream, answer):
        for event in self._events():
            if getattr(event, "stream_id", None) == stream:
                answer.hear(event)
            if isinstance(event, h2.events.DataReceived):
                self.protocol.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        if self.going and answer.status is None:
            # An idle connection ends at any time (RFC 9113 section 6.8).
            is_unprocessed = self.going.last_stream_id < stream and self.going.error_code == 0
            raise Unprocessed() if is_unprocessed else ConnectionError(f"the server goes away: {self.going}")


class Unprocessed(Exception):
    """The server goes away, and has not looked at the request."""


class Answer:
    """What came on a stream."""

    def __init__(self):
        self.status, self.pairs, self.body, self.is_over = None, [], b"", False

    def hear(self, event):
        match event:
            case h2.events.ResponseReceived():
                self.status = int(dict(event.headers)[b":status"])
                self.pairs = [(name.decode(), value.decode("latin-1")) for name, value in event.headers
                              if not name.startswith(b":")]
            case h2.events.DataReceived():
                self.body += event.data
            case h2.events.StreamEnded():
                self.is_over = True
            case h2.events.StreamReset() if not (self.is_over and event.error_code == h2.errors.ErrorCodes.NO_ERROR):
                raise http.client.HTTPException(f"the stream is reset: {event.error_code!r}")

    def is_enough(self, method, is_socket):
        if self.is_over or self.status is None:
            return self.is_over
        if is_socket and 200 <= self.status < 300:
            return True
        is_stream = dict(self.pairs).get("content-type") == "text/event-stream" and self.status == 200
        return is_stream and (method != "GET" or self.body != b"")

    def in_http1(self, is_socket, asked):
        if is_socket and self.status == 200:
            accept = base64.b64encode(hashlib.sha1(asked["sec-websocket-key"].encode() + ACCEPT).digest()).decode()
            return 101, [*self.pairs, ("connection", "Upgrade"), ("upgrade", "websocket"),
                         ("sec-websocket-accept", accept)], b""
        return self.status, self.pairs, self.body
