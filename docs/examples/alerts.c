/* SPDX-License-Identifier: Apache-2.0
 *
 * Alerts: a named consumer leases them, gives one back, acknowledges, and is told when
 * the item has come through after all. An event loop waits on the consumer's eventfd.
 */
#include <poll.h>
#include <stdio.h>
#include <warden/warden.h>

#define TEXT(literal) literal, sizeof(literal) - 1
#define SECOND INT64_C(1000000000)

static const char flow[] =
    "[flow]\n"
    "name = 'upload'\n"
    "stages = []\n"
    "[[rule]]\n"
    "name = 'total'\n"
    "kind = 'total'\n"
    "within = '1h'\n"
    "warn_at = '80%'\n";

static const char* kind_name(uint32_t kind) {
  switch (kind) {
    case WARDEN_KIND_WARN:
      return "WARN";
    case WARDEN_KIND_BREACH:
      return "BREACH";
    case WARDEN_KIND_RESOLVED:
      return "RESOLVED";
    default:
      return "another kind";
  }
}

/* [poll] */
/* Takes what is there, prints it, and answers the last lease. */
static uint64_t take(warden_consumer* consumer) {
  warden_alert alerts[16];
  char bytes[4096]; /* names, keys and payloads of the alerts; they hold offsets into it */
  uint64_t lease = 0;
  int32_t i;
  int32_t count = warden_consumer_poll(consumer, 0, alerts, 16, bytes, sizeof bytes, NULL);
  if (count <= 0) printf("nothing\n");
  for (i = 0; i < count; ++i) {
    printf("%s of %.*s, handed out %u time(s)\n", kind_name(alerts[i].kind), (int)alerts[i].key_len,
           bytes + alerts[i].key_offset, (unsigned)alerts[i].delivery);
    lease = alerts[i].lease;
  }
  return lease;
}
/* [end] */

static int advance(warden_store* store, int minutes) {
  printf("-- minute %d\n", minutes);
  return warden_clock_advance(store, minutes * 60 * SECOND) < 0;
}

static warden_consumer* set_up(warden_store** store) {
  warden_error err = WARDEN_ERROR_INIT;
  warden_consumer* consumer = NULL;
  warden_config* config = NULL;
  if (warden_config_new(&config) < 0 || warden_config_set(config, "clock", "manual", &err) < 0 ||
      warden_open(NULL, config, store, &err) < 0 ||
      warden_flow_define(*store, TEXT(flow), NULL, &err) < 0) {
    fprintf(stderr, "%s\n", err.message);
  } else {
    /* [consumer] */
    warden_consumer_options options = WARDEN_CONSUMER_OPTIONS_INIT;
    options.lease_ns = 5 * 60 * SECOND; /* who does not acknowledge by then gets it again */
    if (warden_consumer_open(*store, TEXT("pager"), &options, &consumer, &err) < 0) {
      fprintf(stderr, "%s\n", err.message);
    }
    /* [end] */
  }
  warden_config_free(config);
  return consumer;
}

int main(void) {
  warden_store* store = NULL;
  warden_consumer* consumer = set_up(&store);
  warden_item_options options = WARDEN_ITEM_OPTIONS_INIT;
  struct pollfd waiting;
  uint64_t lease = 0;
  if (consumer == NULL) return 1;
  options.at_ns = 0;
  if (warden_track(store, TEXT("upload"), TEXT("file-1"), NULL, 0, &options, NULL) < 0) return 1;

  /* [fd] */
  waiting.fd = warden_consumer_fd(consumer); /* readable while alerts may be waiting */
  waiting.events = POLLIN;
  if (poll(&waiting, 1, 0) == 0) printf("no alert yet\n");
  if (advance(store, 50)) return 1; /* past 80 % of the hour */
  if (poll(&waiting, 1, 0) == 1) lease = take(consumer);
  /* [end] */

  /* [lease] */
  warden_alert_nack(consumer, lease, 2 * 60 * SECOND); /* not now: again in two minutes */
  lease = take(consumer);
  if (advance(store, 52)) return 1;
  lease = take(consumer);
  if (advance(store, 61)) return 1; /* the lease has run out, the deadline too */
  lease = take(consumer);           /* one alert of an item at a time: first the old one */
  if (warden_alert_ack(consumer, &lease, 1) != 1) return 1;
  lease = take(consumer);
  if (warden_alert_ack(consumer, &lease, 1) != 1) return 1;
  /* [end] */

  /* [resolved] */
  options.at_ns = 61 * 60 * SECOND;
  if (warden_complete(store, TEXT("upload"), TEXT("file-1"), &options, NULL) != WARDEN_LATE) {
    return 1;
  }
  lease = take(consumer); /* what this consumer was told of is over */
  warden_alert_ack(consumer, &lease, 1);
  /* [end] */

  warden_consumer_close(consumer);
  warden_free(store);
  return 0;
}
