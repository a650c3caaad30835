/**
 * The client without I/O: what happens goes in, commands come out.
 *
 * `bedside/client/session.py` is this module in Python, and explains it; the scenarios in `tests/conformance/` hold both to the same behaviour.
 */
import type { ClientEvent, Position } from "./events.js";
import { decodeFrame, eventOf, UnreadableMessage, type Frame } from "./incoming.js";
import { BackOff, BROKEN, transition, UNAUTHENTICATED, verdict, type Link, type Step, type Timings } from "./link.js";
import { RoomBook, type RoomRequest } from "./rooms.js";

/** So many event ids are known, to drop what comes in several rooms. */
const REMEMBERED_EVENTS = 16_384;
/** The hub takes 64 KiB a message; a room with its position is below 400 bytes. */
const ROOMS_A_MESSAGE = 100;
/** What can stand in a header and in a subprotocol; every JWT does (RFC 7515, section 7.1). */
const TOKEN = /^[A-Za-z0-9._~+-]+$/;
const PASSING: ReadonlySet<string> = new Set(["unavailable", "rate_limited"]);

export type Command =
  | { readonly do: "send"; readonly text: string }
  | { readonly do: "tell"; readonly event: ClientEvent }
  | { readonly do: "ask token" }
  | { readonly do: "drop" }
  /** A request is answered; with `refused` by an error, with neither not at all: the connection is gone. */
  | { readonly do: "settle"; readonly id: number; readonly answer?: Record<string, unknown>; readonly refused?: readonly [string, string] };

/** One client's life over all its connections. `fixedToken`: there is nobody to ask for another one. Times are seconds of a clock that only goes forward. */
export class Session {
  link: Link = "idle";
  token = "";
  private readonly rooms = new RoomBook();
  private readonly backOff: BackOff;
  private refusedToken: string | undefined;
  private refusal: readonly [number, string] = [UNAUTHENTICATED, ""];
  private pending: Command[] = [];
  private ids = 0;
  private readonly askedRooms = new Map<number, string[]>();
  private readonly requests = new Set<number>();
  private readonly seen = new Set<string>();
  private wasOpen = false;
  private silent = false;
  private openedAt = 0;
  private receivedAt = 0;
  private pingedAt = 0;
  private dueAt = 0;
  private retryAt: number | undefined;
  private askTokenAt: number | undefined;
  private askedTokenAt = -Infinity;

  constructor(
    private readonly timings: Timings,
    random: () => number,
    private readonly fixedToken: boolean,
  ) {
    this.backOff = new BackOff(timings, random);
  }

  /** What is to be done since the last call, in order. */
  commands(): Command[] {
    const commands = this.pending;
    this.pending = [];
    return commands;
  }

  /** When `woken` is due; undefined: nothing waits for time. */
  get wakeAt(): number | undefined {
    if (this.link === "waiting") return this.dueAt;
    if (this.link !== "open") return undefined;
    const next = Math.min(this.receivedAt + this.timings.silence_seconds, this.pingedAt + this.timings.ping_seconds);
    return Math.min(next, this.retryAt ?? Infinity, this.askTokenAt ?? Infinity);
  }

  position(room: string): Position | undefined {
    return this.rooms.position(room);
  }

  // The link

  start(): void {
    this.step("started");
  }

  /** The function's answer: for a connection while asking, to refresh the standing one while open. */
  tokenGiven(token: string): void {
    if (this.link === "open") {
      this.refresh(token);
    } else if (this.link === "asking") {
      if (!TOKEN.test(token)) return this.finish(UNAUTHENTICATED, "what was given as token is none");
      if (token === this.refusedToken) return this.finish(...this.refusal);
      this.token = token;
      this.step("token given");
    }
  }

  /** There is no token now: while asking, try again later; a standing connection goes on to its end. */
  tokenUnavailable(now: number, why: string): void {
    if (this.link === "asking") this.lose(now, BROKEN, `there is no token now: ${why}`);
  }

  /** The handshake is done: ask for all rooms, from where they stand. */
  opened(now: number): void {
    this.step("opened");
    this.openedAt = this.receivedAt = this.pingedAt = now;
    this.silent = false;
    if (this.wasOpen) this.tell({ kind: "reconnected", attempts: Math.max(1, this.backOff.attempts) });
    this.wasOpen = true;
    this.askForRooms();
  }

  /** The connection has ended, or could not be made. */
  lost(now: number, code: number, reason: string): void {
    if (this.link !== "opening" && this.link !== "open") return;
    if (this.silent) [code, reason] = [BROKEN, `no frame for ${this.timings.silence_seconds} s`];
    if (this.link === "open" && now - this.openedAt >= this.timings.stable_seconds) this.backOff.settled();
    this.disconnected();
    const asked = verdict(code);
    if (asked === "retry") return this.lose(now, code, reason);
    if (asked === "end" || this.fixedToken || this.refusedToken !== undefined) return this.finish(code, reason);
    this.refusedToken = this.token;
    this.refusal = [code, reason];
    this.tell({ kind: "closed", code, reason, terminal: false, silent_seconds: 0 });
    this.step("token refused");
  }

  /** Do what is due. */
  woken(now: number): void {
    if (this.link === "waiting" && now >= this.dueAt) this.step("due");
    if (this.link !== "open") return;
    if (now - this.receivedAt >= this.timings.silence_seconds) {
      if (!this.silent) this.pending.push({ do: "drop" });
      this.silent = true;
      this.receivedAt = now;
      return;
    }
    if (now - this.pingedAt >= this.timings.ping_seconds) {
      this.pingedAt = now;
      this.send({ type: "ping" });
    }
    if (this.retryAt !== undefined && now >= this.retryAt) {
      this.retryAt = undefined;
      this.askForRooms();
    }
    if (this.askTokenAt !== undefined && now >= this.askTokenAt) this.askToken(now);
  }

  /** The user is done. */
  end(): void {
    if (this.link === "ended") return;
    this.disconnected();
    this.step("ended");
  }

  // What the user asks

  /** Want rooms, from now on and after every reconnection. */
  subscribe(wanted: readonly RoomRequest[]): void {
    this.rooms.want(wanted);
    if (this.link === "open") this.askForRooms();
  }

  unsubscribe(rooms: readonly string[]): void {
    const known = this.rooms.forget(rooms);
    if (known.length > 0 && this.link === "open") this.send({ type: "unsubscribe", rooms: known });
  }

  /** Send a request whose answer will be settled under the number returned; undefined where there is no connection. */
  ask(kind: string, fields: Readonly<Record<string, unknown>>): number | undefined {
    if (this.link !== "open") return undefined;
    const id = ++this.ids;
    this.requests.add(id);
    this.send({ type: kind, id, ...fields });
    return id;
  }

  /** Send what has no answer; whether there is a connection. */
  say(kind: string, fields: Readonly<Record<string, unknown>>): boolean {
    if (this.link === "open") this.send({ type: kind, ...fields });
    return this.link === "open";
  }

  // What the hub says

  /** A text frame. */
  received(now: number, text: string): void {
    this.receivedAt = now;
    try {
      this.take(now, decodeFrame(text), text);
    } catch (error) {
      if (!(error instanceof UnreadableMessage)) throw error;
      this.tell({ kind: "unreadable", raw: text });
    }
  }

  private take(now: number, frame: Frame, text: string): void {
    if (frame.event !== undefined) return this.takeEvent(frame, text);
    switch (frame.type) {
      case "ping":
        return this.send({ type: "pong" });
      case "pong":
      case "heartbeat":
        if (frame.time === undefined) return;
        this.refusedToken = undefined;
        return this.tell({ kind: "condition", time: frame.time, upstream: frame.upstream ?? "ok", judged_at: frame.judged_at ?? undefined });
      case "subscription":
        if (frame.id !== undefined && this.requests.has(frame.id)) {
          // what was asked is about a room that may not be had
          return this.settle({ do: "settle", id: frame.id, refused: [frame.reason ?? "", `the room is ${frame.status}`] });
        }
        return this.takeAnswer(frame, text);
      case "expiring":
        this.tell({ kind: "expiring", expires: frame.expires ?? undefined });
        this.askTokenAt = Math.max(now, this.askedTokenAt + this.timings.refresh_wait_seconds);
        if (this.askTokenAt <= now) this.askToken(now);
        return;
      case "refreshed":
        return this.tell({ kind: "refreshed", expires: frame.expires ?? undefined });
      case "error":
        return this.takeError(now, frame);
      default:
        if (frame.id !== undefined && this.requests.has(frame.id)) return this.settle({ do: "settle", id: frame.id, answer: document(text) });
        if (frame.type !== "presence" && frame.type !== "presence_change") return;
        return this.tell({ kind: "presence_change", room: frame.room ?? "", change: document(text) });
    }
  }

  private takeEvent(frame: Frame, text: string): void {
    const room = frame.room ?? "";
    if (frame.epoch !== undefined && frame.offset !== undefined) {
      const fate = this.rooms.take(frame);
      if (fate === "hole") {
        this.rooms.wantAgain([room]);
        this.askForRooms();
      }
      if (fate !== "shown" || !this.isNew(frame.event_id)) return;
    } else if (!this.rooms.has(room)) {
      return;
    }
    this.tell(eventOf(frame, text));
  }

  private takeAnswer(answer: Frame, text: string): void {
    if (answer.status === "subscribed") this.refusedToken = undefined;
    this.noLongerAsked(answer);
    if (this.isAskedAgain(answer)) return;
    const told = this.rooms.answered(answer, text);
    if (told !== undefined) this.tell(told);
  }

  /** Whether the room was asked for again since: then the later answer counts, from which on the hub goes. */
  private isAskedAgain(answer: Frame): boolean {
    const id = answer.id;
    return id !== undefined && [...this.askedRooms].some(([asked, rooms]) => asked > id && rooms.includes(answer.room ?? ""));
  }

  private takeError(now: number, error: Frame): void {
    const { code = "", message = "", id = 0, room } = error;
    this.noLongerAsked(error);
    const rooms = room === undefined ? (this.askedRooms.get(id) ?? []) : [room];
    if (room === undefined) this.askedRooms.delete(id);
    if (this.requests.has(id)) {
      this.settle({ do: "settle", id, refused: [code, message] });
    } else if (PASSING.has(code) && rooms.length > 0) {
      this.rooms.wantAgain(rooms);
      this.retryAt = now + this.timings.retry_seconds;
    } else {
      this.rooms.forget(rooms);
      this.tell({ kind: "refused", code, message, room });
    }
  }

  private noLongerAsked({ id = 0, room = "" }: Frame): void {
    const left = this.askedRooms.get(id)?.filter((asked) => asked !== room);
    if (left !== undefined && left.length > 0) this.askedRooms.set(id, left);
    else this.askedRooms.delete(id);
  }

  private isNew(id: string | undefined): boolean {
    if (id === undefined) return true;
    if (this.seen.has(id)) return false;
    this.seen.add(id);
    if (this.seen.size > REMEMBERED_EVENTS) {
      for (const oldest of this.seen) {
        this.seen.delete(oldest);
        break;
      }
    }
    return true;
  }

  // Saying

  private askForRooms(): void {
    this.subscribeTo(this.rooms.requests(false), {});
    this.subscribeTo(this.rooms.requests(true), { presence: true });
  }

  private subscribeTo(entries: readonly { readonly room: string }[], options: Readonly<Record<string, unknown>>): void {
    for (let start = 0; start < entries.length; start += ROOMS_A_MESSAGE) {
      const rooms = entries.slice(start, start + ROOMS_A_MESSAGE);
      const id = ++this.ids;
      this.askedRooms.set(
        id,
        rooms.map((entry) => entry.room),
      );
      this.send({ type: "subscribe", id, rooms, ...options });
    }
  }

  private askToken(now: number): void {
    this.askTokenAt = undefined;
    this.askedTokenAt = now;
    this.pending.push({ do: "ask token" });
  }

  private refresh(token: string): void {
    if (!TOKEN.test(token) || token === this.token) return;
    this.token = token;
    this.send({ type: "refresh", token });
  }

  private send(message: Readonly<Record<string, unknown>>): void {
    this.pending.push({ do: "send", text: JSON.stringify(message) });
  }

  private tell(event: ClientEvent): void {
    this.pending.push({ do: "tell", event });
  }

  private settle(settled: Command & { do: "settle" }): void {
    this.requests.delete(settled.id);
    this.pending.push(settled);
  }

  // Ending

  /** The shell does not read, since its reader is slow: what does not come meanwhile is not the hub's silence. */
  notListening(now: number): void {
    this.receivedAt = now;
  }

  private disconnected(): void {
    this.rooms.disconnected();
    this.askedRooms.clear();
    this.retryAt = this.askTokenAt = undefined;
    for (const id of [...this.requests]) this.settle({ do: "settle", id });
  }

  private lose(now: number, code: number, reason: string): void {
    this.dueAt = now + this.backOff.nextWait(code);
    this.tell({ kind: "closed", code, reason, terminal: false, silent_seconds: this.silent ? this.timings.silence_seconds : 0 });
    this.silent = false;
    this.step("lost");
  }

  private finish(code: number, reason: string): void {
    this.tell({ kind: "closed", code, reason, terminal: true, silent_seconds: 0 });
    this.step("ended");
  }

  private step(step: Step): void {
    this.link = transition(this.link, step);
  }
}

function document(text: string): Record<string, unknown> {
  return JSON.parse(text) as Record<string, unknown>; // decodeFrame has taken it: an object
}
