/** What the hub sends, decoded once and tolerantly: members and kinds of a newer hub are passed over, never an error. */
import type { ClientEvent, KnownEvent, Missing } from "./events.js";

/** Any message of the hub, with the members that some kind has. */
export interface Frame {
  readonly type: string;
  readonly id?: number;
  readonly event?: string;
  readonly event_id?: string;
  readonly room?: string;
  readonly data?: unknown;
  readonly timestamp?: string;
  readonly epoch?: string;
  readonly offset?: number;
  readonly n?: number;
  readonly test?: boolean;
  readonly late?: boolean;
  readonly skipped?: number;
  readonly status?: string;
  readonly reason?: string;
  readonly recovered?: boolean;
  readonly replayed?: number;
  readonly missing?: Missing | null;
  readonly snapshot?: unknown;
  readonly code?: string;
  readonly message?: string;
  readonly time?: string;
  readonly upstream?: string;
  readonly judged_at?: string | null;
  readonly expires?: string | null;
}

/** No message of a hub. */
export class UnreadableMessage extends Error {}

const KINDS: Readonly<Record<string, "string" | "number" | "boolean">> = {
  type: "string",
  id: "number",
  event: "string",
  event_id: "string",
  room: "string",
  timestamp: "string",
  epoch: "string",
  offset: "number",
  n: "number",
  test: "boolean",
  late: "boolean",
  skipped: "number",
  status: "string",
  reason: "string",
  recovered: "boolean",
  replayed: "number",
  code: "string",
  message: "string",
  time: "string",
  upstream: "string",
  judged_at: "string",
  expires: "string",
};

/** One message; members that are null count as absent. Throws UnreadableMessage. */
export function decodeFrame(text: string): Frame {
  const content = parsed(text);
  if (!isObject(content) || typeof content["type"] !== "string") throw new UnreadableMessage("the hub sent what is no message");
  const frame: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(content)) {
    const kind = KINDS[name];
    if (value === null && kind !== undefined) continue;
    if (kind !== undefined && typeof value !== kind) throw new UnreadableMessage(`${name} is no ${kind}`);
    frame[name] = value;
  }
  return frame as unknown as Frame;
}

/** The event in a message. Throws UnreadableMessage where it lacks what every event has. */
export function eventOf(frame: Frame, text: string): ClientEvent {
  if (frame.event === undefined || frame.room === undefined || frame.timestamp === undefined || !isObject(frame.data)) {
    throw new UnreadableMessage("the hub sent an event without name, room, time or data");
  }
  const event = {
    kind: "event",
    event: frame.event,
    type: frame.type,
    event_id: frame.event_id ?? "",
    room: frame.room,
    data: frame.data,
    timestamp: frame.timestamp,
    epoch: frame.epoch,
    offset: frame.offset,
    n: frame.n,
    test: frame.test ?? false,
    late: frame.late ?? false,
    skipped: frame.skipped ?? 0,
    raw: text,
  };
  return event as unknown as KnownEvent; // the catalogue's word for what the hub sends; a newer hub's events pass as they are
}

/** The N that a snapshot reaches; undefined where there is no snapshot. */
export function snapshotN(frame: Frame): number | undefined {
  const snapshot = frame.snapshot;
  if (snapshot === undefined || snapshot === null) return undefined;
  return isObject(snapshot) && typeof snapshot["n"] === "number" ? snapshot["n"] : frame.n;
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new UnreadableMessage("the hub sent what is no JSON");
  }
}
