/** The rooms that are wanted, and where each stands: which messages are new, which are repeats, which reveal a hole. Pure. */
import type { ClientEvent, Position } from "./events.js";
import { snapshotN, type Frame } from "./incoming.js";

/** A room to subscribe to. `since`: go on after a position. `max_rate`: numerics a second. */
export interface RoomRequest {
  readonly room: string;
  readonly since?: Position | undefined;
  readonly snapshot?: boolean;
  readonly max_rate?: number;
  readonly presence?: boolean;
}

/** `asked`: messages are not taken until the answer has come. */
type Standing = "wanted" | "asked" | "held";

/** What becomes of a message. */
export type Fate = "shown" | "repeat" | "hole";

class Room {
  /** Undefined: nothing is had yet. */
  position: Position | undefined;
  standing: Standing = "wanted";
  /** The position of the request that is under way. */
  askedSince: Position | undefined;

  constructor(readonly wanted: RoomRequest) {
    this.position = wanted.since;
  }

  /** The entry of a `subscribe` message. */
  request(): { room: string } & Record<string, unknown> {
    const { room, snapshot, max_rate } = this.wanted;
    this.standing = "asked";
    this.askedSince = this.position;
    return {
      room,
      ...(this.position && { since: { epoch: this.position.epoch, offset: this.position.offset } }),
      ...(snapshot && { snapshot }),
      ...(max_rate && { max_rate }),
    };
  }

  /** Delivery rule 24: epoch first, then offset; rule 27: nothing that a snapshot has, which the hub may leave out, too. */
  take({ epoch, offset = 0, n, skipped = 0 }: Frame): Fate {
    const position = this.position;
    if (this.standing !== "held" || position === undefined) return "repeat";
    if (epoch !== position.epoch) return "hole";
    if (offset <= position.offset) return "repeat";
    if (offset > position.offset + 1 + skipped && position.n === undefined) return "hole";
    const inSnapshot = n !== undefined && position.n !== undefined && n <= position.n;
    this.position = { epoch: position.epoch, offset, n: inSnapshot ? position.n : undefined };
    return inSnapshot ? "repeat" : "shown";
  }
}

/** All rooms of one client; it outlives connections. */
export class RoomBook {
  private readonly rooms = new Map<string, Room>();

  has(room: string): boolean {
    return this.rooms.has(room);
  }

  /** Add rooms, or ask for those that are there anew under other options. A position that is known stays, unless `since` gives one. */
  want(requests: readonly RoomRequest[]): void {
    for (const wanted of requests) {
      const known = this.rooms.get(wanted.room);
      const fresh = new Room(wanted);
      if (known !== undefined && wanted.since === undefined) fresh.position = known.position;
      this.rooms.set(wanted.room, fresh);
    }
  }

  /** Remove rooms; those that were there. */
  forget(rooms: readonly string[]): string[] {
    return rooms.filter((room) => this.rooms.delete(room));
  }

  disconnected(): void {
    for (const room of this.rooms.values()) room.standing = "wanted";
  }

  /** Entries for the rooms, with or without presence, that are neither held nor asked for; they are asked for now. */
  requests(presence: boolean): ({ room: string } & Record<string, unknown>)[] {
    const wanted = [...this.rooms.values()].filter((room) => room.standing === "wanted");
    return wanted.filter((room) => (room.wanted.presence ?? false) === presence).map((room) => room.request());
  }

  /** The request failed for now, or a hole was seen: ask again, from where the room stands. */
  wantAgain(rooms: readonly string[]): void {
    for (const name of rooms) {
      const room = this.rooms.get(name);
      if (room !== undefined) room.standing = "wanted";
    }
  }

  take(message: Frame): Fate {
    return this.rooms.get(message.room ?? "")?.take(message) ?? "repeat";
  }

  /** From where a room would be resumed. */
  position(room: string): Position | undefined {
    return this.rooms.get(room)?.position;
  }

  /** Take a `subscription`, whose text is `raw`; what there is to tell of it. */
  answered(answer: Frame, raw: string): ClientEvent | undefined {
    const name = answer.room ?? "";
    const room = this.rooms.get(name);
    if (room === undefined) return undefined;
    switch (answer.status) {
      case "subscribed":
        return subscribed(room, answer, raw);
      case "denied":
      case "revoked":
        this.rooms.delete(name);
        return { kind: answer.status, room: name, reason: answer.reason ?? "", raw };
      default:
        return undefined;
    }
  }
}

/** A room's answer, or news of a standing one: messages of it are gone. */
function subscribed(room: Room, answer: Frame, raw: string): ClientEvent | undefined {
  const { askedSince: since, standing } = room;
  const name = room.wanted.room;
  const missing = answer.missing ?? null;
  room.standing = "held";
  room.askedSince = undefined;
  if (answer.recovered) return { kind: "recovered", room: name, replayed: answer.replayed ?? 0, raw };
  if (standing === "held" && missing === null) return undefined;
  if (answer.epoch === undefined) {
    room.position = undefined;
    return { kind: "subscribed", room: name, raw };
  }
  const position = { epoch: answer.epoch, offset: answer.offset ?? 0 };
  const snapshot = answer.snapshot ?? null;
  room.position = { ...position, n: snapshotN(answer) };
  if (since === undefined && missing === null) return { kind: "subscribed", room: name, ...position, n: answer.n, snapshot, raw };
  return { kind: "gap", room: name, missing, snapshot, ...position, raw };
}
