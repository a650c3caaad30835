/* The messages that a crowd has received: kept once each, compared with every further copy, and timed. */
#define _GNU_SOURCE
#include "crowd.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BUCKETS_A_DOUBLING 32
#define BUCKETS (40 * BUCKETS_A_DOUBLING)
#define NO_TIME INT64_MIN

struct message {
  char *start;
  size_t length;
  int64_t published, measured; /* microseconds since 1970 */
};

/* The messages of one room: `first` is the offset of the first one kept. */
struct room {
  char *name;
  uint64_t first;
  size_t count, capacity;
  struct message *messages;
};

/* How long messages took: a bucket is a thirty-second of a doubling of microseconds. */
struct histogram {
  uint64_t count, buckets[BUCKETS];
};

int room_count;
uint64_t delivered;
static struct room rooms[MAX_ROOMS];
static struct histogram since_published, since_measured;

void name_room(const char *name) {
  if (room_count == MAX_ROOMS)
    fail("at most %d rooms", MAX_ROOMS);
  rooms[room_count++].name = strdup(name);
}

int room_named(const char *name, size_t length) {
  for (int room = 0; room < room_count; room++)
    if (strlen(rooms[room].name) == length && !memcmp(rooms[room].name, name, length))
      return room;
  return -1;
}

/* What follows `key` in a message; NULL where it is not there. */
static const char *after(const char *message, size_t length, const char *key) {
  const char *found = memmem(message, length, key, strlen(key));
  return found ? found + strlen(key) : NULL;
}

static int room_of(const char *message, size_t length) {
  const char *name = after(message, length, "\"room\":\"");
  const char *end = name ? memchr(name, '"', message + length - name) : NULL;
  return end ? room_named(name, end - name) : -1;
}

static int64_t digits(const char *text, int count) {
  int64_t value = 0;
  for (int place = 0; place < count; place++)
    value = value * 10 + (text[place] - '0');
  return value;
}

/* RFC 3339 in UTC, with up to six digits of a second, as the hub writes it. */
static int64_t microseconds(const char *text, const char *end) {
  if (!text || end - text < 20)
    return NO_TIME;
  struct tm at = {.tm_year = digits(text, 4) - 1900, .tm_mon = digits(text + 5, 2) - 1, .tm_mday = digits(text + 8, 2),
                  .tm_hour = digits(text + 11, 2), .tm_min = digits(text + 14, 2), .tm_sec = digits(text + 17, 2)};
  int64_t value = timegm(&at) * INT64_C(1000000), unit = 100000;
  if (text[19] == '.')
    for (const char *digit = text + 20; digit < end && *digit >= '0' && *digit <= '9' && unit; digit++, unit /= 10)
      value += (*digit - '0') * unit;
  return value;
}

static void count_since(struct histogram *histogram, int64_t then) {
  if (then == NO_TIME)
    return;
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  int64_t took = now.tv_sec * INT64_C(1000000) + now.tv_nsec / 1000 - then;
  uint64_t value = took > 1 ? took : 1;
  int doubling = 63 - __builtin_clzll(value);
  int part = ((value << 5) >> doubling) & (BUCKETS_A_DOUBLING - 1);
  int bucket = doubling * BUCKETS_A_DOUBLING + part;
  histogram->buckets[bucket < BUCKETS ? bucket : BUCKETS - 1]++;
  histogram->count++;
}

static void keep(struct room *room, const char *message, size_t length, bool readable) {
  if (room->count == room->capacity) {
    room->capacity = room->capacity ? room->capacity * 2 : 64;
    room->messages = realloc(room->messages, room->capacity * sizeof *room->messages);
  }
  struct message *kept = &room->messages[room->count++];
  *kept = (struct message){malloc(length), length, NO_TIME, NO_TIME};
  memcpy(kept->start, message, length);
  if (!readable)
    return;
  const char *end = message + length, *data = after(message, length, "\"data\":{");
  kept->published = microseconds(after(message, length, "\"timestamp\":\""), end);
  if (data)
    kept->measured = microseconds(after(data, end - data, "\"timestamp\":\""), end);
}

static void check_offset(const char *message, size_t length, uint64_t wanted) {
  const char *said = after(message, length, "\"offset\":");
  uint64_t offset = said ? strtoull(said, NULL, 10) : 0;
  if (offset != wanted)
    fail("a message out of order after offset %" PRIu64 ": %.*s", wanted - 1, (int)(length < 300 ? length : 300), message);
}

void deliver(struct client *client, const char *message, size_t length, bool readable) {
  int place = room_count && readable ? room_of(message, length) : 0;
  if (place < 0 || !client->stands)
    fail("an unexpected message: %.*s", (int)(length < 300 ? length : 300), message);
  struct room *room = &rooms[place];
  uint64_t wanted = ++client->at[place];
  if (!room->count)
    room->first = wanted;
  if (wanted < room->first || wanted - room->first > room->count)
    fail("clients began at different places of a room");
  if (wanted - room->first == room->count) {
    if (readable)
      check_offset(message, length, wanted);
    keep(room, message, length, readable);
  }
  struct message *kept = &room->messages[wanted - room->first];
  if (kept->length != length || memcmp(kept->start, message, length)) {
    if (readable)
      check_offset(message, length, wanted);
    fail("two clients got different messages at offset %" PRIu64, wanted);
  }
  delivered++;
  count_since(&since_published, kept->published);
  count_since(&since_measured, kept->measured);
}

void dump(void) {
  size_t count = 0;
  for (int place = 0; place < MAX_ROOMS; place++)
    count += rooms[place].count;
  printf("ok %zu\n", count);
  for (int place = 0; place < MAX_ROOMS; place++)
    for (size_t at = 0; at < rooms[place].count; at++) {
      struct message *kept = &rooms[place].messages[at];
      printf("%d %zu\n", place, kept->length);
      fwrite(kept->start, 1, kept->length, stdout);
    }
}

/* The microseconds under which this share of all lie, to 3 %. */
static double quantile(const struct histogram *histogram, double share) {
  uint64_t below = 0, wanted = share * histogram->count;
  for (int bucket = 0; bucket < BUCKETS; bucket++) {
    below += histogram->buckets[bucket];
    if (below > wanted || (below == histogram->count && below))
      return (double)(UINT64_C(1) << (bucket / BUCKETS_A_DOUBLING)) *
             (1 + (bucket % BUCKETS_A_DOUBLING + 1.0) / BUCKETS_A_DOUBLING);
  }
  return 0;
}

void print_latency(void) {
  printf("ok");
  for (struct histogram *each = &since_published; each; each = each == &since_published ? &since_measured : NULL) {
    printf(" %" PRIu64 " %.1f %.1f %.1f", each->count, quantile(each, 0.5), quantile(each, 0.99), quantile(each, 1));
    memset(each, 0, sizeof *each);
  }
  printf("\n");
}
