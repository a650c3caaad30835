/* What a client makes of the bytes it gets: an HTTP head, then WebSocket frames (RFC 6455) or server-sent events (HTML standard). */
#define _GNU_SOURCE
#include "crowd.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define PONG "{\"type\":\"pong\"}"
#define SHOWN(length) ((int)((length) < 300 ? (length) : 300))

void append(struct bytes *to, const char *data, size_t length) {
  if (to->length + length > to->capacity) {
    to->capacity = (to->length + length) * 2;
    to->start = realloc(to->start, to->capacity);
  }
  memcpy(to->start + to->length, data, length);
  to->length += length;
}

void drop(struct bytes *from, size_t length) {
  from->length -= length;
  if (from->length)
    memmove(from->start, from->start + length, from->length);
}

static bool starts(const char *text, size_t length, const char *with) {
  size_t wanted = strlen(with);
  return length >= wanted && !memcmp(text, with, wanted);
}

static bool holds(const char *text, size_t length, const char *what) {
  return memmem(text, length, what, strlen(what)) != NULL;
}

/* Its subscription to a room holds from `offset` on. */
static void stand(struct client *client, int room, uint64_t offset) {
  client->at[room] = offset;
  client->stands = ++client->rooms_standing >= room_count;
}

static uint64_t offset_in(const char *text, size_t length) {
  const char *found = memmem(text, length, "\"offset\":", 9);
  if (!found)
    fail("no position in: %.*s", SHOWN(length), text);
  return strtoull(found + 9, NULL, 10);
}

static void subscribed(struct client *client, const char *text, size_t length) {
  const char *room = memmem(text, length, "\"room\":\"", 8);
  if (!room || !holds(text, length, "\"status\":\"subscribed\""))
    fail("an unexpected message: %.*s", SHOWN(length), text);
  room += 8;
  const char *end = memchr(room, '"', text + length - room);
  int place = end ? room_named(room, end - room) : -1;
  if (place >= 0)
    stand(client, place, offset_in(text, length));
}

static void text_message(struct client *client, const char *text, size_t length) {
  if (starts(text, length, "{\"type\":\"subscription\""))
    subscribed(client, text, length);
  else if (starts(text, length, "{\"type\":\"ping\""))
    answer_frame(client, 1, PONG, sizeof PONG - 1);
  else
    deliver(client, text, length, true);
}

/* Engine.IO 4 with Socket.IO 5 in it. */
static void socket_io_packet(struct client *client, const char *text, size_t length) {
  if (starts(text, length, "0{"))
    answer_frame(client, 1, "40", 2);
  else if (starts(text, length, "40"))
    stand(client, 0, 0);
  else if (starts(text, length, "2"))
    answer_frame(client, 1, "3", 1);
  else if (starts(text, length, "42[\"message\","))
    deliver(client, text + 13, length - 14, true);
  else
    fail("an unexpected packet: %.*s", SHOWN(length), text);
}

static void frame(struct client *client, unsigned char first, const char *payload, size_t length) {
  if (first == 0x89)
    answer_frame(client, 10, payload, length);
  else if (client->kind == DEFLATED && first == 0xC1)
    deliver(client, payload, length, false);
  else if (client->kind == DEFLATED || first != 0x81)
    fail("an unexpected frame: 0x%02x %.*s", first, SHOWN(length), payload);
  else if (client->kind == SOCKET_IO)
    socket_io_packet(client, payload, length);
  else
    text_message(client, payload, length);
}

/* Take whole frames; how many bytes they were. */
static size_t take_frames(struct client *client) {
  const unsigned char *bytes = (const unsigned char *)client->text.start;
  size_t at = 0, end = client->text.length;
  while (end - at >= 2) {
    size_t length = bytes[at + 1], width = length == 126 ? 2 : length == 127 ? 8 : 0;
    if (end - at < 2 + width)
      break;
    if (width)
      for (size_t place = length = 0; place < width; place++)
        length = length << 8 | bytes[at + 2 + place];
    if (end - at - 2 - width < length)
      break;
    frame(client, bytes[at], client->text.start + at + 2 + width, length);
    at += 2 + width + length;
  }
  return at;
}

static void connected(struct client *client, const char *data, size_t length) {
  const char *positions = memmem(data, length, "\"positions\":", 12);
  for (const char *at = positions; at && client->rooms_standing < room_count;) {
    const char *name = memchr(at, '"', data + length - at), *end = name ? memchr(name + 1, '"', data + length - name - 1) : NULL;
    if (!end)
      fail("no position of the room in: %.*s", SHOWN(length), data);
    int place = room_named(name + 1, end - name - 1);
    if (place >= 0)
      stand(client, place, offset_in(end, data + length - end));
    at = end + 1;
  }
}

static void event(struct client *client, const char *text, size_t length) {
  const char *name = NULL, *data = NULL;
  size_t name_length = 0, data_length = 0;
  for (const char *line = text, *end = text + length; line < end;) {
    const char *stop = memchr(line, '\n', end - line);
    size_t whole = (stop ? stop : end) - line, used = whole && line[whole - 1] == '\r' ? whole - 1 : whole;
    if (starts(line, used, "event: "))
      name = line + 7, name_length = used - 7;
    else if (starts(line, used, "data: "))
      data = line + 6, data_length = used - 6;
    line += whole + 1;
  }
  if (name && starts(name, name_length, "connected"))
    connected(client, data, data_length);
  else if (data && (!name || starts(name, name_length, "patient.vitals.update")))
    deliver(client, data, data_length, true);
  else if (data)
    fail("an unexpected event: %.*s", SHOWN(length), text);
}

/* Take whole events, which end with an empty line; how many bytes they were. */
static size_t take_events(struct client *client) {
  const char *text = client->text.start, *end = text + client->text.length, *start = text;
  for (const char *line = text, *stop; line < end && (stop = memchr(line, '\n', end - line)); line = stop + 1)
    if (stop == line || (stop == line + 1 && *line == '\r')) {
      event(client, start, line - start);
      start = stop + 1;
    }
  return start - text;
}

/* Take HTTP chunks apart (RFC 9112, section 7.1). */
static void unchunk(struct client *client, const char *data, size_t length) {
  for (size_t at = 0; at < length;) {
    char c = data[at];
    switch (client->chunk) {
    case CHUNK_SIZE:
      at++;
      if (c == '\n')
        client->chunk = client->chunk_left ? CHUNK_DATA : CHUNK_END;
      else if (c == '\r' || c == ';')
        client->chunk = c == ';' ? CHUNK_REST_OF_LINE : CHUNK_SIZE;
      else if (!isxdigit((unsigned char)c))
        fail("no chunk's size: %.*s", SHOWN(length - at), data + at);
      else
        client->chunk_left = client->chunk_left * 16 + (c <= '9' ? c - '0' : (c | 32) - 'a' + 10);
      break;
    case CHUNK_REST_OF_LINE:
    case CHUNK_END:
      at++;
      if (c == '\n' && client->chunk == CHUNK_REST_OF_LINE)
        client->chunk = CHUNK_DATA;
      else if (c == '\n')
        client->chunk = CHUNK_SIZE;
      break;
    case CHUNK_DATA: {
      size_t taken = length - at < client->chunk_left ? length - at : client->chunk_left;
      append(&client->text, data + at, taken);
      at += taken;
      if (!(client->chunk_left -= taken))
        client->chunk = CHUNK_END;
    }
    }
  }
}

/* The end of the head in what has come so far; the rest of `text` is behind it. NULL while it is not whole. */
static void open_stream(struct client *client) {
  char *head = client->text.start, *end = memmem(head, client->text.length, "\r\n\r\n", 4);
  if (!end)
    return;
  const char *wanted = client->kind == EVENTS ? "HTTP/1.1 200" : "HTTP/1.1 101";
  if (!starts(head, client->text.length, wanted))
    fail("a client was refused: %.*s", (int)strcspn(head, "\r"), head);
  *end = 0;
  client->chunked = strcasestr(head, "transfer-encoding: chunked") != NULL;
  client->in_head = false;
  send_all(client->fd, client->greeting.start, client->greeting.length);
  if (!room_count && client->kind != SOCKET_IO)
    client->stands = true;
  struct bytes rest = {0};
  append(&rest, end + 4, client->text.length - (end + 4 - head));
  client->text.length = 0;
  receive(client, rest.start, rest.length);
  free(rest.start);
}

void receive(struct client *client, const char *data, size_t length) {
  if (!client->in_head && client->chunked)
    unchunk(client, data, length);
  else
    append(&client->text, data, length);
  if (client->in_head)
    open_stream(client);
  else
    drop(&client->text, client->kind >= EVENTS ? take_events(client) : take_frames(client));
}
