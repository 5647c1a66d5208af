// Types of sockeye.js. What each thing means is in README.md, and in docs/protocol.md what lies behind it.

export type Transport = "websocket" | "sse" | "poll";

/** What to show the server: one of these, or null for nothing. A ticket is used once. */
export type Credentials = { token: string } | { ticket: string } | { apiKey: string } | null;

/** Why credentials are asked for. */
export interface CredentialsRequest {
  /** `first`, `ticket` (another one, as each is used once), or the server's word: `expired`, `revoked`, … */
  reason: string;
  /** The number that came with the server's word. */
  code?: number;
  /** Aborted when nobody waits for the answer any more. */
  signal: AbortSignal;
}

/** Times, in milliseconds. */
export interface Times {
  /** For a transport to get through: 10,000. */
  openMs: number;
  /** After which an event stream without a heartbeat is given up: 60,000. */
  silenceMs: number;
  /** For which a poll is held: 25,000, and 60,000 at the most. 0 polls every `shortPollMs`. */
  pollMs: number;
  /** Between two polls that are not held: 1,000. */
  shortPollMs: number;
  /** Bound of the first random wait, which doubles with each failure: 500. */
  retryMs: number;
  /** Where the doubling ends: 30,000. */
  retryMaxMs: number;
  /** After which a transport that did not get through is tried again; it doubles up to 16 minutes: 60,000. */
  againMs: number;
  /** For `credentials` to answer: 30,000. */
  credentialsMs: number;
  /** After which a publication without an answer fails: 30,000. */
  publishMs: number;
}

export interface SockeyeOptions {
  /** Asked before the first connection, and whenever the server wants others. If it throws, it is asked again later. */
  credentials?: (request: CredentialsRequest) => Credentials | undefined | Promise<Credentials | undefined>;
  /** Sends cookies to another site's server, too. */
  withCredentials?: boolean;
  /** In the order in which they are tried: all three. */
  transports?: Iterable<Transport>;
  /** For Node before 22, which has none: that of the package `ws`. Without one there are the other transports. */
  WebSocket?: unknown;
  times?: Partial<Times>;
}

/** A publication. */
export interface Message<T = any> {
  type: "message";
  channel: string;
  /** Its place in the log. */
  cursor: string;
  /** Milliseconds since 1970. */
  time: number;
  event?: string;
  /** A string, if text was published, and otherwise the JSON value. */
  data: T;
}

/** Messages may be missing: load your state anew. */
export interface Gap {
  type: "gap";
  /** Where they may be missing: a channel, a pattern, or all that is subscribed. */
  channel?: string;
  pattern?: string;
  all?: true;
  /** `epoch`, `ahead`, `forked`, `trimmed`, `limit` or `unreadable`. */
  reason: string;
  missed?: { after: number; through: number };
  ended?: boolean;
}

/** All that was missed has come, but for gaps; what follows is live. */
export interface Sync {
  type: "sync";
  cursor: string;
  recovered: boolean;
  gaps: number;
  replayed: number;
}

/** Nothing more will come in this channel. */
export interface End {
  type: "end";
  channel: string;
}

/** The server does not give this channel. */
export interface Refused {
  type: "refused";
  channel: string;
  code: string;
  message: string;
}

/** Who is there, or who has come and gone. */
export interface Presence {
  type: "presence";
  channel: string;
  version: number;
  users: number;
  streams: number;
  fresh: boolean;
  joined: string[];
  left: string[];
  more: boolean;
}

export type Item<T = any> = Message<T> | Gap | Sync | End | Refused | Presence;

export interface SubscribeOptions<T = any> {
  /** From where: a cursor, `earliest`, or from now on. */
  cursor?: string | null;
  /** Whether to be told who is there. */
  presence?: boolean;
  /** Takes the items as they come. Without it they wait to be taken by `for await`. */
  onitem?: (item: Item<T>) => void;
  /** How much may wait to be taken: 1,000 items, and 4,194,304 characters. Above it the connection is given up. */
  queue?: { items?: number; chars?: number };
}

export interface Subscription<T = any> extends AsyncIterable<Item<T>> {
  /** What is still subscribed: neither ended nor refused. */
  readonly channels: string[];
  close(): void;
}

type OneOf<T> = T extends unknown ? T & { [K in Exclude<Field, keyof T>]?: undefined } : never;
type Field = "transport" | "ms" | "why" | "code" | "reason" | "error";

/** A field that a state has not is undefined in it, so that it can be taken apart before it is known which one it is. */
export type State = OneOf<
  /** Nothing is subscribed. */
  | { state: "idle" }
  | { state: "connecting"; transport: Transport }
  /** Connected, and catching up. */
  | { state: "resuming"; transport: Transport }
  | { state: "live"; transport: Transport }
  /** Between two attempts. */
  | { state: "waiting"; ms: number; why: string; code?: number; reason?: string }
  /** Too much waits to be taken. */
  | { state: "paused" }
  /** The server does not want it back, or there are no credentials. */
  | { state: "stopped"; error: SockeyeError }
  | { state: "closed" }
>;

export interface Events<T = any> {
  state: State;
  /** The cursor to come back with has changed. */
  cursor: string | null;
  message: Message<T>;
  gap: Gap;
  sync: Sync;
  end: End;
  refused: Refused;
  presence: Presence;
}

export interface PublishOptions {
  event?: string;
  /** A repeat with the same key is published once. Made up if absent; with null there is none, and nothing is sent twice. */
  key?: string | null;
  /** Refuse unless this is the channel's newest message. */
  expect?: number | string;
  ttlMs?: number;
}

export interface Receipt {
  channel: string;
  cursor: string;
  seq: number;
  level: "accepted" | "logged" | "replicated";
  duplicate: boolean;
  subscribers: number;
}

export interface Position {
  cursor: string;
  channels: { channel: string; last: number; floor: number; ended: boolean; messages: number; subscribers: number }[];
}

export interface History<T = any> {
  channel: string;
  cursor: string;
  floor: number;
  messages: Omit<Message<T>, "type">[];
  ended: boolean;
  more: boolean;
}

export interface Members {
  channel: string;
  version: number;
  users: number;
  streams: number;
  members: { user: string; streams: number }[];
  more: boolean;
}

/** A refusal of the server's, or why the client has given up. */
export class SockeyeError extends Error {
  constructor(code: string, message: string, more?: { closeCode?: number; status?: number; cause?: unknown });
  /** One of the protocol's error codes or close reasons, or `closed`, `unanswered`, `bad_credentials`, `too_many_publications`. */
  code: string;
  closeCode?: number;
  status?: number;
}

/** A Sockeye server, as a client sees it. */
export class Sockeye {
  constructor(url: string | URL, options?: SockeyeOptions);
  readonly state: State;
  /** Come back with this: all before it has been taken by those who subscribed it. */
  readonly cursor: string | null;
  on<K extends keyof Events>(kind: K, listener: (event: Events[K]) => void): () => void;
  subscribe<T = any>(channels: string | Iterable<string>, options?: SubscribeOptions<T>): Subscription<T>;
  publish(channel: string, data: unknown, options?: PublishOptions): Promise<Receipt>;
  position(channels: string | Iterable<string>): Promise<Position>;
  history<T = any>(channel: string, page?: { limit?: number; after?: number; before?: number }): Promise<History<T>>;
  present(channel: string, page?: { limit?: number; after?: string }): Promise<Members>;
  /** Ends a channel for everybody. */
  end(channel: string): Promise<Receipt>;
  /** Comes back at once if it is waiting to. */
  reconnect(): void;
  close(): void;
}

/** Reads an event stream, in pieces of any size. */
export class EventStreamParser {
  constructor(options?: { charsMax?: number });
  readonly lastEventId: string;
  readonly retryMs: number | undefined;
  feed(text: string): { event: string; data: string | null; id: string }[];
}
