/* SPDX-License-Identifier: Apache-2.0
 *
 * Many items in one call, then the same call again: with a seq on each entry the second
 * changes nothing, so a feeder that does not know how far it came starts over.
 */
#include <stdio.h>
#include <warden/warden.h>

#define TEXT(literal) literal, sizeof(literal) - 1
#define COUNT 1000
#define KEY_BYTES 8

static const char flow[] =
    "[flow]\n"
    "name = 'orders'\n"
    "stages = ['paid']\n"
    "[[rule]]\n"
    "name = 'payment'\n"
    "kind = 'total'\n"
    "within = '3d'\n";

/* [run] */
static char blob[COUNT * KEY_BYTES + 4]; /* all bytes of the batch; entries hold offsets into it */
static warden_batch_entry entries[COUNT];
static warden_batch_result results[COUNT];

static void lay_out(void) {
  uint32_t i;
  for (i = 0; i < COUNT; ++i) {
    warden_batch_entry entry = {0};
    /* The terminating zero falls where the next key begins. */
    sprintf(blob + i * KEY_BYTES, "ord-%04u", (unsigned)i);
    entry.key_offset = i * KEY_BYTES;
    entry.key_len = KEY_BYTES;
    entry.arg_offset = COUNT * KEY_BYTES; /* of a mark: the stage */
    entry.arg_len = 4;
    entry.seq = i + 1;
    entry.at_ns = WARDEN_NO_TIME; /* the real clock: now */
    entries[i] = entry;
  }
  blob[COUNT * KEY_BYTES + 0] = 'p';
  blob[COUNT * KEY_BYTES + 1] = 'a';
  blob[COUNT * KEY_BYTES + 2] = 'i';
  blob[COUNT * KEY_BYTES + 3] = 'd';
}

static void run(warden_store* store, uint32_t op, const char* name) {
  warden_batch batch = WARDEN_BATCH_INIT;
  int32_t good;
  uint32_t i, already = 0;
  batch.flow = "orders";
  batch.flow_len = 6;
  batch.count = COUNT;
  batch.blob = blob;
  batch.blob_len = sizeof blob;
  batch.entries = entries;
  batch.results = results;
  good = warden_batch_run(store, op, &batch, NULL);
  for (i = 0; i < COUNT; ++i) already += results[i].code == WARDEN_ALREADY;
  printf("%s: %d good, the first %s, %u already\n", name, (int)good,
         warden_code_name(results[0].code), (unsigned)already);
}
/* [end] */

int main(void) {
  warden_error err = WARDEN_ERROR_INIT;
  warden_store* store = NULL;
  uint32_t i;
  if (warden_open(NULL, NULL, &store, &err) < 0 ||
      warden_flow_define(store, TEXT(flow), NULL, &err) < 0) {
    fprintf(stderr, "%s\n", err.message);
    return 1;
  }
  lay_out();
  run(store, WARDEN_OP_TRACK, "track");
  for (i = 0; i < COUNT; ++i) entries[i].seq += COUNT; /* a later event has a higher number */
  run(store, WARDEN_OP_MARK, "mark paid");
  run(store, WARDEN_OP_MARK, "mark paid again");
  warden_free(store);
  return 0;
}
