/* SPDX-License-Identifier: Apache-2.0
 *
 * A file is uploaded and its copy never comes: who notices, and what is told?
 */
#include <stdio.h>
#include <warden/warden.h>

#define TEXT(literal) literal, sizeof(literal) - 1 /* bytes are (pointer, length) */
#define PART(name) (int)alert.name##_len, bytes + alert.name##_offset

static const char flow[] =
    "[flow]\n"
    "name = 'upload'\n"
    "stages = ['uploaded', 'copied']\n"
    "[[rule]]\n"
    "name = 'hand-off'\n"
    "kind = 'stage'\n"
    "from = 'uploaded'\n"
    "to = 'copied'\n"
    "within = '100ms'\n";

int main(void) {
  warden_error err = WARDEN_ERROR_INIT;
  warden_store* store;
  warden_consumer* ops;
  warden_alert alert;
  char bytes[1024];

  if (warden_open(NULL, NULL, &store, &err) < 0 ||
      warden_flow_define(store, TEXT(flow), NULL, &err) < 0 ||
      warden_consumer_open(store, TEXT("ops"), NULL, &ops, &err) < 0) {
    fprintf(stderr, "%s\n", err.message);
    return 1;
  }

  warden_track(store, TEXT("upload"), TEXT("file-17"), TEXT("/in/17.mov"), NULL, NULL);
  warden_mark(store, TEXT("upload"), TEXT("file-17"), TEXT("uploaded"), NULL, NULL);
  /* ... and here the job that copies it dies: nobody ever marks "copied". */

  if (warden_consumer_poll(ops, -1, &alert, 1, bytes, sizeof bytes, NULL) != 1) return 1;
  printf("%.*s missed %.*s: stopped at %.*s, payload %.*s\n", PART(key), PART(rule), PART(stage),
         PART(payload));
  warden_alert_ack(ops, &alert.lease, 1); /* taken care of: it does not come again */

  warden_consumer_close(ops);
  warden_free(store);
  return 0;
}
