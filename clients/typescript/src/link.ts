/** The link's life as a table, what a close code asks for, and how long to wait before another try. Pure. */

/** Seconds. Try `n` waits between 0 and `first_wait · 2^n`, at most `longest_wait`; a link that stood for `stable` starts again at 0. A token that is about to end as soon as it was given is asked for again only after `refresh_wait`. */
export interface Timings {
  readonly first_wait_seconds: number;
  readonly longest_wait_seconds: number;
  readonly busy_wait_seconds: number;
  readonly stable_seconds: number;
  readonly open_seconds: number;
  readonly ping_seconds: number;
  readonly silence_seconds: number;
  readonly retry_seconds: number;
  readonly refresh_wait_seconds: number;
}

export const TIMINGS: Timings = {
  first_wait_seconds: 0.5,
  longest_wait_seconds: 30,
  busy_wait_seconds: 4,
  stable_seconds: 10,
  open_seconds: 10,
  ping_seconds: 20,
  silence_seconds: 60,
  retry_seconds: 1,
  refresh_wait_seconds: 5,
};

/** `asking`: for a token. `waiting`: before the next try. */
export type Link = "idle" | "asking" | "opening" | "open" | "waiting" | "ended";

export type Step = "started" | "token given" | "opened" | "lost" | "token refused" | "due" | "ended";

const TRANSITIONS: Readonly<Record<Link, Partial<Record<Step, Link>>>> = {
  idle: { started: "asking", ended: "ended" },
  asking: { "token given": "opening", lost: "waiting", ended: "ended" },
  opening: { opened: "open", lost: "waiting", "token refused": "asking", ended: "ended" },
  open: { lost: "waiting", "token refused": "asking", ended: "ended" },
  waiting: { due: "asking", ended: "ended" },
  ended: { ended: "ended" },
};

/** The state after `step`. Throws for a bug of ours, never for the hub's fault. */
export function transition(link: Link, step: Step): Link {
  const next = TRANSITIONS[link][step];
  if (next === undefined) throw new Error(`${step} while ${link}`);
  return next;
}

export type Verdict = "retry" | "new token" | "end";

export const UNAUTHENTICATED = 401;
export const FORBIDDEN = 403;
export const BROKEN = 1006;
export const TRY_AGAIN_LATER = 1013;
export const RATE_LIMITED = 4429;
export const DO_NOT_RETURN = 4500;
export const TOKEN_EXPIRED = 4501;
const BUSY: ReadonlySet<number> = new Set([429, TRY_AGAIN_LATER, RATE_LIMITED]);

/** What a close code, or the HTTP status of a refused handshake, asks for. */
export function verdict(code: number): Verdict {
  if (code === UNAUTHENTICATED || code === TOKEN_EXPIRED) return "new token";
  return code === FORBIDDEN || code >= DO_NOT_RETURN ? "end" : "retry";
}

/** Full jitter, so that a ward's screens don't come back all at once. `random` gives numbers from 0 up to 1. */
export class BackOff {
  attempts = 0;

  constructor(
    private readonly timings: Timings,
    private readonly random: () => number,
  ) {}

  /** Seconds before the next try, after a link that ended with `code`; where the hub has too many of us, the first wait is longer. */
  nextWait(code: number): number {
    const first = BUSY.has(code) ? this.timings.busy_wait_seconds : this.timings.first_wait_seconds;
    const doublings = Math.min(this.attempts, 32);
    this.attempts += 1;
    return this.random() * Math.min(this.timings.longest_wait_seconds, first * 2 ** doublings);
  }

  /** A link has held. */
  settled(): void {
    this.attempts = 0;
  }
}
