/* SPDX-License-Identifier: Apache-2.0
 *
 * Looking without changing anything: one item, a walk over those that are overdue, and
 * the figures of the store.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <warden/warden.h>

#define TEXT(literal) literal, sizeof(literal) - 1
#define SECOND INT64_C(1000000000)

static const char flow[] =
    "[flow]\n"
    "name = 'delivery'\n"
    "stages = ['packed', 'shipped']\n"
    "[[rule]]\n"
    "name = 'ship'\n"
    "kind = 'stage'\n"
    "from = 'packed'\n"
    "to = 'shipped'\n"
    "within = '10m'\n"
    "[[rule]]\n"
    "name = 'promise'\n"
    "kind = 'due'\n" /* its instant comes with the item */
    "to = 'shipped'\n";

/* [due] */
static int pack(warden_store* store, const char* key, int64_t at_ns, int64_t promised_ns) {
  warden_item_options options = WARDEN_ITEM_OPTIONS_INIT;
  warden_due due;
  due.rule = "promise";
  due.rule_len = 7;
  due.instant_ns = promised_ns;
  options.at_ns = at_ns;
  options.dues = &due;
  options.due_count = 1;
  if (warden_track(store, TEXT("delivery"), key, strlen(key), NULL, 0, &options, NULL) < 0)
    return 1;
  options.due_count = 0;
  return warden_mark(store, TEXT("delivery"), key, strlen(key), TEXT("packed"), &options, NULL) < 0;
}
/* [end] */

/* [get] */
static int show(warden_store* store, const char* key) {
  warden_item item;
  uint64_t place[128]; /* aligned for the rules inside */
  char* bytes = (char*)place;
  uint32_t i;
  if (warden_get(store, TEXT("delivery"), key, strlen(key), &item, bytes, sizeof place, NULL) < 0) {
    return 1;
  }
  printf("%s: at %.*s, %u rule(s) overdue\n", key, (int)item.stage_len, bytes + item.stage_offset,
         (unsigned)item.overdue);
  for (i = 0; i < item.rules_count; ++i) {
    const warden_item_rule* rule =
        (const warden_item_rule*)(const void*)(bytes + item.rules_offset) + i;
    printf("  %.*s: deadline %" PRId64 " s%s\n", (int)rule->name_len, bytes + rule->name_offset,
           rule->deadline_ns / SECOND, rule->level >= WARDEN_LEVEL_BREACH ? ", breached" : "");
  }
  return 0;
}
/* [end] */

/* [scan] */
static int overdue(warden_store* store) {
  warden_scan_filter filter = WARDEN_SCAN_FILTER_INIT;
  warden_scan* scan = NULL;
  warden_item items[8];
  char bytes[4096];
  int32_t count, i;
  filter.overdue = 1;
  if (warden_scan_open(store, &filter, &scan, NULL) < 0) return 1;
  while ((count = warden_scan_next(scan, items, 8, bytes, sizeof bytes, NULL)) > 0) {
    for (i = 0; i < count; ++i) {
      printf("overdue: %.*s\n", (int)items[i].key_len, bytes + items[i].key_offset);
    }
  }
  warden_scan_close(scan);
  return count < 0;
}
/* [end] */

static int figures(warden_store* store) {
  /* [stats] */
  warden_stats stats = WARDEN_STATS_INIT;
  if (warden_stats_get(store, &stats) < 0) return 1;
  printf("live %" PRIu64 ", alerts raised %" PRIu64 ", events %" PRIu64 "\n", stats.live,
         stats.alerts_raised, stats.events);
  /* [end] */
  return 0;
}

int main(void) {
  warden_error err = WARDEN_ERROR_INIT;
  warden_config* config = NULL;
  warden_store* store = NULL;
  if (warden_config_new(&config) < 0 || warden_config_set(config, "clock", "manual", &err) < 0 ||
      warden_open(NULL, config, &store, &err) < 0 ||
      warden_flow_define(store, TEXT(flow), NULL, &err) < 0) {
    fprintf(stderr, "%s\n", err.message);
    return 1;
  }
  warden_config_free(config);
  if (pack(store, "parcel-1", 0, 300 * SECOND) || pack(store, "parcel-2", 0, 900 * SECOND))
    return 1;
  if (warden_clock_advance(store, 500 * SECOND) < 0) return 1;
  if (show(store, "parcel-1") || overdue(store) || figures(store)) return 1;
  warden_free(store);
  return 0;
}
