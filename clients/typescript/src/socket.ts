/** The WebSocket under the client, of a browser, of Node, or of a package with the same interface. */
import { BROKEN, FORBIDDEN, UNAUTHENTICATED } from "./link.js";
import { isObject } from "./incoming.js";

const ENDPOINT = "/realtime/ws";
const PROBE = "/hospitals";
const SUBPROTOCOL = "bearer";
const OPEN = 1;

/** What of the browsers' WebSocket is needed. */
export interface WebSocketLike {
  readonly readyState: number;
  send(text: string): void;
  close(code?: number, reason?: string): void;
  addEventListener(type: "open", listener: () => void): void;
  addEventListener(type: "message", listener: (event: { readonly data: unknown }) => void): void;
  addEventListener(type: "error", listener: () => void): void;
  addEventListener(type: "close", listener: (event: { readonly code: number; readonly reason: string }) => void): void;
}

export type WebSocketConstructor = new (url: string, protocols: string[]) => WebSocketLike;

export interface Listener {
  readonly opened: () => void;
  readonly received: (text: string) => void;
  /** Once, and the last. */
  readonly lost: (code: number, reason: string) => void;
}

/** One connection, from its handshake to its end. The token goes as a subprotocol, never in the address. */
export class Socket {
  private readonly socket: WebSocketLike;
  private readonly opening: ReturnType<typeof setTimeout>;
  private wasOpen = false;
  private over = false;

  constructor(
    private readonly url: string,
    private readonly token: string,
    openSeconds: number,
    constructor: WebSocketConstructor | undefined,
    private readonly listener: Listener,
  ) {
    const chosen = constructor ?? (globalThis.WebSocket as unknown as WebSocketConstructor | undefined);
    if (chosen === undefined) throw new Error("there is no WebSocket here; give one as the option `WebSocket` (Node before 22: of the package ws)");
    const address = new URL(ENDPOINT.slice(1), url.endsWith("/") ? url : `${url}/`);
    address.protocol = address.protocol.replace("http", "ws");
    this.socket = new chosen(address.href, [SUBPROTOCOL, token]);
    this.opening = setTimeout(() => this.drop("no answer"), openSeconds * 1000);
    this.socket.addEventListener("open", () => this.opened());
    this.socket.addEventListener("message", ({ data }) => this.received(data));
    this.socket.addEventListener("error", () => this.failed());
    this.socket.addEventListener("close", ({ code, reason }) => void this.closed(code, reason));
  }

  send(text: string): void {
    if (this.socket.readyState === OPEN) this.socket.send(text);
  }

  /** Leave. */
  close(): void {
    this.over = true;
    clearTimeout(this.opening);
    this.socket.close(1000);
  }

  /** Give it up at once, whether the other end answers or not. */
  drop(reason = "the connection broke"): void {
    if (this.over) return;
    this.close();
    this.listener.lost(BROKEN, reason);
  }

  private opened(): void {
    if (this.over) return;
    this.wasOpen = true;
    clearTimeout(this.opening);
    this.listener.opened();
  }

  /** A `close` follows and says what there is to say, save where the handshake failed: then Node 22 sends none. */
  private failed(): void {
    if (!this.wasOpen) void this.closed(BROKEN, "");
  }

  private received(data: unknown): void {
    if (!this.over && typeof data === "string") this.listener.received(data);
  }

  private async closed(code: number, reason: string): Promise<void> {
    if (this.over) return;
    this.over = true;
    clearTimeout(this.opening);
    const [status, said] = this.wasOpen ? [code, reason || (code === BROKEN ? "the connection broke" : "")] : await this.refusal();
    this.listener.lost(status, said);
  }

  /** Why a handshake failed: browsers don't say, so the same token is tried where an answer can be read. */
  private async refusal(): Promise<[number, string]> {
    try {
      const answer = await fetch(`${this.url.replace(/\/$/, "")}${PROBE}`, { headers: { Authorization: `Bearer ${this.token}` } });
      const content: unknown = await answer.json().catch(() => undefined);
      const detail = isObject(content) && typeof content["detail"] === "string" ? content["detail"] : "";
      if (answer.status === UNAUTHENTICATED || answer.status === FORBIDDEN) return [answer.status, detail];
      return [BROKEN, answer.ok ? "the hub did not let us in" : detail || `answer ${answer.status}`];
    } catch {
      return [BROKEN, "no answer"];
    }
  }
}
