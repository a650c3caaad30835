/**
 * Reading a server-sent event stream (HTML Standard, section 9.2.6) with `fetch`, which, unlike EventSource, sends the token in a header.
 *
 * `bedside/client/event_stream.py` is the reader in Python.
 */
import { ClientError } from "./errors.js";

const LONGEST_EVENT = 16 * 1024 * 1024;

/** The stream never ends its event: leave it. */
export class EventTooLong extends ClientError {}

/** The stream was refused with this HTTP status. */
export class StreamRefused extends ClientError {
  constructor(readonly status: number) {
    super(`the hub answered ${status}`);
  }
}

/** `last_id` is the cursor after this event. */
export interface StreamEvent {
  readonly name: string;
  readonly data: string;
  readonly last_id: string;
}

/** Bytes in any pieces become events. Reads one stream after the other: `disconnected` between two, so that the cursor is kept. */
export class EventStreamReader {
  lastId: string;
  retryMilliseconds: number | undefined;
  private decoder = new TextDecoder();
  private rest = "";
  private afterReturn = false;
  private id = "";
  private name = "";
  private data: string[] = [];
  private held = 0;

  constructor({ lastId = "", longestEvent = LONGEST_EVENT }: { lastId?: string; longestEvent?: number } = {}) {
    this.lastId = this.id = lastId;
    this.longestEvent = longestEvent;
  }

  private readonly longestEvent: number;

  /** The connection has ended; another stream follows. */
  disconnected(): void {
    this.decoder = new TextDecoder();
    this.rest = this.name = "";
    this.afterReturn = false;
    this.id = this.lastId;
    this.data = [];
    this.held = 0;
  }

  /** The events that are whole now. Throws EventTooLong. */
  receiveData(bytes: Uint8Array): StreamEvent[] {
    let text = this.rest + this.decoder.decode(bytes, { stream: true }); // which takes a byte order mark away
    if (text && this.afterReturn) {
      text = text.startsWith("\n") ? text.slice(1) : text;
      this.afterReturn = false;
    }
    this.afterReturn = text.endsWith("\r");
    const lines = text.split(/\r\n|\n|\r/);
    this.rest = lines.pop() ?? "";
    const events = lines.map((line) => this.take(line)).filter((event) => event !== undefined);
    if (this.held + this.rest.length > this.longestEvent) throw new EventTooLong(`an event of more than ${this.longestEvent} characters`);
    return events;
  }

  private take(line: string): StreamEvent | undefined {
    if (line === "") return this.dispatch();
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "event") this.name = value;
    if (field === "data") {
      this.data.push(value);
      this.held += value.length + 1;
    }
    if (field === "id" && !value.includes("\0")) this.id = value;
    if (field === "retry" && /^[0-9]+$/.test(value)) this.retryMilliseconds = Number(value);
    return undefined;
  }

  private dispatch(): StreamEvent | undefined {
    this.lastId = this.id;
    const { name, data } = this;
    this.name = "";
    this.data = [];
    this.held = 0;
    return data.length > 0 ? { name: name || "message", data: data.join("\n"), last_id: this.lastId } : undefined;
  }
}

/** One stream, to its end; call it again with the reader's `lastId`, which it keeps, to go on. Throws StreamRefused. */
export async function* eventStream(
  url: string,
  { token, reader = new EventStreamReader(), signal }: { token: string; reader?: EventStreamReader; signal?: AbortSignal },
): AsyncGenerator<StreamEvent, void> {
  const cursor: Record<string, string> = reader.lastId ? { "Last-Event-ID": reader.lastId } : {};
  const headers = { Authorization: `Bearer ${token}`, Accept: "text/event-stream", ...cursor };
  const answer = await fetch(url, { headers, cache: "no-store", ...(signal && { signal }) });
  if (!answer.ok || answer.body === null) throw new StreamRefused(answer.status);
  reader.disconnected();
  const body = answer.body.getReader();
  try {
    for (let piece = await body.read(); !piece.done; piece = await body.read()) yield* reader.receiveData(piece.value);
  } finally {
    await body.cancel().catch(() => undefined);
  }
}
