// Socket.IO with its Redis adapter, as several nodes need it: `emit` to a room that every client has joined.
//
// Run as `node socketio.cjs PORT ORDERS_PORT REDIS_URL`, until it is ended.
"use strict";

const { createServer } = require("node:http");
const { Server } = require("socket.io");
const { createAdapter } = require("@socket.io/redis-adapter");
const { createClient } = require("redis");
const { obeyed } = require("./orders.cjs");

const [port, ordersPort] = process.argv.slice(2, 4).map(Number);

const main = async () => {
  const publishing = createClient({ url: process.argv[4] });
  const subscribed = publishing.duplicate();
  await Promise.all([publishing.connect(), subscribed.connect()]);
  const http = createServer();
  const io = new Server(http, { adapter: createAdapter(publishing, subscribed) });
  io.on("connection", (socket) => socket.join("room"));
  http.listen({ host: "127.0.0.1", port, backlog: 2048 });
  obeyed(
    ordersPort,
    `Socket.IO ${require("socket.io/package.json").version} with its Redis adapter on Node.js ${process.versions.node}`,
    () => io.of("/").adapter.rooms.get("room")?.size ?? 0,
    (message) => {
      io.to("room").emit("message", JSON.parse(message));
    },
  );
};

main();
