/* SPDX-License-Identifier: Apache-2.0
 *
 * Warden: told once that an item of work exists, it notices if that item does
 * not finish in time, says where it stopped, and keeps what is needed to finish.
 *
 * WHAT THIS LIBRARY DOES NOT DO
 *   - It never runs, retries or kills the work that it watches.
 *   - It opens no socket, installs no signal handler, writes to no stream.
 *   - It trusts no client's clock: on the real clock, time is the engine's own.
 *
 * CONVENTIONS
 *   1. Functions return int32_t. Negative: an error or refusal (WARDEN_E_*),
 *      nothing was changed unless warden_code_flags says OUTCOME_UNKNOWN.
 *      Zero or positive: an answer (WARDEN_OK, WARDEN_NEW, ...) or, where the
 *      function says so, a count.
 *   2. Bytes are (pointer, length); nothing needs a terminating zero. Names of
 *      flows, rules, stages and consumers are UTF-8 without control characters,
 *      1..255 bytes. A pointer may be NULL where its length is 0. Keys: 1..512
 *      bytes, any bytes.
 *   3. Structs that can grow begin with struct_size: set it with the *_INIT macro.
 *      One that is 0 (a struct that was never initialised) is refused with
 *      INVALID_ARGUMENT, and nothing is read from the struct or written to it.
 *      Elements of arrays are frozen and carry none.
 *   4. Instants are UTC nanoseconds since 1970 in int64_t; lengths of time are
 *      nanoseconds. Names end in their unit. WARDEN_NO_TIME means "not given".
 *   5. All memory is the caller's. Output that did not fit answers
 *      WARDEN_E_BUFFER_TOO_SMALL and tells the bytes needed; nothing is lost.
 *      Nothing that the library returns is to be freed, except handles by their
 *      own close and free functions.
 *   6. No "last error" is kept anywhere. Cold calls fill a warden_error if given.
 *
 * THREADS
 *   A warden_store and a warden_consumer may be used by any number of threads at
 *   once. warden_config and warden_scan belong to one thread at a time.
 *   warden_close wakes every waiter; calls after it answer WARDEN_E_STORE_CLOSED.
 *   warden_free must come after the last call has returned. Threads that the
 *   library starts block every signal.
 *
 * FORK
 *   In a forked child every call on a parent's handle answers WARDEN_E_FORKED;
 *   warden_close and warden_free return at once and join nothing.
 *
 * DURABILITY
 *   A store with a path is one directory: a write-ahead log. Every change answers
 *   the log sequence number (LSN) of its record, and which durability was given.
 *   DURABLE, the default: the answer comes once the record is on stable storage, and
 *   survives kill -9 and power loss if the device honours flushes; an answer that
 *   reports a state (EXISTING, ALREADY, ...) waits for that state too. BUFFERED: at
 *   once; wait on the LSN. VOLATILE items live in memory only. Alerts are handed out
 *   once their record is durable. After a device error nothing becomes durable any
 *   more: calls answer WARDEN_E_OUTCOME_UNKNOWN or WARDEN_E_IO until the store is
 *   opened anew. While the disk is full, what would need more room answers
 *   WARDEN_E_NO_SPACE; closings and acks go on in what is left, and everything by
 *   itself once there is room. A limit of file sizes (RLIMIT_FSIZE) counts as a full
 *   disk, and raises no SIGXFSZ. warden_config_log tells of all this once. A store opened
 *   without a path keeps nothing: it answers
 *   WARDEN_DURABILITY_VOLATILE and LSN 0, always.
 *
 * EXAMPLE
 *   docs/examples/first.c, compiled and run by the tests.
 */
#ifndef WARDEN_WARDEN_H
#define WARDEN_WARDEN_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__) || defined(__clang__)
#define WARDEN_API __attribute__((visibility("default")))
#else
#define WARDEN_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ------------------------------------------------------------------ library */

#define WARDEN_VERSION_MAJOR 0
#define WARDEN_VERSION_MINOR 1
#define WARDEN_VERSION_PATCH 0
#define WARDEN_VERSION_TEXT "0.1.0"
/* Bumped only on a break; additions keep it. */
#define WARDEN_ABI 0

/* Answers: zero or positive, frozen once released. */
#define WARDEN_OK 0               /* done */
#define WARDEN_NEW 1              /* submit, track: the item did not exist */
#define WARDEN_EXISTING 2         /* submit, track: it exists with the same payload */
#define WARDEN_ALREADY_DONE 3     /* it was closed before; see verdict */
#define WARDEN_DONE_EARLY 4       /* submit, track: its completion had come first */
#define WARDEN_ARMED 5            /* exec: its deadlines run from now */
#define WARDEN_ALREADY_ARMED 6    /* exec: they ran already */
#define WARDEN_ON_TIME 7          /* complete: no armed deadline had passed. A rule breached and
                                     met since does not count; result.alerts tells of it */
#define WARDEN_LATE 8             /* complete: late_ns past the earliest missed deadline */
#define WARDEN_RECORDED_EARLY 9   /* complete: unknown key, remembered (if allowed) */
#define WARDEN_ALREADY 10         /* seq at or below the last one seen: nothing changed */
#define WARDEN_CLOSED 11          /* mark: closed the item, or it was closed; see verdict */
#define WARDEN_CAPPED 12          /* extend: moved, but only as far as the rule's cap, which
                                     counts from the instant that armed the rule */

/* Refusals by the state of the item or flow. Nothing was changed. */
#define WARDEN_E_UNKNOWN_FLOW (-100)
#define WARDEN_E_UNKNOWN_ITEM (-101)
#define WARDEN_E_BAD_STATE (-102)     /* the verb does not apply; see state */
#define WARDEN_E_FENCED (-103)        /* an old token, or another incarnation; see token */
#define WARDEN_E_UNKNOWN_STAGE (-104)
#define WARDEN_E_UNKNOWN_RULE (-105)
#define WARDEN_E_CONFLICT (-106)      /* submit, track: same key, other payload */
/* Errors in the arguments. Nothing was changed. */
#define WARDEN_E_INVALID_ARGUMENT (-200)
#define WARDEN_E_TOO_LARGE (-201)
#define WARDEN_E_OUT_OF_RANGE (-202)
#define WARDEN_E_FLOW_SYNTAX (-203)       /* warden_error has line and column */
#define WARDEN_E_BUFFER_TOO_SMALL (-204)
#define WARDEN_E_UNKNOWN_CONFIG (-205)
/* Resources. Nothing was changed; retry later. */
#define WARDEN_E_NO_MEMORY (-300)
#define WARDEN_E_NO_SPACE (-301)
#define WARDEN_E_WOULD_BLOCK (-302)
#define WARDEN_E_TIMEOUT (-303)
#define WARDEN_E_LIMIT (-304)             /* a documented maximum of this store */
/* Life cycle of handles. */
#define WARDEN_E_STORE_CLOSED (-400)
#define WARDEN_E_FORKED (-401)
#define WARDEN_E_CONSUMER_CLOSED (-402)
#define WARDEN_E_READ_ONLY (-403)
#define WARDEN_E_UNKNOWN_LEASE (-404)     /* ack: expired and leased again, or acked before */
/* Storage. */
#define WARDEN_E_IO (-500)
#define WARDEN_E_OUTCOME_UNKNOWN (-501)   /* the device failed while it was being written */
#define WARDEN_E_CORRUPT (-502)
#define WARDEN_E_NEWER_FORMAT (-503)
#define WARDEN_E_NOT_A_STORE (-504)
#define WARDEN_E_HELD (-505)              /* another process has it open for writing */
#define WARDEN_E_PERMISSION (-506)
#define WARDEN_E_LOST (-507)              /* this LSN was cut off by a crash */
/* A defect of this library. */
#define WARDEN_E_INTERNAL (-900)

/* Flags of a code. */
#define WARDEN_CODE_ERROR 1u
#define WARDEN_CODE_RETRYABLE 2u
#define WARDEN_CODE_OUTCOME_UNKNOWN 4u
#define WARDEN_CODE_CORRUPTION 8u

/** (major << 16) | (minor << 8) | patch of the library that runs. Any thread. */
WARDEN_API uint32_t warden_version(void);
/** The same as text, "0.1.0": static storage. Any thread. */
WARDEN_API const char *warden_version_string(void);
/** WARDEN_OK if the running library has this ABI number and is at least
 *  min_version (as warden_version gives it), else WARDEN_E_INVALID_ARGUMENT.
 *  Call it first: `warden_abi_check(WARDEN_ABI, 0)`. */
WARDEN_API int32_t warden_abi_check(uint32_t abi, uint32_t min_version);
/** A code's name without the prefix ("UNKNOWN_FLOW"); "?" if there is no such
 *  code. Static storage. Any thread. */
WARDEN_API const char *warden_code_name(int32_t code);
/** WARDEN_CODE_* bits of a code. Any thread. */
WARDEN_API uint32_t warden_code_flags(int32_t code);

/** Why a cold call failed: one line for a person, and where. */
typedef struct warden_error {
  uint32_t struct_size;
  int32_t code;
  uint32_t line;   /* of a flow's text, from 1; 0 if there is none */
  uint32_t column; /* in characters, from 1; 0 if there is none */
  uint64_t offset; /* of a damaged file, in bytes; else 0 */
  char message[512];
} warden_error;
#define WARDEN_ERROR_INIT {sizeof(warden_error), 0, 0, 0, 0, {0}}

/* ------------------------------------------------------------ configuration */

typedef struct warden_config warden_config;

/** A configuration with every default. Release it with warden_config_free; a
 *  store copies what it needs. WARDEN_E_NO_MEMORY. */
WARDEN_API int32_t warden_config_new(warden_config **config);
/** Sets one key. Keys, with unit, default and range:
 *  | key      | meaning                                    | default | range          |
 *  | clock    | `real`, or `manual`: time moves only by `at_ns` and warden_clock_advance | real | |
 *  | tick     | resolution of the timing wheel, a duration | 1ms     | 64us .. 1s     |
 *  | stripes  | locks of the key index, a power of two     | 4096    | 16 .. 65536    |
 *  | payload_max | largest payload, bytes                  | 65536   | 0 .. 1048576   |
 *  | dedupe_max  | most tombstones kept: 0, or at least one a stripe | 10000000 | 0 .. 1000000000 |
 *  | start    | first instant of a manual clock, ns; not with the real one | 0 | int64  |
 *  | mode     | `write`, or `read-only`: what is durable, beside a writer too | write | |
 *  | hold     | `true`: everything is accepted, nothing fires until warden_release_hold | false | |
 *  | durability | of verbs that do not say: `durable`, `buffered` | durable | |
 *  | backend  | `auto`, `uring`, `posix` (pwrite and fdatasync) | auto | |
 *  | segment_bytes | largest file of the log, in steps of 4096 | 67108864 | 4 MiB .. 1 GiB |
 *  | log_factor | the log is cleaned while it takes more than so many times what lives in it,
 *                 and two segments | 3 | 2 .. 100 |
 *  WARDEN_E_UNKNOWN_CONFIG, WARDEN_E_INVALID_ARGUMENT, WARDEN_E_OUT_OF_RANGE:
 *  err says what was expected, and the configuration is as it was. What two keys say
 *  together is looked at by warden_open. Without a path, durability, backend,
 *  segment_bytes and log_factor have no effect. */
WARDEN_API int32_t warden_config_set(warden_config *config, const char *key, const char *value,
                                     warden_error *err);
/* How much a line of the log hook weighs. */
#define WARDEN_LOG_NOTICE 1u  /* what was chosen where there was a choice; room on the disk again */
#define WARDEN_LOG_WARNING 2u /* the disk is full: what needs more of it is refused for now */
#define WARDEN_LOG_ERROR 3u   /* a device error: nothing becomes durable until opened anew */

/** Gets one line about a store, when its state changes and not at every call that it
 *  concerns: once per opening that a simpler way of writing was chosen (code OK); that
 *  the disk is full (E_NO_SPACE; E_NO_MEMORY if memory or file descriptors are out when
 *  the log needs its next file), and that it has room again (OK); a device error (E_IO).
 *  Trouble is told before a call can answer it, room once it is there. text names
 *  directory and cause; it is the library's and ends with the call. */
typedef void (*warden_log_fn)(void *context, uint32_t weight, int32_t code, const char *text);
/** The hook of stores opened with this configuration; NULL, the default, for none. It is
 *  called from threads of the library and from callers' own, with locks held: it must
 *  call nothing of this library, and be quick. context must outlive the stores. */
WARDEN_API int32_t warden_config_log(warden_config *config, warden_log_fn hook, void *context);

/** How far an opening is: done of total bytes of the log have been read. */
typedef void (*warden_progress_fn)(void *context, uint64_t done, uint64_t total);
/** The hook of warden_open with this configuration; NULL, the default, for none. It is called
 *  by the thread that opens, at most every 50 ms and, where there is a log to be read, once
 *  with done equal to total when all of it was applied. done never falls, but begins anew
 *  if what was read has to be read again. The hook must call nothing of this library. */
WARDEN_API int32_t warden_config_progress(warden_config *config, warden_progress_fn hook,
                                          void *context);
/** Frees it; NULL is allowed. */
WARDEN_API void warden_config_free(warden_config *config);

/* -------------------------------------------------------------------- store */

typedef struct warden_store warden_store;

/** Opens a store. path: its directory, made if it is missing; NULL keeps everything
 *  in memory. config: NULL for the defaults. One process at a time may have a store
 *  open for writing. On error *store is NULL, err tells the cause, and nothing was
 *  changed: E_HELD (by which process), E_NOT_A_STORE (a file, or a directory with
 *  other contents), E_PERMISSION, E_NEWER_FORMAT, E_CORRUPT (file and offset),
 *  E_NO_SPACE, E_IO, E_NO_MEMORY; E_INVALID_ARGUMENT or E_OUT_OF_RANGE for keys of
 *  the configuration that do not go together. */
WARDEN_API int32_t warden_open(const char *path, const warden_config *config, warden_store **store,
                               warden_error *err);
/** Stops the store: wakes every waiter, later calls answer
 *  WARDEN_E_STORE_CLOSED. Waits at most drain_ns for what has been answered
 *  BUFFERED to become durable; without a path there is nothing to wait for.
 *  Idempotent. */
WARDEN_API int32_t warden_close(warden_store *store, int64_t drain_ns);
/** Frees a closed store (closes it first if need be). No call on it or on its
 *  consumers or scans may be running or follow. NULL is allowed. */
WARDEN_API void warden_free(warden_store *store);
/** Ends hold: what is due fires. Idempotent. */
WARDEN_API int32_t warden_release_hold(warden_store *store);

/** What a backup holds. */
typedef struct warden_backup_info {
  uint32_t struct_size;
  uint32_t segments;  /* files of the log that were copied */
  uint64_t bytes;     /* of them, without what was never written */
  uint64_t lsn;       /* everything up to here is in the copy, nothing beyond */
} warden_backup_info;
#define WARDEN_BACKUP_INFO_INIT {sizeof(warden_backup_info), 0, 0, 0}

/** Copies the store, while it is used, into the directory dest, which is made, or
 *  must be empty. The copy is a store of its own: a durable state of this one that
 *  holds everything acknowledged before the call. It is on stable storage when
 *  WARDEN_OK is answered; one that was cut short does not open. VOLATILE items are
 *  not in it. Of a store opened read-only: what is durable at the time of the call.
 *
 *  Restore it by opening it with hold = true, so that nothing fires before you have
 *  looked. It keeps the identity of the original, alert ids included: the two must
 *  never both be written. Positions, incarnations and tokens that the original gave
 *  out after the backup are unknown to the copy (LOST, FENCED).
 *
 *  info and err may be NULL. One backup at a time; further calls wait. Writers go on;
 *  the log frees no segment that is not copied yet, so at its bound new work waits for
 *  the oldest one's copy. E_NOT_A_STORE if
 *  dest is no new or empty directory, or its parent is missing; E_PERMISSION,
 *  E_NO_SPACE, E_IO, E_NO_MEMORY; E_CORRUPT if the log turns out to be damaged;
 *  E_OUTCOME_UNKNOWN after a device error; E_BAD_STATE if this store is in memory;
 *  E_WOULD_BLOCK, read-only alone: segments were freed faster than they could be
 *  copied. After an error dest may hold files: remove it. */
WARDEN_API int32_t warden_backup(warden_store *store, const char *dest, warden_backup_info *info,
                                 warden_error *err);
/** Manual clock only: moves engine time to to_ns and raises, to the nanosecond,
 *  every deadline before it. Returns when all of them are raised. At to_ns equal
 *  to now it raises what late events have armed in the past.
 *  WARDEN_E_OUT_OF_RANGE if to_ns lies before the present time;
 *  WARDEN_E_BAD_STATE on the real clock. E_NO_SPACE or E_NO_MEMORY if there was no room
 *  for some of them, or not even for the move: the same call once more raises what is
 *  left. */
WARDEN_API int32_t warden_clock_advance(warden_store *store, int64_t to_ns);

/* -------------------------------------------------------------------- flows */

typedef struct warden_flow_info {
  uint32_t struct_size;
  uint32_t stages;      /* named in the text */
  uint32_t rules;
  uint32_t any_stages;  /* 1 if stages = "any" */
  uint64_t version[2];  /* hash of the text: names this version */
  uint32_t name_len;
  char name[256];
} warden_flow_info;
#define WARDEN_FLOW_INFO_INIT {sizeof(warden_flow_info), 0, 0, 0, {0, 0}, 0, {0}}

/** Defines a flow, or a new version of it, from TOML text (docs/flows.md).
 *  Items keep the version that they were created under; new ones take the
 *  newest. The same text again changes nothing. info and err may be NULL.
 *  WARDEN_E_FLOW_SYNTAX: err has line, column and what was expected.
 *  WARDEN_E_LIMIT: 65,535 versions a store, of all flows together. */
WARDEN_API int32_t warden_flow_define(warden_store *store, const char *text, size_t text_len,
                                      warden_flow_info *info, warden_error *err);

/* -------------------------------------------------------------------- items */

#define WARDEN_NO_TIME INT64_MIN

/* States of an item. */
#define WARDEN_STATE_NONE 0u
#define WARDEN_STATE_SUBMITTED 1u
#define WARDEN_STATE_LIVE 2u
#define WARDEN_STATE_CLOSED 5u

/* Verdicts of a closed item. */
#define WARDEN_VERDICT_NONE 0u
#define WARDEN_VERDICT_DONE 1u
#define WARDEN_VERDICT_CANCELLED 2u
#define WARDEN_VERDICT_EXPIRED 3u

/* Durability, asked and given. */
#define WARDEN_DURABILITY_DEFAULT 0u
#define WARDEN_DURABILITY_DURABLE 1u  /* the answer comes after stable storage */
#define WARDEN_DURABILITY_BUFFERED 2u /* at once; wait on the LSN */
#define WARDEN_DURABILITY_VOLATILE 3u /* in memory, gone at close */

/** One instant for a rule of kind `due`. Frozen. */
typedef struct warden_due {
  const char *rule;
  size_t rule_len;
  int64_t instant_ns; /* may lie in the past: then it is raised at once */
} warden_due;

/** What may go with a verb on an item. NULL stands for the initial values. An option
 *  that a verb has no use for is not ignored: ttl_ns, dues and allow_early on another
 *  verb than those named beside them answer WARDEN_E_INVALID_ARGUMENT. */
typedef struct warden_item_options {
  uint32_t struct_size;
  uint32_t durability;    /* VOLATILE makes the item so, in submit and track; later verbs follow
                             the item: result.durability says what was given */
  uint64_t incarnation;   /* 0: whichever is there; else another one answers FENCED */
  uint64_t token;         /* 0: not given; else an old one answers FENCED */
  uint64_t seq;           /* 0: not given; else at or below the last seen answers ALREADY */
  int64_t at_ns;          /* of the event: required on a manual clock, refused on the real */
  int64_t ttl_ns;         /* submit alone: expires if not exec'ed by then; 0 never; 1 ms .. 100
                             years. Of an item that EXISTS the first stands */
  const warden_due *dues; /* exec, track, mark: of a rule armed or met before, and where the
                             answer is ALREADY_ARMED, EXISTING of a live item or CLOSED, the
                             first instant stands and these change nothing */
  size_t due_count;
  uint32_t allow_early;   /* complete alone: 1 remembers the completion of an unknown key; with
                             an incarnation or token, which that key cannot have, FENCED */
  uint32_t reserved;
} warden_item_options;
#define WARDEN_ITEM_OPTIONS_INIT \
  {sizeof(warden_item_options), 0, 0, 0, 0, WARDEN_NO_TIME, 0, NULL, 0, 0, 0}

/** What a verb answers besides its code. NULL if it is not wanted. */
typedef struct warden_result {
  uint32_t struct_size;
  uint32_t durability;  /* which was given */
  uint64_t lsn;         /* of the state answered; 0 without a log */
  uint64_t incarnation;
  uint64_t token;       /* newest one of the item; 0 before exec */
  uint32_t state;       /* after the call */
  uint32_t verdict;
  uint32_t alerts;      /* raised for this incarnation so far */
  uint32_t tries;
  int64_t deadline_ns;  /* earliest armed, or the one touched or extended; WARDEN_NO_TIME if none */
  int64_t late_ns;      /* LATE: how long ago the earliest missed deadline was, by its rule's
                           clock (`due`: wall clock, others: elapsed time); else 0 */
} warden_result;
#define WARDEN_RESULT_INIT \
  {sizeof(warden_result), 0, 0, 0, 0, 0, 0, 0, 0, WARDEN_NO_TIME, 0}

/* Every verb below is idempotent, any thread, and may answer besides what it
 * names: UNKNOWN_FLOW, INVALID_ARGUMENT, OUT_OF_RANGE, TOO_LARGE, FENCED,
 * ALREADY, NO_MEMORY, STORE_CLOSED, FORKED, OUTCOME_UNKNOWN, NO_SPACE, READ_ONLY. */

/** Registers an item: from now on it is known, its deadlines rest until exec.
 *  Answers NEW, EXISTING, ALREADY_DONE, DONE_EARLY; E_CONFLICT if the payload
 *  differs. Payload: 0 .. payload_max bytes. */
WARDEN_API int32_t warden_submit(warden_store *store, const char *flow, size_t flow_len,
                                 const void *key, size_t key_len, const void *payload,
                                 size_t payload_len, const warden_item_options *options,
                                 warden_result *result);
/** Its work begins: arms `total` and `idle`. Answers ARMED, ALREADY_ARMED,
 *  ALREADY_DONE; E_UNKNOWN_ITEM. */
WARDEN_API int32_t warden_exec(warden_store *store, const char *flow, size_t flow_len,
                               const void *key, size_t key_len, const warden_item_options *options,
                               warden_result *result);
/** submit and exec as one step: refused whole or done whole. Answers NEW (armed
 *  now), EXISTING (was there; armed now if it was only submitted), ALREADY_DONE,
 *  DONE_EARLY; E_CONFLICT. */
WARDEN_API int32_t warden_track(warden_store *store, const char *flow, size_t flow_len,
                                const void *key, size_t key_len, const void *payload,
                                size_t payload_len, const warden_item_options *options,
                                warden_result *result);
/** The item has passed a stage. Answers OK, CLOSED; E_UNKNOWN_ITEM,
 *  E_UNKNOWN_STAGE, E_BAD_STATE(submitted), E_UNKNOWN_RULE for a due that names
 *  no rule of kind `due`. With stages = "any", E_INVALID_ARGUMENT for a new name with
 *  a control character or a byte that is not UTF-8. */
WARDEN_API int32_t warden_mark(warden_store *store, const char *flow, size_t flow_len,
                               const void *key, size_t key_len, const char *stage, size_t stage_len,
                               const warden_item_options *options, warden_result *result);
/** A sign of life: an event that passes no stage; arms `idle` anew. Answers OK
 *  with the earliest deadline, CLOSED; E_UNKNOWN_ITEM, E_BAD_STATE. */
WARDEN_API int32_t warden_touch(warden_store *store, const char *flow, size_t flow_len,
                                const void *key, size_t key_len, const warden_item_options *options,
                                warden_result *result);
/** Moves the armed deadline of one rule: by_ns (relative; needs a token or a
 *  seq) or to_ns (absolute), the other WARDEN_NO_TIME; at most to the rule's `cap`
 *  after the instant that armed it. Not an event: `idle` is not armed anew. A new
 *  deadline in the past is raised at once. Answers OK or CAPPED with the deadline,
 *  CLOSED; E_UNKNOWN_ITEM, E_UNKNOWN_RULE, E_BAD_STATE if the rule is not armed. */
WARDEN_API int32_t warden_extend(warden_store *store, const char *flow, size_t flow_len,
                                 const void *key, size_t key_len, const char *rule, size_t rule_len,
                                 int64_t by_ns, int64_t to_ns, const warden_item_options *options,
                                 warden_result *result);
/** The work is done. Answers ON_TIME, LATE, ALREADY_DONE, RECORDED_EARLY;
 *  E_UNKNOWN_ITEM. Accepted in every open state; needs no token. */
WARDEN_API int32_t warden_complete(warden_store *store, const char *flow, size_t flow_len,
                                   const void *key, size_t key_len,
                                   const warden_item_options *options, warden_result *result);
/** The work is not wanted any more. Answers OK, ALREADY_DONE; E_UNKNOWN_ITEM. */
WARDEN_API int32_t warden_cancel(warden_store *store, const char *flow, size_t flow_len,
                                 const void *key, size_t key_len,
                                 const warden_item_options *options, warden_result *result);

/** An item as it stands. Offsets point into the caller's buffer. Frozen. */
typedef struct warden_item {
  uint64_t incarnation;
  uint64_t token;
  uint64_t seq;
  uint64_t lsn;
  int64_t created_ns;
  int64_t last_event_ns;
  int64_t deadline_ns; /* earliest armed and not yet breached; WARDEN_NO_TIME if none */
  uint32_t state;
  uint32_t verdict;
  uint32_t tries;
  uint32_t alerts;
  uint32_t overdue;    /* rules breached and not met */
  uint32_t flow_offset, flow_len;
  uint32_t key_offset, key_len;
  uint32_t stage_offset, stage_len; /* newest stage; empty before the first */
  uint32_t payload_offset, payload_len;
  uint32_t rules_offset, rules_count; /* warden_item_rule, aligned to 8 bytes */
} warden_item;

/* Status of one rule of an item. */
#define WARDEN_RULE_RESTING 0u
#define WARDEN_RULE_ARMED 1u
#define WARDEN_RULE_MET 2u

/** One rule of an item. Frozen. */
typedef struct warden_item_rule {
  int64_t deadline_ns;
  uint32_t status;
  uint32_t level;      /* highest level reached: WARDEN_LEVEL_*; 0 none */
  uint32_t arming;     /* how often it was armed */
  uint32_t name_offset, name_len;
  uint32_t reserved;
} warden_item_rule;

/** Reads an item, its rules and payload, into buffer; need (may be NULL) gets
 *  the bytes that it takes. Answers OK; ALREADY_DONE with the verdict for a key
 *  still remembered after closing; E_UNKNOWN_ITEM, E_BUFFER_TOO_SMALL. */
WARDEN_API int32_t warden_get(warden_store *store, const char *flow, size_t flow_len,
                              const void *key, size_t key_len, warden_item *item, void *buffer,
                              size_t buffer_len, size_t *need);

/* ------------------------------------------------------------------ batches */

#define WARDEN_OP_TRACK 1u
#define WARDEN_OP_MARK 2u
#define WARDEN_OP_COMPLETE 3u

/** One entry of a batch; offsets count from warden_batch.blob. Frozen. */
typedef struct warden_batch_entry {
  uint32_t key_offset, key_len;
  uint32_t arg_offset, arg_len; /* track: payload; mark: stage; complete: must be empty */
  uint32_t due_first, due_count; /* slice of warden_batch.dues; complete: must be empty */
  uint64_t incarnation;
  uint64_t token;
  uint64_t seq;
  int64_t at_ns;
} warden_batch_entry;

/** A due of a batch; the rule's name lies in the blob. Frozen. */
typedef struct warden_batch_due {
  uint32_t rule_offset, rule_len;
  int64_t instant_ns;
} warden_batch_due;

/** What one entry was answered. Frozen. */
typedef struct warden_batch_result {
  int32_t code;
  uint32_t verdict;
  uint64_t lsn;
  uint64_t incarnation;
  uint64_t token;
} warden_batch_result;

typedef struct warden_batch {
  uint32_t struct_size;
  uint32_t count;          /* entries; 0 .. 65,536 */
  const char *flow;
  size_t flow_len;
  const void *blob;
  size_t blob_len;
  const warden_batch_entry *entries;
  const warden_batch_due *dues;
  size_t due_count;
  warden_batch_result *results; /* count of them; NULL if not wanted */
  uint32_t durability;
  uint32_t reserved;
} warden_batch;
#define WARDEN_BATCH_INIT \
  {sizeof(warden_batch), 0, NULL, 0, NULL, 0, NULL, NULL, 0, NULL, 0, 0}

/** Runs one verb over many items of one flow, in order, each with its own
 *  result; with a log, one wait for all. An entry that points outside the blob
 *  refuses the whole batch (E_INVALID_ARGUMENT) before the first is run; one with an
 *  argument or dues that the verb has no use for answers that alone.
 *  Returns the number of entries whose code is not negative. last_lsn may be NULL. */
WARDEN_API int32_t warden_batch_run(warden_store *store, uint32_t op, const warden_batch *batch,
                                    uint64_t *last_lsn);

/* --------------------------------------------------------------- durability */

/** Everything up to this LSN is on stable storage; 0 without a log. Any thread. */
WARDEN_API uint64_t warden_durable_lsn(warden_store *store);
/** Waits until lsn is durable, at most timeout_ns (0: not at all; negative: for
 *  ever). Answers OK; E_TIMEOUT; E_LOST for a position of an earlier opening that a
 *  crash cut off; E_OUTCOME_UNKNOWN after a device error; E_OUT_OF_RANGE for one not
 *  issued; E_STORE_CLOSED. */
WARDEN_API int32_t warden_wait_durable(warden_store *store, uint64_t lsn, int64_t timeout_ns);
/** The same for everything answered before the call. */
WARDEN_API int32_t warden_sync(warden_store *store, int64_t timeout_ns);
/** An eventfd of the store's, signalled as warden_durable_arm asks; never read or
 *  write it. */
WARDEN_API int32_t warden_durable_fd(warden_store *store);
/** Clears the eventfd and arms it: signalled once lsn is durable, at once if it is.
 *  One position at a time: the highest armed wins. Signalled too when a device error
 *  means that it never will be: warden_wait_durable(store, lsn, 0) tells which. */
WARDEN_API int32_t warden_durable_arm(warden_store *store, uint64_t lsn);

/* ------------------------------------------------------------------- alerts */

/* Kinds. */
#define WARDEN_KIND_WARN 1u
#define WARDEN_KIND_BREACH 2u
#define WARDEN_KIND_ESCALATION 3u
#define WARDEN_KIND_EXPIRED 6u
#define WARDEN_KIND_SUSPICIOUS 7u
#define WARDEN_KIND_RESOLVED 9u

/* Levels of a rule; escalation k (from 1) has WARDEN_LEVEL_BREACH + k. */
#define WARDEN_LEVEL_WARN 1u
#define WARDEN_LEVEL_BREACH 2u
#define WARDEN_LEVEL_SUSPICIOUS 254u
#define WARDEN_LEVEL_RESOLVED 255u

/* Severities. */
#define WARDEN_SEVERITY_INFO 1u
#define WARDEN_SEVERITY_WARNING 2u
#define WARDEN_SEVERITY_ERROR 3u
#define WARDEN_SEVERITY_CRITICAL 4u

#define WARDEN_ALERT_WITHDRAWN 1u /* audit only: the item closed before this was handed out */

/** One alert, handed out. Offsets point into the caller's buffer. Frozen. */
typedef struct warden_alert {
  uint64_t id[2];       /* the same breach has the same id, always */
  uint64_t incident[2]; /* the same without the level: groups levels and RESOLVED */
  uint64_t resolves[2]; /* RESOLVED: id of the newest alert of its incident; else 0 */
  uint64_t lease;       /* give it to warden_alert_ack */
  uint64_t incarnation;
  uint64_t token;
  uint64_t lsn;
  int64_t deadline_ns;  /* of the rule's level */
  int64_t raised_ns;    /* max(deadline, instant of arming) */
  int64_t detected_ns;  /* engine time at which it was noticed */
  uint32_t kind;
  uint32_t level;
  uint32_t severity;
  uint32_t flags;
  uint32_t tries;
  uint32_t delivery;    /* counts hand-outs of this alert to this consumer, from 1 */
  uint32_t arming;
  uint32_t reserved;
  uint32_t flow_offset, flow_len;
  uint32_t key_offset, key_len;
  uint32_t rule_offset, rule_len;
  uint32_t stage_offset, stage_len;             /* the item's stage at the breach */
  uint32_t armed_stage_offset, armed_stage_len; /* the stage that armed the rule */
  uint32_t payload_offset, payload_len;
} warden_alert;

typedef struct warden_consumer warden_consumer;

#define WARDEN_START_NOW 0u     /* alerts raised from now on */
#define WARDEN_START_OLDEST 1u  /* the oldest still kept */
#define WARDEN_START_UNACKED 2u /* where this name stood; a new name: the oldest kept */

typedef struct warden_consumer_options {
  uint32_t struct_size;
  uint32_t start;        /* for a name that is new; one that exists goes on where it was */
  uint32_t audit;        /* 1: also alerts withdrawn before they were handed out */
  uint32_t min_severity; /* 0: all */
  uint32_t early;        /* 1: does not wait until an alert's record is durable */
  uint32_t reserved;
  int64_t lease_ns;      /* 0: 30 s; else 1 ms .. 1 day */
  const char *flow;      /* only alerts of this flow; NULL: of all */
  size_t flow_len;
  const char *rule;      /* only alerts of rules with this name; NULL: of all */
  size_t rule_len;
} warden_consumer_options;
#define WARDEN_CONSUMER_OPTIONS_INIT \
  {sizeof(warden_consumer_options), WARDEN_START_UNACKED, 0, 0, 0, 0, 0, NULL, 0, NULL, 0}

/** Opens a named consumer. Every name gets all alerts from its start on; pollers
 *  under one name compete. options: NULL for the initial values; for a name that
 *  exists they must be NULL or agree, else E_CONFLICT. */
WARDEN_API int32_t warden_consumer_open(warden_store *store, const char *name, size_t name_len,
                                        const warden_consumer_options *options,
                                        warden_consumer **consumer, warden_error *err);
/** An eventfd that is readable while alerts may be waiting; owned by the
 *  consumer, never read or write it. A negative code on error. */
WARDEN_API int32_t warden_consumer_fd(warden_consumer *consumer);
/** Leases up to max alerts, waiting up to timeout_ns (0: not at all; negative:
 *  for ever) for the first. Returns their count; 0 when the time is over or
 *  warden_consumer_wake was called. An alert that does not fit the buffer stays
 *  for the next poll; if not even the first fits, E_BUFFER_TOO_SMALL and need
 *  (may be NULL) tells its bytes. E_IO after a device error, once what was durable
 *  has been handed out: no more will come. An item has at most one un-acknowledged alert
 *  a consumer; across items: severity first, then lateness. */
WARDEN_API int32_t warden_consumer_poll(warden_consumer *consumer, int64_t timeout_ns,
                                        warden_alert *alerts, size_t max, void *buffer,
                                        size_t buffer_len, size_t *need);
/** Acknowledges leases: these alerts do not come again to this name. Returns the
 *  number acknowledged; the others had expired and been leased again, or had
 *  been acknowledged before. Does not wait for the disk: a crash before the
 *  acknowledgement is durable (warden_sync waits for that) brings the alert again. */
WARDEN_API int32_t warden_alert_ack(warden_consumer *consumer, const uint64_t *leases,
                                    size_t count);
/** Gives one back, to be handed out again after delay_ns (0: at once).
 *  E_UNKNOWN_LEASE. */
WARDEN_API int32_t warden_alert_nack(warden_consumer *consumer, uint64_t lease, int64_t delay_ns);
/** Prolongs a lease to lease_ns from now. E_UNKNOWN_LEASE. */
WARDEN_API int32_t warden_alert_extend(warden_consumer *consumer, uint64_t lease, int64_t lease_ns);
/** Makes every poll that waits on this handle's name return. */
WARDEN_API int32_t warden_consumer_wake(warden_consumer *consumer);
/** Closes this handle and frees it; the name and its position stay. No call on
 *  the handle may be running or follow. NULL is allowed. */
WARDEN_API int32_t warden_consumer_close(warden_consumer *consumer);
/** Forgets a consumer's name and frees what it held back. */
WARDEN_API int32_t warden_consumer_delete(warden_store *store, const char *name, size_t name_len);

/* --------------------------------------------------------------------- scan */

typedef struct warden_scan warden_scan;

typedef struct warden_scan_filter {
  uint32_t struct_size;
  uint32_t state;         /* WARDEN_STATE_*; 0: every open one */
  uint32_t overdue;       /* 1: only items with a rule breached and not met */
  uint32_t reserved;
  const char *flow;       /* NULL: of all flows */
  size_t flow_len;
  const char *stage;      /* NULL: any; else the item's newest stage */
  size_t stage_len;
  const void *key_prefix;
  size_t key_prefix_len;
} warden_scan_filter;
#define WARDEN_SCAN_FILTER_INIT \
  {sizeof(warden_scan_filter), 0, 0, 0, NULL, 0, NULL, 0, NULL, 0}

/** Begins a walk over the open items: each at most once, none missed that was
 *  there throughout. filter: NULL for all; a flow or stage that the store has not
 *  matches nothing. One thread at a time. */
WARDEN_API int32_t warden_scan_open(warden_store *store, const warden_scan_filter *filter,
                                    warden_scan **scan, warden_error *err);
/** The next up to max items with their rules and payloads. Returns their count; 0 at the
 *  end. E_BUFFER_TOO_SMALL if not even one fits; need (may be NULL) tells its bytes. */
WARDEN_API int32_t warden_scan_next(warden_scan *scan, warden_item *items, size_t max,
                                    void *buffer, size_t buffer_len, size_t *need);
/** Ends it; NULL is allowed. */
WARDEN_API void warden_scan_close(warden_scan *scan);

/* -------------------------------------------------------------------- stats */

/** Figures since opening, read without stopping anything: each is exact, the
 *  set is not one instant's while verbs run. When none runs, submitted_total =
 *  submitted + live + done + cancelled + expired. */
typedef struct warden_stats {
  uint32_t struct_size;
  uint32_t flows;
  uint64_t submitted_total; /* items ever created */
  uint64_t submitted;       /* now, not yet exec'ed */
  uint64_t live;            /* now */
  uint64_t done;
  uint64_t cancelled;
  uint64_t expired;
  uint64_t early;           /* completions of keys not known */
  uint64_t events;          /* changes applied by verbs */
  uint64_t already;         /* answered ALREADY by seq */
  uint64_t alerts_raised;
  uint64_t alerts_withdrawn; /* by consumer: before it was handed out there */
  uint64_t alerts_kept;      /* now */
  uint64_t tombstones;       /* now */
  uint64_t timers;           /* entries in the wheels, now */
  uint64_t keeper_wakeups;
  uint64_t item_bytes;       /* items, index, keys and payloads, wheel: allocated */
  int64_t now_ns;            /* engine time */
  int64_t next_due_ns;       /* lower bound; WARDEN_NO_TIME if nothing is armed */
  /* The log, since opening; all 0 without one. */
  uint64_t log_bytes;        /* written, padding included */
  uint64_t log_records;
  uint64_t log_commits;      /* blocks written */
  uint64_t log_flushes;
  uint64_t log_segments;     /* begun */
  uint64_t recovered_records; /* replayed by this opening */
  uint64_t torn_bytes;       /* cut off by it: never acknowledged */
  uint64_t durable_lsn;
  int64_t ack_p50_ns;        /* of waits for durability */
  int64_t ack_p99_ns;
  uint32_t epoch;            /* number of this opening */
  uint32_t failed;           /* 1 after a device error */
  char backend[16];
  uint64_t log_size;         /* of the log now: what is not freed */
  uint64_t log_freed;        /* segments freed since opening */
} warden_stats;
#define WARDEN_STATS_INIT \
  {sizeof(warden_stats), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, \
   0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, {0}, 0, 0}

/** Fills stats (its struct_size bytes of it). Any thread, never waits. */
WARDEN_API int32_t warden_stats_get(warden_store *store, warden_stats *stats);

#ifdef __cplusplus
}
#endif

#endif /* WARDEN_WARDEN_H */
