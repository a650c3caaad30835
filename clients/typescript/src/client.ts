/** The client as it is used: an async iterable of events, see README.md. */
import { ConnectionEnded, NoAnswer, NotConnected, RequestRefused, TokenUnavailable } from "./errors.js";
import type { ClientEvent, Position } from "./events.js";
import { TIMINGS, type Link, type Timings } from "./link.js";
import { EventQueue } from "./queue.js";
import type { RoomRequest } from "./rooms.js";
import { Session, type Command } from "./session.js";
import { Socket, type WebSocketConstructor } from "./socket.js";

const QUEUE_SIZE = 1024;
/** A room's history is 1 MiB at most. */
const HELD_CHARACTERS = 4 * 1024 * 1024;
const ANSWER_SECONDS = 10;
const LONGEST_TIMER_MILLISECONDS = 2 ** 31 - 1;

/** A token, or a function that is asked for one at each connection and when one is about to end; it may throw TokenUnavailable. */
export type Token = string | (() => string | Promise<string>);

export interface ClientOptions {
  readonly token: Token;
  readonly rooms?: readonly (string | RoomRequest)[];
  readonly timings?: Partial<Timings>;
  /** So many events wait for the reader, see queue.ts. */
  readonly queueSize?: number;
  /** So much is held while the queue is full of what must not be left out; beyond it the client breaks off, to go on from the history. */
  readonly heldCharacters?: number;
  /** Numbers from 0 up to 1. */
  readonly random?: () => number;
  /** Where there is no global one (Node before 22): a class with the browsers' interface, such as that of the package `ws`. */
  readonly WebSocket?: WebSocketConstructor;
}

interface Waiting {
  readonly resolve: (answer: Record<string, unknown>) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * One connection to one hub, as one user. `url` is the hub's (`https://hub.example`).
 *
 * It connects, and after a loss connects again, until it is closed; it goes on in every room where it stood, or says that it can't. Iterating ends when
 * the client is closed, and throws ConnectionEnded after the `closed` event that is `terminal`, or what else the token function threw.
 */
export class Client implements AsyncIterable<ClientEvent> {
  private readonly session: Session;
  private readonly timings: Timings;
  private readonly queue: EventQueue;
  private readonly answers = new Map<number, Waiting>();
  private socket: Socket | undefined;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private refreshing = false;
  /** What came while the reader was too slow to take it. */
  private held: string[] = [];
  private heldCharacters = 0;
  private lostWhileHeld: readonly [number, string] | undefined;

  constructor(
    private readonly url: string,
    private readonly options: ClientOptions,
  ) {
    this.timings = { ...TIMINGS, ...options.timings };
    this.queue = new EventQueue(options.queueSize ?? QUEUE_SIZE, () => queueMicrotask(() => this.takeHeld()));
    this.session = new Session(this.timings, options.random ?? Math.random, typeof options.token === "string");
    this.session.subscribe((options.rooms ?? []).map(request));
    this.session.start();
    queueMicrotask(() => this.carryOn());
  }

  [Symbol.asyncIterator](): AsyncIterator<ClientEvent, undefined> {
    return {
      next: () => this.queue.get(),
      return: async () => {
        this.close();
        return { value: undefined, done: true };
      },
    };
  }

  /** Where the link is now. */
  get link(): Link {
    return this.session.link;
  }

  /** Where a room stands: to be kept by whoever wants to go on from there in another life (`RoomRequest.since`). */
  position(room: string): Position | undefined {
    return this.session.position(room);
  }

  /** Close the connection. What waits in the queue can still be read. */
  close(): void {
    this.session.end();
    this.held = [];
    this.heldCharacters = 0;
    this.carryOn();
    this.queue.end();
  }

  /** Want rooms from now on; `subscribed`, `recovered`, `gap` or `denied` come as events. */
  subscribe(...rooms: readonly (string | RoomRequest)[]): void {
    this.session.subscribe(rooms.map(request));
    this.carryOn();
  }

  unsubscribe(...rooms: readonly string[]): void {
    this.session.unsubscribe(rooms);
    this.carryOn();
  }

  /** The hub's `history` answer: `messages`, and the position after them. Rejects with NotConnected, RequestRefused or NoAnswer. */
  history(room: string, { since, limit }: { since?: Position; limit?: number } = {}): Promise<Record<string, unknown>> {
    const after = since === undefined ? {} : { since: { epoch: since.epoch, offset: since.offset } };
    return this.ask("history", { room, ...after, ...(limit === undefined ? {} : { limit }) });
  }

  /** Who is there: the hub's `presence` answer. Rejects as `history` does. */
  presence(room: string): Promise<Record<string, unknown>> {
    return this.ask("presence", { room });
  }

  /** Say that the user is `active`, `idle` or `away`; whether there was a connection to say it over. */
  activity(status: "active" | "idle" | "away"): boolean {
    const said = this.session.say("activity", { status });
    this.carryOn();
    return said;
  }

  /** Send any request and wait for its answer. Rejects with NotConnected, RequestRefused or NoAnswer. */
  async ask(kind: string, fields: Readonly<Record<string, unknown>>): Promise<Record<string, unknown>> {
    const id = this.session.ask(kind, fields);
    if (id === undefined) throw new NotConnected(`not connected, so ${kind} can't be asked`);
    const late = setTimeout(() => this.answers.get(id)?.reject(new NoAnswer(`no answer to ${kind}`)), ANSWER_SECONDS * 1000);
    try {
      return await new Promise((resolve, reject) => {
        this.answers.set(id, { resolve, reject });
        this.carryOn();
      });
    } finally {
      clearTimeout(late);
      this.answers.delete(id);
    }
  }

  // Running

  /** Carry out the session's commands, then see to what its link asks for. */
  private carryOn(): void {
    for (const command of this.session.commands()) this.carryOut(command);
    clearTimeout(this.timer);
    switch (this.session.link) {
      case "asking":
        return this.askToken();
      case "opening":
        return this.connect();
      case "ended":
        return this.socket?.close();
      default:
        return this.setTimer();
    }
  }

  private setTimer(): void {
    const due = this.session.wakeAt;
    if (due === undefined) return;
    const milliseconds = Math.min(LONGEST_TIMER_MILLISECONDS, Math.max(0, Math.ceil((due - now()) * 1000)));
    this.timer = setTimeout(() => this.wake(), milliseconds);
  }

  private wake(): void {
    if (this.queue.isFull) this.session.notListening(now());
    this.session.woken(now());
    this.carryOn();
  }

  private carryOut(command: Command): void {
    switch (command.do) {
      case "send":
        return this.socket?.send(command.text);
      case "tell":
        return this.told(command.event);
      case "ask token":
        return this.askToken();
      case "drop":
        return this.socket?.drop();
      case "settle":
        return this.settle(command);
    }
  }

  private told(event: ClientEvent): void {
    this.queue.put(event);
    if (event.kind === "closed" && event.terminal) this.queue.end(new ConnectionEnded(event.code, event.reason));
  }

  private settle({ id, answer, refused }: Command & { do: "settle" }): void {
    const waiting = this.answers.get(id);
    if (answer !== undefined) waiting?.resolve(answer);
    else if (refused !== undefined) waiting?.reject(new RequestRefused(...refused));
    else waiting?.reject(new NotConnected("the connection broke before the answer; ask again"));
  }

  private askToken(): void {
    if (this.refreshing) return;
    this.refreshing = true;
    void this.tokenAsked().finally(() => {
      this.refreshing = false;
      this.carryOn();
    });
  }

  private async tokenAsked(): Promise<void> {
    const { token } = this.options;
    try {
      this.session.tokenGiven(typeof token === "string" ? token : await token());
    } catch (error) {
      if (error instanceof TokenUnavailable) return this.session.tokenUnavailable(now(), error.message);
      this.queue.end(error);
      this.session.end();
    }
  }

  private connect(): void {
    if (this.socket !== undefined) return;
    try {
      this.socket = this.newSocket();
    } catch (error) {
      this.queue.end(error);
      this.session.end();
    }
  }

  private newSocket(): Socket {
    const { WebSocket: constructor } = this.options;
    return new Socket(this.url, this.session.token, this.timings.open_seconds, constructor, {
      opened: () => {
        this.session.opened(now());
        this.carryOn();
      },
      received: (text) => this.received(text),
      lost: (code, reason) => this.lost(code, reason),
    });
  }

  /** Take a message, or hold it while the reader is slow. When too many are held, break off: the hub's history has them. */
  private received(text: string): void {
    if (this.lostWhileHeld !== undefined) return;
    if (this.held.length === 0 && !this.queue.isFull) return this.take(text);
    this.held.push(text);
    this.heldCharacters += text.length;
    if (this.heldCharacters > (this.options.heldCharacters ?? HELD_CHARACTERS)) this.socket?.drop("the reader is too slow; what is missing comes after it");
  }

  private take(text: string): void {
    this.session.received(now(), text);
    this.carryOn();
  }

  private takeHeld(): void {
    let taken = 0;
    while (taken < this.held.length && !this.queue.isFull) this.take(this.held[taken++] ?? "");
    for (const text of this.held.splice(0, taken)) this.heldCharacters -= text.length;
    const lost = this.lostWhileHeld;
    if (this.held.length === 0 && lost !== undefined) {
      this.lostWhileHeld = undefined;
      this.lost(...lost);
    }
  }

  private lost(code: number, reason: string): void {
    if (this.held.length > 0) {
      this.lostWhileHeld = [code, reason];
      return;
    }
    this.socket = undefined;
    this.session.lost(now(), code, reason);
    this.carryOn();
  }
}

function request(room: string | RoomRequest): RoomRequest {
  return typeof room === "string" ? { room } : room;
}

/** Seconds of a clock that only goes forward. */
function now(): number {
  return performance.now() / 1000;
}
