/** What a client's iterator gives: the hub's events, and what happens to the link and to each room. */
import type { Events } from "./catalogue.js";

/** Everything of a room up to `offset` of `epoch` is had. `n`: messages at or below it in that epoch are in a snapshot already. */
export interface Position {
  readonly epoch: string;
  readonly offset: number;
  readonly n?: number | undefined;
}

interface Common {
  readonly kind: "event";
  readonly type: string;
  readonly event_id: string;
  readonly room: string;
  readonly timestamp: string;
  /** Waveforms have no position. */
  readonly epoch?: string | undefined;
  readonly offset?: number | undefined;
  readonly n?: number | undefined;
  readonly test: boolean;
  readonly late: boolean;
  /** So many older values of the same room and parameters were left out for this one. */
  readonly skipped: number;
  /** The message as the hub sent it. */
  readonly raw: string;
}

/** One event of the catalogue, once, however many rooms it came in; `room` is the first of them. */
export type KnownEvent = { [Name in keyof Events]: Common & { readonly event: Name; readonly data: Events[Name] } }[keyof Events];

/** A room that was asked for without a position holds: what comes is what is after `offset`. A room that is live only (waveforms) has neither epoch nor offset, and is never resumed. `raw`, here as in all answers about rooms, is the message as the hub sent it. */
export interface Subscribed {
  readonly kind: "subscribed";
  readonly room: string;
  readonly epoch?: string;
  readonly offset?: number;
  readonly n?: number | undefined;
  readonly snapshot?: unknown;
  readonly raw: string;
}

/** A room goes on where it stood: the `replayed` messages that were missed follow, in order. */
export interface Recovered {
  readonly kind: "recovered";
  readonly room: string;
  readonly replayed: number;
  readonly raw: string;
}

/** Offsets `first` to `last` of `epoch`; null is not known. */
export interface Missing {
  readonly epoch: string | null;
  readonly first: number | null;
  readonly last: number | null;
}

/** Messages of a room can't be had any more. `snapshot` is the room's latest state; messages that it has already are not given again. */
export interface Gap {
  readonly kind: "gap";
  readonly room: string;
  readonly missing: Missing | null;
  readonly snapshot?: unknown;
  readonly epoch: string;
  readonly offset: number;
  readonly raw: string;
}

/** The room may not be had; it is not asked for again. */
export interface Denied {
  readonly kind: "denied";
  readonly room: string;
  readonly reason: string;
  readonly raw: string;
}

/** The room is no longer ours: `rights`, `moved` or `discharged`. */
export interface Revoked {
  readonly kind: "revoked";
  readonly room: string;
  readonly reason: string;
  readonly raw: string;
}

/** Who is there, in a room that was subscribed to with `presence`. `change` is the hub's message: `presence`, all users, or `presence_change`, one. */
export interface PresenceChange {
  readonly kind: "presence_change";
  readonly room: string;
  readonly change: Record<string, unknown>;
}

/** The token ends soon; the token function is being asked for another. */
export interface Expiring {
  readonly kind: "expiring";
  readonly expires?: string | undefined;
}

/** The hub took a new token on the standing connection. */
export interface Refreshed {
  readonly kind: "refreshed";
  readonly expires?: string | undefined;
}

/** The link is back after `attempts`; each room now says `recovered` or `gap`. */
export interface Reconnected {
  readonly kind: "reconnected";
  readonly attempts: number;
}

/** The link is lost, or could not be made. Not `terminal`: it is tried again by itself. `code`: the close code, 1006 where there was none, or an HTTP status. `silent_seconds`: how long nothing had come when it was noticed. */
export interface Closed {
  readonly kind: "closed";
  readonly code: number;
  readonly reason: string;
  readonly terminal: boolean;
  readonly silent_seconds: number;
}

/** How the road behind the hub is: `upstream` is `ok`, `redis_lost` or `ingest_lost`. `time` is the hub's clock. */
export interface Condition {
  readonly kind: "condition";
  readonly time: string;
  readonly upstream: string;
  readonly judged_at?: string | undefined;
}

/** The hub answered something of ours with an error that nobody waits for. */
export interface Refused {
  readonly kind: "refused";
  readonly code: string;
  readonly message: string;
  readonly room?: string | undefined;
}

/** The hub sent what is no message; `raw` is it. */
export interface Unreadable {
  readonly kind: "unreadable";
  readonly raw: string;
}

export type ClientEvent =
  | KnownEvent
  | Subscribed
  | Recovered
  | Gap
  | Denied
  | Revoked
  | PresenceChange
  | Expiring
  | Refreshed
  | Reconnected
  | Closed
  | Condition
  | Refused
  | Unreadable;
