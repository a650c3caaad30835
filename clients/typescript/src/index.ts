export type * from "./catalogue.js";
export { CONTINUOUS, VITALS } from "./catalogue.js";
export { Client, type ClientOptions, type Token } from "./client.js";
export * from "./errors.js";
export * from "./event_stream.js";
export type * from "./events.js";
export { TIMINGS, type Link, type Timings } from "./link.js";
export type { RoomRequest } from "./rooms.js";
export type { WebSocketConstructor, WebSocketLike } from "./socket.js";
