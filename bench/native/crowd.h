/* A crowd of WebSocket or server-sent-events clients in one process: what its three files share. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MAX_ROOMS 512

/* Growing bytes. */
struct bytes {
  char *start;
  size_t length, capacity;
};

void append(struct bytes *to, const char *data, size_t length);
/* Drop `length` bytes from the front. */
void drop(struct bytes *from, size_t length);

/* How a server talks. The RAW ones begin without HTTP; DEFLATED is WebSocket with permessage-deflate, whose payloads are compared
   and counted, not read. */
enum kind { WEBSOCKET, DEFLATED, SOCKET_IO, RAW_WEBSOCKET, EVENTS, RAW_EVENTS };

struct client {
  int fd;
  enum kind kind;
  bool in_head, chunked, silent;
  int rooms_standing;
  bool stands;              /* all its subscriptions hold */
  size_t chunk_left;        /* of the HTTP chunk that is being read */
  enum { CHUNK_SIZE, CHUNK_REST_OF_LINE, CHUNK_DATA, CHUNK_END } chunk;
  struct bytes text;        /* what came and is not a whole message yet */
  uint64_t *at;             /* the offset of the last message of each room */
  struct bytes greeting;    /* sent when the connection is open */
};

/* inbound.c: make deliveries of what a client received. */
void receive(struct client *client, const char *data, size_t length);

/* kept.c: the first copy of each message; each later one must equal it. */
extern int room_count;
void name_room(const char *name);
/* The room whose name stands at `name`, without quotes; -1 for none of ours. */
int room_named(const char *name, size_t length);
/* Where the first copy tells of its room, and its offset; a compressed one tells nothing. */
void deliver(struct client *client, const char *message, size_t length, bool readable);
extern uint64_t delivered;
void dump(void);
void print_latency(void);

/* Say what went wrong, and end. */
_Noreturn void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
void send_all(int fd, const char *data, size_t length);
void answer_frame(struct client *client, unsigned char opcode, const char *payload, size_t length);
