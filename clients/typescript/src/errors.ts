/** What can go wrong for a user of the client. No message holds a token or a patient's data. */
export class ClientError extends Error {
  override get name(): string {
    return this.constructor.name;
  }
}

/** The hub will not have us back as we are: the iterator's last word. `code` is a close code from 4500 on, or the HTTP status (401) of a refused handshake. */
export class ConnectionEnded extends ClientError {
  constructor(
    readonly code: number,
    readonly reason: string,
  ) {
    super(`${reason || "the hub closed the connection"} (code ${code})`);
  }
}

/** There is no connection to ask over, or it broke before the answer; ask again when there is one. */
export class NotConnected extends ClientError {}

/** The hub gave no answer in time. */
export class NoAnswer extends ClientError {}

/** The hub answered a request with an error; `code` is one of its error codes, such as `rate_limited`. */
export class RequestRefused extends ClientError {
  constructor(
    readonly code: string,
    readonly said: string,
  ) {
    super(`${said} (${code})`);
  }
}

/** To be thrown by a token function: there is no token now, try again later. */
export class TokenUnavailable extends ClientError {}
