//! The default configuration file, which `sockeye config default` prints.

/// A configuration file that sets everything to its default, and explains each setting.
pub(crate) const DEFAULT: &str = r#"# Sockeye's configuration: everything here is the default.
# Environment variables win over this file, and flags win over both. SIGHUP has it read again: then all
# takes effect but: listen (with all of [[listen]]), data, backbone, demo, workers, socket_bytes, dead_peer_seconds; whether
# there is [tls] or [tls.acme]; `http` of [tls.acme]; and, with data, a larger message_bytes of channels.

listen = "127.0.0.1:8080"      # or ":8080" (all addresses), or "unix:PATH"; SOCKEYE_LISTEN, --listen

# Keep what is published on disk; without it, messages live in memory only.
# data = "data"                # SOCKEYE_DATA, --data; relative to this file

# One log that several machines share, kept by Redis, Valkey, NATS, Kafka, RabbitMQ or PostgreSQL; not together with `data`.
# [backbone]
# url = "redis://127.0.0.1"    # SOCKEYE_BACKBONE, --backbone; or rediss://, redis-sentinel://HOST,HOST/NAME;
#                              # or nats://HOST,HOST?stream=NAME, tls:// (a program with the feature nats);
#                              # or kafka://HOST,HOST/TOPIC, kafkas:// (a program with the feature kafka);
#                              # or amqp://USER@HOST/VHOST?stream=NAME&keep_bytes=N, amqps:// (a program with the feature amqp);
#                              # or postgres://USER@HOST/DATABASE?table=NAME (a program with the feature postgres)
# password_file = "redis.secret"   # or SOCKEYE_BACKBONE_PASSWORD has the password itself; with NATS the token, if the URL
#                              # names no user
# credentials_file = "node.creds"   # of NATS; or SOCKEYE_BACKBONE_CREDENTIALS has them
# sentinel_user = "ann"
# sentinel_password_file = "sentinel.secret"
# ca_file = "ca.pem"           # the authorities that vouch for the server, with TLS
# replicas = 1                 # that confirm each entry (with NATS, Kafka and RabbitMQ copies of the log); without it as the URL says, or none
# entries = 65536              # that all nodes remember for keys and conditions; alike on all nodes. The log keeps three
#                              # times as many, and a node that starts reads them
# patience_seconds = 5         # how long the server may be silent until it counts as away
# opening_wait_ms = 2000       # how long an opening waits for a cursor that is ahead of this node before it has a gap
# entry_version = 5            # the newest version of entries that this node reads; with that of the former release, nobody writes
#                              # what came since, and the way back to that release stays open
# other_rules = "refuse"       # the log has other entries, message_bytes, key_seconds than this file: do not start; or
#                              # "replace" them there, and nodes with the former ones publish nothing

# Messages of a database or a queue, which are published: docs/sources.md. Any number of these, each with a name.
# [source.shop]
# url = "postgres://USER@HOST/DATABASE?table=sockeye_outbox"   # (a program with the feature postgres); or
#                              # redis://HOST?stream=KEY&group=NAME, redis://HOST?list=KEY&pop=left; rediss://, redis-sentinel://;
#                              # or nats://HOST,HOST?stream=NAME&subject=FILTER&consumer=NAME, tls:// (feature nats);
#                              # or kafka://HOST,HOST?topic=NAME&group=NAME, kafkas:// (feature kafka);
#                              # or amqp://HOST,HOST/VHOST?queue=NAME, amqps:// (feature amqp)
# password_file = "shop.secret"   # or SOCKEYE_SOURCE_SHOP_PASSWORD has the password itself
# credentials_file = "shop.creds"   # of NATS; or SOCKEYE_SOURCE_SHOP_CREDENTIALS has them
# ca_file = "ca.pem"           # the authorities that vouch for the server, with TLS
# channel = "orders:{customer}"   # {customer} is a field, {/a/b} a value in the JSON content; an outbox has its column
# data = "{/payload}"          # what is published, if not the whole content (of a stream: the field data)
# event = "{type}"             # the name of the event
# format = "text"              # or "json"; an outbox has JSON
# publish = ["orders:*"]       # where it may publish; if this is left out, what `channel` can become
# on_bad = "stop"              # a message that can never be published: wait there; or "skip": acknowledge it and go on
# in_flight = 256              # messages that were taken and are not acknowledged, and their bytes
# in_flight_bytes = 4194304
# patience_seconds = 5         # how long the bus may be silent until it counts as away

# Loops that serve together, each on a thread of its own (Linux); one core each, and one log.
workers = 1                    # 1 to 64; SOCKEYE_WORKERS, --workers

# The page at /, /admin, /echo and /clock: there unless there is [access].
# demo = false

# Several listeners, instead of `listen` above:
# [[listen]]
# address = ":443"             # all addresses; or "unix:PATH", relative to this file
# tls = true                   # if this is left out: on TCP if there is [tls], never on a Unix socket
# mode = 0o660                 # permissions of a Unix socket; 0o660 is the default
# proxy_protocol = "v2"        # or "v1": connections begin with a header of this version; needs trusted_proxies
# trusted_proxies = ["10.0.0.0/8"]   # networks of proxies, 64 at most, that name their clients: by that header, or
#                              # else by client_field; "unix:" stands for all peers on a Unix socket
# client_field = "x-forwarded-for"   # the default; or "forwarded" (RFC 7239); with proxy_protocol none by default
# serves = ["channels", "demo", "admin", "metrics", "health"]   # the default; the rest is 404 here

# TLS instead of plain HTTP: on the address of `listen`, or on each [[listen]] as its `tls` says. Changed files are
# noticed within two seconds, and with SIGHUP.
# [tls]
# client_ca = "clients.pem"    # authorities: clients must then show a certificate of one of them
# any_host = false             # true: no 421 for a host for which the certificate shown is not good
#
# [[tls.certificates]]         # one for each name; the first is for clients that ask for no name
# cert = "cert.pem"            # the chain, the server's own first; SOCKEYE_CERT, --cert
# key = "key.pem"              # without a passphrase; SOCKEYE_KEY, --key
#
# [tls.acme]                   # a certificate that the server orders, and renews (RFC 8555)
# directory = "https://acme-v02.api.letsencrypt.org/directory"
# names = ["app.example"]      # no wildcards, no addresses
# contact = "ops@app.example"
# agree_to_terms = true        # you agree to the authority's terms of service
# dir = "acme"                 # accounts and certificate.pem, for one server alone; relative to this file
# challenge = "tls-alpn-01"    # or "http-01": answered on listeners without TLS, and on the port below
# http = ":80"                 # a port that answers http-01 challenges, and nothing else
# ca_file = "ca.pem"           # vouches for the directory, instead of the system's authorities
# retry_seconds = 60           # first wait after an unreachable authority, five times that after other
#                              # failures; doubled with each failure in a row, up to six hours

[http2]                        # over TLS by ALPN, without TLS by prior knowledge; changes are for new connections
enabled = true
streams = 256                  # that a client may have open on one connection; more for a proxy with many clients
window_bytes = 65535           # flow-control window of a stream, 65535 to 2147483647
connection_window_bytes = 1048576   # window of a connection; also the bound on its incomplete requests, and on
                               # its unread answers
head_bytes = 16384             # of a request's decoded fields; each field counts 32 more
head_fields = 100              # each crumb of a cookie is one

[compression]                  # gzip for clients that take it; changes are for new streams
enabled = true
level = 4                      # 1 (fast) to 9 (small)
event_bytes = 256              # shorter events are not compressed; the others once for all event streams
answers = "public"             # to clients without a credential; "all": also to others, which shows whoever can
                               # publish and sees lengths of answers what else is in them; "none"
answer_bytes = 1024            # shorter answers are not compressed

[drain]                        # after SIGTERM, in seconds
accept = 0                     # connections are still accepted, while /readyz says 503
window = 0                     # then streams are told to go, evenly spread over so long
rest = 10                      # and what is left then is cut; SOCKEYE_DRAIN, --drain

[log]                          # on standard error
level = "info"                 # off, error, warn, info, debug, trace; SOCKEYE_LOG, RUST_LOG
format = "text"                # or "json": an object a line; SOCKEYE_LOG_FORMAT

[disk]                         # of the log, with `data`
bytes = 268435456              # messages in all channels together: a part for each namespace, and half for all
channels = 393216              # channels that are remembered, those without a message included

[limits]
connections = 100000           # never more than nine tenths of the descriptors
connections_per_address = 10000
# streams = 100000             # WebSockets, event streams and waiting polls; if not said, as many as connections
connections_per_user = 100     # streams and waiting polls of one user; API keys are not counted
address_percent = 12           # of all streams, handshakes, channels without a message, patterns and
                               # disk_requests: what all strangers from one address may have, and one user; 100 behind
                               # a proxy that is not in trusted_proxies: all its clients have its address
messages_per_second = 100      # commands and publications of one user, or of all strangers from one
                               # address; five times as many at once after a rest; API keys are not counted
requests_per_second = 1000     # polls, pages of history and presence, positions and tickets, counted alike
handshakes_per_second = 2000   # streams opened, all together; five times as many at once after a rest
disk_requests = 4096           # polls and pages of history that wait for the disk, and large requests
                               # that wait for their turn, in each loop
disk_wait_seconds = 10         # and how long one waits at the most
subscriptions_per_stream = 128
channels = 131072
history_bytes = 268435456      # of all channels together
publish_bytes = 65536          # largest body of a request
message_bytes = 16384          # largest WebSocket message from a client
queue_bytes = 65536            # unsent bytes of a stream before it catches up from history; of one answer
socket_bytes = 131072          # and what the system keeps of it beside, on TCP; Linux takes twice as much
dead_peer_seconds = 30         # without any answer of a peer's machine until it is given up, on TCP; 5 to 3600
heartbeat_seconds = 15         # silence on an event stream until a heartbeat, at least 1
ping_seconds = 25              # silence on a WebSocket until a ping, at least 1
lifetime_seconds = 0           # age at which a stream is told to come back, the crowd spread; 0: none

[channels]                     # for namespaces that are not named below
history_messages = 256
history_bytes = 262144
history_seconds = 300
message_bytes = 65536
on_gap = "nothing"             # or "tail": what is left, or "latest": the newest message
on_overrun = "close"           # a slow reader is sent away; or "gap", or "latest"
patterns = false               # whether `*` and `>` may be subscribed
keep_messages = "forever"      # on disk, with `data`: the bounds of a channel; numbers, or "forever"
keep_bytes = 16777216
keep_seconds = 86400
when_full = "refuse"           # no room on disk: 503 `log_full`; or "trim": the namespace's oldest go
# disk_bytes = 1000000         # of [disk] bytes: for this namespace alone
key_seconds = 300              # how long an idempotency key is remembered
presence = false               # whether it is kept who subscribes a channel
presence_seconds = 5           # how long somebody whose last stream has gone is still there
subscribe = "granted"          # who may read: "known": also whoever has shown a credential; "anyone"
publish = "granted"            # who may publish: the same; "keys": API keys, whatever a token grants
compress = true                # false where one message has a secret and text of somebody who must not know it

# The first segment of a channel's name is its namespace: `chat:7` is in `chat`.
# [namespaces.chat]
# history_messages = 1000

# Without [access] everybody may do everything, and the server refuses to serve channels on any address but a
# loopback address or a Unix socket.
# [access]
# subscribe = ["public:>"]     # what everybody may do who shows nothing
# publish = []
# origins = ["https://app.example"]   # pages of other sites that may use it (CORS), and bring the cookie
#
# [[access.api_keys]]          # for back ends: `Authorization: ApiKey …`
# name = "shop"
# sha256 = "…"                 # of the key, in hexadecimal; or `key_file`
# subscribe = [">"]
# publish = [">"]
# tickets = [">"]              # what it may issue tickets for
# disconnect = true            # whether it may end the streams of users
# nodes = true                 # whether it may look at the nodes of a backbone: sockeye nodes
#
# [access.jwt]                 # for users: `Authorization: Bearer …`
# issuer = "https://login.example"
# audience = "sockeye"
# cookie = "session"           # also in this cookie, from pages of the origins above
# query_token = "token"        # also in this parameter of the URL: it ends up in logs
# leeway_seconds = 0           # how far its clock may be off, 60 at the most
# max_age_seconds = 3600       # older ones are refused; then they need `iat`
#
# [[access.jwt.keys]]
# algorithm = "EdDSA"          # or HS256, RS256, ES256: one key, one algorithm
# kid = "2026"
# file = "login.pem"           # PEM of a public key; for HS256 the secret itself
#
# [access.tickets]             # one-time tickets: POST /v1/tickets
# secret_file = "ticket.secret" # the same for all nodes of a backbone
"#;
