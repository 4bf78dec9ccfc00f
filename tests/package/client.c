/* SPDX-License-Identifier: Apache-2.0
 *
 * A program as a user writes it, in C99 (it is compiled as C++ too): one item that
 * is finished, one that is not, and the alert for the second. Exit code 0 only if
 * the library answers all of it rightly.
 */
#include <stdio.h>
#include <string.h>

#include "warden/warden.h"

static const char flow[] =
    "[flow]\nname = \"upload\"\nstages = [\"sent\"]\n"
    "[[rule]]\nname = \"total\"\nkind = \"total\"\nwithin = \"10s\"\n";

static int fail(const char* what, int32_t code) {
  fprintf(stderr, "client: %s answered %s (%d)\n", what, warden_code_name(code), (int)code);
  return 1;
}

static int track(warden_store* store, const char* key) {
  warden_item_options options = WARDEN_ITEM_OPTIONS_INIT;
  int32_t code;
  options.at_ns = 0;
  code = warden_track(store, "upload", 6, key, strlen(key), NULL, 0, &options, NULL);
  return code == WARDEN_NEW ? 0 : fail("warden_track", code);
}

static int expect_one_alert(warden_consumer* consumer) {
  warden_alert alerts[4];
  char buffer[4096];
  int32_t count = warden_consumer_poll(consumer, 0, alerts, 4, buffer, sizeof buffer, NULL);
  if (count != 1) {
    fprintf(stderr, "client: polled %d alerts, expected 1\n", (int)count);
    return 1;
  }
  if (alerts[0].key_len != 4 || memcmp(buffer + alerts[0].key_offset, "late", 4) != 0) {
    fprintf(stderr, "client: the alert is not that of 'late'\n");
    return 1;
  }
  if (alerts[0].deadline_ns != INT64_C(10000000000)) {
    fprintf(stderr, "client: the alert's deadline is not 10 s\n");
    return 1;
  }
  return warden_alert_ack(consumer, &alerts[0].lease, 1) == 1 ? 0 : fail("warden_alert_ack", 0);
}

static int watch(warden_store* store) {
  warden_error err = WARDEN_ERROR_INIT;
  warden_item_options options = WARDEN_ITEM_OPTIONS_INIT;
  warden_consumer* consumer = NULL;
  int wrong;
  int32_t code = warden_flow_define(store, flow, sizeof flow - 1, NULL, &err);
  if (code < 0) return fail(err.message, code);
  code = warden_consumer_open(store, "client", 6, NULL, &consumer, &err);
  if (code < 0) return fail(err.message, code);
  wrong = track(store, "done") || track(store, "late");
  options.at_ns = INT64_C(5000000000);
  if (!wrong) {
    code = warden_complete(store, "upload", 6, "done", 4, &options, NULL);
    if (code != WARDEN_ON_TIME) wrong = fail("warden_complete", code);
  }
  if (!wrong) {
    code = warden_clock_advance(store, INT64_C(20000000000));
    if (code < 0) wrong = fail("warden_clock_advance", code);
  }
  if (!wrong) wrong = expect_one_alert(consumer);
  warden_consumer_close(consumer);
  return wrong;
}

int main(void) {
  warden_error err = WARDEN_ERROR_INIT;
  warden_config* config = NULL;
  warden_store* store = NULL;
  int wrong;
  int32_t code = warden_abi_check(WARDEN_ABI, 0);
  if (code < 0) return fail("warden_abi_check", code);
  code = warden_config_new(&config);
  if (code < 0) return fail("warden_config_new", code);
  code = warden_config_set(config, "clock", "manual", &err);
  if (code < 0) return fail(err.message, code);
  code = warden_open(NULL, config, &store, &err);
  warden_config_free(config);
  if (code < 0) return fail(err.message, code);
  wrong = watch(store);
  warden_close(store, 0);
  warden_free(store);
  if (!wrong) printf("warden %s: one done, one late, one alert\n", warden_version_string());
  return wrong;
}
