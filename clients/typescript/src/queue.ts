/**
 * Between the link and the reader: a bounded queue in which numerics keep the latest, and alerts are never dropped.
 *
 * Overflow policy: when there are `size`, the oldest of those that have a newer one of the same kind, room and patient is dropped, and the
 * newer one says how many were `skipped`: continuous vitals, waveform chunks, and the road's condition. Everything else is kept; a queue that is full
 * of it makes the link stop taking messages.
 */
import { CONTINUOUS, VITALS } from "./catalogue.js";
import type { ClientEvent } from "./events.js";

interface Reader {
  readonly resolve: (result: IteratorResult<ClientEvent, undefined>) => void;
  readonly reject: (error: unknown) => void;
}

/** `drained` is called when a full queue has room again. */
export class EventQueue {
  private readonly events = new Map<number, ClientEvent>();
  private readonly kinds = new Map<string, Set<number>>();
  private readonly crowded = new Set<string>();
  private readonly readers: Reader[] = [];
  private numbers = 0;
  private ended = false;
  private error: unknown;

  constructor(
    private readonly size: number,
    private readonly drained: () => void,
  ) {}

  get isFull(): boolean {
    return this.events.size >= this.size;
  }

  put(event: ClientEvent): void {
    const reader = this.readers.shift();
    if (reader !== undefined) return reader.resolve({ value: event, done: false });
    const number = ++this.numbers;
    this.events.set(number, event);
    const kind = kindOf(event);
    if (kind !== undefined) this.enter(kind, number);
    if (this.isFull) this.dropOne();
  }

  /** The next event; done after the last. Rejects with what `end` was given, when all before it was read. */
  async get(): Promise<IteratorResult<ClientEvent, undefined>> {
    for (const [number, event] of this.events) {
      const full = this.isFull;
      this.events.delete(number);
      const kind = kindOf(event);
      if (kind !== undefined) this.leave(kind, number);
      if (full && !this.isFull) this.drained();
      return { value: event, done: false };
    }
    if (this.error !== undefined) throw this.error;
    if (this.ended) return { value: undefined, done: true };
    return new Promise((resolve, reject) => this.readers.push({ resolve, reject }));
  }

  /** There will be no more. What is there can still be read. */
  end(error?: unknown): void {
    if (this.ended) return;
    this.ended = true;
    this.error = error;
    for (const reader of this.readers.splice(0)) {
      if (error === undefined) reader.resolve({ value: undefined, done: true });
      else reader.reject(error);
    }
  }

  private enter(kind: string, number: number): void {
    const ofKind = this.kinds.get(kind) ?? new Set<number>();
    this.kinds.set(kind, ofKind.add(number));
    if (ofKind.size > 1) this.crowded.add(kind);
  }

  private leave(kind: string, number: number): void {
    const ofKind = this.kinds.get(kind);
    ofKind?.delete(number);
    if (ofKind === undefined || ofKind.size < 2) this.crowded.delete(kind);
    if (ofKind?.size === 0) this.kinds.delete(kind);
  }

  /** The oldest of a crowded kind goes; what it stood for is counted in the next of its kind. */
  private dropOne(): void {
    for (const kind of this.crowded) {
      const [oldest = 0, successor = 0] = this.kinds.get(kind) ?? [];
      const dropped = this.events.get(oldest);
      const kept = this.events.get(successor);
      this.events.delete(oldest);
      if (dropped?.kind === "event" && kept?.kind === "event") {
        this.events.set(successor, { ...kept, skipped: kept.skipped + dropped.skipped + 1 });
      }
      return this.leave(kind, oldest);
    }
  }
}

/** What the latest of which stands for all; undefined for what must not be dropped. */
function kindOf(event: ClientEvent): string | undefined {
  if (event.kind === "condition") return "condition";
  if (event.kind !== "event") return undefined;
  const data = event.data as unknown as Readonly<Record<string, unknown>>;
  if ((event.event as string) === "patient.waveform") {
    return JSON.stringify(["waveform", event.room, data["device_id"], data["signal"]]);
  }
  if (event.event !== "patient.vitals.update") return undefined;
  const vitals = VITALS.filter((vital) => vital in data);
  if (vitals.length === 0 || !vitals.every((vital) => CONTINUOUS.has(vital))) return undefined;
  return JSON.stringify([event.room, data["patient_id"], data["device_id"], vitals, event.test, event.late]);
}
