"""Runtime half of the Python 3 port of autobahntestsuite (installed as
``autobahntestsuite/_py3.py`` by ``port_suite.py``).

The suite is Python 2 code in which ``str`` is a byte string.  The port keeps
that model: inside the suite a *native string* is a ``str`` in which every
character U+0000..U+00FF stands for one octet.  Strings cross into the
WebSocket engine (autobahn, which wants ``bytes`` on Python 3) in exactly one
place, the methods below, with a strict ISO-8859-1 encode/decode.  A character
above U+00FF raises UnicodeEncodeError instead of reaching the wire changed.
"""
import binascii as _binascii
import builtins
import codecs
import os


# --------------------------------------------------------------- conversions

def to_bytes(value):
    """Native string (or bytes) -> bytes.  Strict: one character, one octet."""
    if isinstance(value, str):
        return value.encode("latin-1")
    if value is None:
        return None
    return bytes(value)


def to_native(value):
    """bytes -> native string; anything else is returned as it is."""
    if isinstance(value, (bytes, bytearray)):
        return bytes(value).decode("latin-1")
    return value


def to_text(value):
    """Native string or bytes -> readable text for reports (never for the wire)."""
    if isinstance(value, (bytes, bytearray)):
        return bytes(value).decode("utf-8", "backslashreplace")
    if isinstance(value, str):
        try:
            return value.encode("latin-1").decode("utf-8")
        except UnicodeError:
            return value
    return value


def same(a, b):
    """Structural, type-strict equality.

    Stands in for the comparison of pickles in the suite: pickles also depend
    on object identity (memoisation), which differs between Python versions.
    """
    if type(a) is not type(b):
        return False
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b))
    return a == b


class binascii:
    """The two functions the suite uses; native strings in, hex text out."""

    @staticmethod
    def b2a_hex(data):
        return _binascii.b2a_hex(to_bytes(data)).decode("ascii")

    hexlify = b2a_hex


class pkg_resources:
    """The one function of pkg_resources the suite uses."""

    @staticmethod
    def resource_filename(package, path):
        assert package == __package__, package
        return os.path.join(os.path.dirname(os.path.abspath(__file__)), *path.split("/"))


# ------------------------------------------- accelerated engine primitives
# autobahn's pure Python masking and UTF-8 validation run octet by octet.  The
# classes below have the same interface and the same results (see selftest,
# which compares them with the originals), without a compiler being needed.

class XorMaskerNull(object):

    def __init__(self, mask=None):
        self.ptr = 0

    def pointer(self):
        return self.ptr

    def reset(self):
        self.ptr = 0

    def process(self, data):
        self.ptr += len(data)
        return data


class XorMasker(object):

    def __init__(self, mask):
        assert len(mask) == 4
        self.mask = bytes(mask)
        self.ptr = 0

    def pointer(self):
        return self.ptr

    def reset(self):
        self.ptr = 0

    def process(self, data):
        n = len(data)
        k = self.ptr & 3
        pad = ((self.mask[k:] + self.mask[:k]) * (n // 4 + 1))[:n]
        self.ptr += n
        return (int.from_bytes(data, "little") ^ int.from_bytes(pad, "little")).to_bytes(n, "little")


def createXorMasker(mask, length=None):
    return XorMasker(mask)


def make_validator(slow_class):
    """Fast path with the codec of the interpreter; the table driven validator
    of autobahn says exactly where an invalid sequence breaks."""

    class Utf8Validator(object):

        def __init__(self):
            self.reset()

        def reset(self):
            self.decoder = codecs.getincrementaldecoder("utf-8")("strict")
            self.i = 0
            self.bad = False

        def validate(self, chunk):
            chunk = to_bytes(chunk)
            if self.bad:
                return not chunk, False, 0, self.i
            pending = self.decoder.getstate()[0]
            try:
                self.decoder.decode(chunk)
            except UnicodeDecodeError:
                pass
            else:
                self.i += len(chunk)
                rest = self.decoder.getstate()[0]
                # fail fast is judged octet by octet: what the codec still
                # holds back must be the start of some valid sequence
                if not rest or slow_class().validate(rest)[0]:
                    return True, not rest, len(chunk), self.i
                self.i -= len(chunk)
            slow = slow_class()
            slow.validate(pending)
            res = slow.validate(chunk)
            assert not res[0]
            self.bad = True
            self.i += res[2]
            return False, False, res[2], self.i

    return Utf8Validator


def patch_engine():
    """Must run before autobahn.websocket.protocol is imported."""
    from autobahn.websocket import utf8validator, xormasker
    if not hasattr(utf8validator, "_original"):
        utf8validator._original = utf8validator.Utf8Validator
        utf8validator.Utf8Validator = make_validator(utf8validator._original)
        xormasker._original = xormasker.createXorMasker
        xormasker.createXorMasker = createXorMasker
        xormasker.XorMaskerNull = XorMaskerNull


# ------------------------------------------------------------ report writing

class _TextFile(object):
    """File for reports: UTF-8 text, but writing bytes works as well."""

    def __init__(self, path, mode):
        self._f = builtins.open(path, mode, encoding="utf-8", errors="backslashreplace")

    def write(self, data):
        self._f.write(data.decode("utf-8", "replace") if isinstance(data, bytes) else data)

    def close(self):
        self._f.close()


def _open(path, mode="r"):
    return _TextFile(path, mode) if "w" in mode else builtins.open(path, mode)


def _bin_log_data(data, maxlen=64):
    data = to_bytes(data)
    more = " ..."
    if len(data) > maxlen - len(more):
        return binascii.b2a_hex(data[:maxlen]) + more
    return binascii.b2a_hex(data)


def _ascii_log_data(data, maxlen=64, replace=False):
    data = to_bytes(data)
    more = b" ..."
    shown = data[:maxlen] + more if len(data) > maxlen - len(more) else data
    try:
        return shown.decode("utf-8", "replace" if replace else "strict")
    except UnicodeDecodeError:
        return "0x" + _bin_log_data(data, maxlen)


# --------------------------------------- compressing the same payloads once
# Most of the suite's time would go into compressing the messages of 12.* and 13.*.  They
# and the compressor's settings are the same in many cases, so its output is remembered.

class Recording(object):
    """Keeps what the messages of a case compress to, once the case has sent them all."""

    def __init__(self, case, pmce, keep):
        self.case, self.keep, self.messages = case, keep, []
        self.compress, self.end = pmce.compressMessageData, pmce.endCompressMessage
        pmce.compressMessageData, pmce.endCompressMessage = self.compress_data, self.end_message

    def compress_data(self, data):
        self.head = self.compress(data)
        return self.head

    def end_message(self):
        tail = self.end()
        self.messages.append((self.case._expected_hash, self.head + tail))
        if len(self.messages) == self.case.COUNT:
            self.keep(self.messages)
        return tail


class Replay(object):
    """Stands in for the compressor; the message's SHA-1 must be that of the recorded one."""

    def __init__(self, case, pmce, messages):
        self.case, self.messages = case, iter(messages)
        pmce.startCompressMessage = lambda: None
        pmce.compressMessageData = lambda data: b""
        pmce.endCompressMessage = self.end_message

    def end_message(self):
        digest, compressed = next(self.messages)
        if digest != self.case._expected_hash:
            raise AssertionError("the messages of this case are not the recorded ones")
        return compressed


class DeflateMemo(object):
    """The recordings of one file of test data (at most some 220 MB)."""

    def __init__(self):
        self.file = None
        self.recordings = {}

    def attach(self, case):
        pmce = case.p._perMessageCompress
        if pmce is None:
            return
        if case.TESTDATA["file"] != self.file:
            self.file = case.TESTDATA["file"]
            self.recordings = {}
        own = "server" if pmce._isServer else "client"
        key = (case.LEN, case.COUNT, pmce.mem_level, getattr(pmce, own + "_no_context_takeover"),
               getattr(pmce, own + "_max_window_bits"))
        if key in self.recordings:
            Replay(case, pmce, self.recordings[key])
        else:
            Recording(case, pmce, lambda messages: self.recordings.__setitem__(key, messages))


def remember_compression(cls, memo):
    on_open = cls.onOpen

    def onOpen(self):
        memo.attach(self)
        on_open(self)

    cls.onOpen = onOpen


# --------------------------------------------------- the one wire boundary

def hook_fuzzing(ns):
    """Called at the end of the suite's ``fuzzing`` module with its globals."""
    ns["open"] = _open
    ns["binLogData"] = _bin_log_data
    ns["asciiLogData"] = _ascii_log_data

    Proto = ns["FuzzingProtocol"]
    Factory = ns["FuzzingFactory"]

    messages = os.environ.get("WSTEST_DEFLATE_MESSAGES")
    memo = DeflateMemo()
    for cls in ns["Cases"]:
        if cls.__name__.startswith(("Case12_", "Case13_")):
            remember_compression(cls, memo)
            if messages:
                cls.COUNT = int(messages)   # not the official 1000, for quick runs
        cls.DESCRIPTION = to_text(cls.DESCRIPTION)
        cls.EXPECTATION = to_text(cls.EXPECTATION)

    class Boundary(object):

        # suite -> engine
        def sendFrame(self, opcode, payload=b"", fin=True, rsv=0, mask=None,
                      payload_len=None, chopsize=None, sync=False):
            return self._engine.sendFrame(self, opcode, to_bytes(payload), fin, rsv, to_bytes(mask),
                                          payload_len, chopsize, sync)

        def sendMessage(self, payload, *args, **kwargs):
            return self._engine.sendMessage(self, to_bytes(payload), *args, **kwargs)

        def sendMessageFrameData(self, payload, sync=False):
            return self._engine.sendMessageFrameData(self, to_bytes(payload), sync)

        def sendCloseFrame(self, code=None, reasonUtf8=None, isReply=False):
            return self._engine.sendCloseFrame(self, code, to_bytes(reasonUtf8), isReply)

        # engine -> suite
        def _onMessage(self, payload, isBinary):
            if not getattr(self, "runCase", None) and not isBinary:
                self.onMessage(payload.decode("utf-8"), isBinary)
            else:
                self.onMessage(to_native(payload), isBinary)

        def _onPong(self, payload):
            self.onPong(to_native(payload))

    for name in ("FuzzingServerProtocol", "FuzzingClientProtocol"):
        cls = ns[name]
        engine = cls.__mro__[cls.__mro__.index(Proto) + 1]
        assert engine.__module__ == "autobahn.twisted.websocket", engine
        cls._engine = engine
        for attr, fun in vars(Boundary).items():
            if callable(fun):
                assert attr not in vars(cls) and hasattr(engine, attr), attr
                setattr(cls, attr, fun)

    log_rx_frame = Proto.logRxFrame

    def logRxFrame(self, frameHeader, payload):
        # the engine drops the payload list once it has failed the connection
        parts = [to_native(x) for x in payload or ()] if self.createWirelog else []
        log_rx_frame(self, frameHeader, parts)

    Proto.logRxFrame = logRxFrame

    connection_lost = Proto.connectionLost

    def connectionLost(self, reason):
        for attr in ("http_request_data", "http_response_data", "localCloseReason"):
            if hasattr(self, attr):
                setattr(self, attr, to_native(getattr(self, attr)))
        connection_lost(self, reason)

    Proto.connectionLost = connectionLost

    log_case = Factory.logCase

    def logCase(self, caseResults):
        for key in ("httpRequest", "httpResponse", "localCloseReason"):
            caseResults[key] = to_text(caseResults[key])
        log_case(self, caseResults)

    Factory.logCase = logCase
