// SPDX-License-Identifier: Apache-2.0
//
// What callers may get wrong: pointers, lengths, sizes of structs, instants on the
// wrong clock; and buffers that are too small, which lose nothing.
#include <algorithm>
#include <cstddef>
#include <functional>

#include "client.hpp"
#include "flow_texts.hpp"

namespace warden::test {
namespace {

class Arguments : public ::testing::Test {
 protected:
  void SetUp() override { store_.define(kUpload); }
  void TearDown() override { store_.expect_balance(); }
  warden_store* raw() { return store_.get(); }
  Store store_;
  warden_item_options at_ = [] {
    warden_item_options options = WARDEN_ITEM_OPTIONS_INIT;
    options.at_ns = 0;
    return options;
  }();
};

TEST_F(Arguments, KeysHaveOneTo512Bytes) {
  EXPECT_EQ(store_.track("").code, WARDEN_E_INVALID_ARGUMENT);
  EXPECT_EQ(store_.track("x").code, WARDEN_NEW);
  const std::string longest(512, 'k');
  EXPECT_EQ(store_.track(longest, "p").code, WARDEN_NEW);
  EXPECT_EQ(store_.get_item(longest).key, longest);
  const std::string too_long(513, 'k');
  EXPECT_EQ(store_.track(too_long).code, WARDEN_E_TOO_LARGE);
  EXPECT_EQ(store_.submit(too_long).code, WARDEN_E_TOO_LARGE);
  EXPECT_EQ(store_.exec(too_long).code, WARDEN_E_TOO_LARGE);
  EXPECT_EQ(store_.mark(too_long, "copied").code, WARDEN_E_TOO_LARGE);
  EXPECT_EQ(store_.touch(too_long).code, WARDEN_E_TOO_LARGE);
  EXPECT_EQ(store_.extend_to(too_long, "total", 5).code, WARDEN_E_TOO_LARGE);
  EXPECT_EQ(store_.complete(too_long).code, WARDEN_E_TOO_LARGE);
  EXPECT_EQ(store_.cancel(too_long).code, WARDEN_E_TOO_LARGE);
  EXPECT_EQ(store_.get_item(too_long).code, WARDEN_E_TOO_LARGE);
  EXPECT_EQ(store_.get_item("").code, WARDEN_E_INVALID_ARGUMENT);
  EXPECT_EQ(store_.complete("", {.allow_early = true}).code, WARDEN_E_INVALID_ARGUMENT);
}

TEST_F(Arguments, KeysAreComparedInFull) {
  const std::string a(512, 'k');
  std::string b = a;
  b.back() = 'l';
  EXPECT_EQ(store_.track(a, "1").code, WARDEN_NEW);
  EXPECT_EQ(store_.track(b, "2").code, WARDEN_NEW);
  EXPECT_EQ(store_.track(std::string_view("k\0", 2)).code, WARDEN_NEW);
  EXPECT_EQ(store_.track("k").code, WARDEN_NEW);
}

TEST_F(Arguments, PayloadLimitIsTheConfigured) {
  const std::string most(65536, 'p');
  EXPECT_EQ(store_.track("k", most).code, WARDEN_NEW);
  EXPECT_EQ(store_.get_item("k").payload, most);
  const std::string more(65537, 'p');
  EXPECT_EQ(store_.track("m", more).code, WARDEN_E_TOO_LARGE);
  EXPECT_EQ(store_.submit("m", more).code, WARDEN_E_TOO_LARGE);
  Store none{{"clock", "manual"}, {"payload_max", "0"}};
  none.define(kTimer);
  EXPECT_EQ(none.track("k", "").code, WARDEN_NEW);
  EXPECT_EQ(none.track("m", "1").code, WARDEN_E_TOO_LARGE);
  Store ceiling{{"clock", "manual"}, {"payload_max", "1048576"}};
  ceiling.define(kTimer);
  EXPECT_EQ(ceiling.track("k", std::string(1048576, 'x')).code, WARDEN_NEW);
  EXPECT_EQ(ceiling.track("m", std::string(1048577, 'x')).code, WARDEN_E_TOO_LARGE);
}

TEST_F(Arguments, UnknownFlow) {
  store_.flow = "nosuch";
  for (const Answer& one :
       {store_.submit("k"), store_.track("k"), store_.exec("k"), store_.mark("k", "copied"),
        store_.touch("k"), store_.extend_to("k", "total", 5), store_.complete("k"),
        store_.cancel("k"), store_.complete("k", {.allow_early = true})}) {
    EXPECT_EQ(one.code, WARDEN_E_UNKNOWN_FLOW);
  }
  EXPECT_EQ(store_.get_item("k").code, WARDEN_E_UNKNOWN_FLOW);
  store_.flow = "";
  EXPECT_EQ(store_.track("k").code, WARDEN_E_UNKNOWN_FLOW);
}

TEST_F(Arguments, AnInstantIsRequiredOnAManualClock) {
  const auto* none = static_cast<const warden_item_options*>(nullptr);
  const warden_item_options initial = WARDEN_ITEM_OPTIONS_INIT;
  for (const warden_item_options* options : {none, &initial}) {
    EXPECT_EQ(warden_track(raw(), "upload", 6, "k", 1, nullptr, 0, options, nullptr),
              WARDEN_E_INVALID_ARGUMENT);
    EXPECT_EQ(warden_complete(raw(), "upload", 6, "k", 1, options, nullptr),
              WARDEN_E_INVALID_ARGUMENT);
  }
  EXPECT_EQ(store_.track("k", "", {.at = INT64_MAX}).code, WARDEN_E_OUT_OF_RANGE);
  EXPECT_EQ(store_.track("k", "", {.at = INT64_MIN + 1}).code, WARDEN_NEW);
}

TEST_F(Arguments, AnInstantIsRefusedOnTheRealClock) {
  Store real{{"clock", "real"}};
  real.define(kTimer);
  EXPECT_EQ(real.track("k", "", {.at = 5}).code, WARDEN_E_INVALID_ARGUMENT);
  EXPECT_EQ(real.track("k").code, WARDEN_NEW);
  EXPECT_EQ(real.complete("k", {.at = 5}).code, WARDEN_E_INVALID_ARGUMENT);
  EXPECT_EQ(warden_clock_advance(real.get(), 5), WARDEN_E_BAD_STATE);
}

TEST_F(Arguments, LengthsWithoutPointersAreRefused) {
  EXPECT_EQ(warden_track(raw(), nullptr, 3, "k", 1, nullptr, 0, &at_, nullptr),
            WARDEN_E_INVALID_ARGUMENT);
  EXPECT_EQ(warden_track(raw(), "upload", 6, nullptr, 1, nullptr, 0, &at_, nullptr),
            WARDEN_E_INVALID_ARGUMENT);
  EXPECT_EQ(warden_track(raw(), "upload", 6, "k", 1, nullptr, 1, &at_, nullptr),
            WARDEN_E_INVALID_ARGUMENT);
  EXPECT_EQ(warden_submit(raw(), "upload", 6, "k", 1, nullptr, 1, &at_, nullptr),
            WARDEN_E_INVALID_ARGUMENT);
  EXPECT_EQ(warden_mark(raw(), "upload", 6, "k", 1, nullptr, 1, &at_, nullptr),
            WARDEN_E_INVALID_ARGUMENT);
  EXPECT_EQ(warden_extend(raw(), "upload", 6, "k", 1, nullptr, 1, WARDEN_NO_TIME, 5, &at_, nullptr),
            WARDEN_E_INVALID_ARGUMENT);
  EXPECT_EQ(warden_flow_define(raw(), nullptr, 1, nullptr, nullptr), WARDEN_E_INVALID_ARGUMENT);
  warden_item_options dues = at_;
  dues.due_count = 1;
  EXPECT_EQ(warden_track(raw(), "upload", 6, "k", 1, nullptr, 0, &dues, nullptr),
            WARDEN_E_INVALID_ARGUMENT);
  EXPECT_EQ(warden_track(raw(), "upload", 6, "k", 1, nullptr, 0, &at_, nullptr), WARDEN_NEW)
      << "a null payload of no length, and no result";
}

TEST_F(Arguments, OptionsOutsideTheirValuesAreRefused) {
  warden_item_options options = at_;
  options.durability = 4;
  EXPECT_EQ(warden_track(raw(), "upload", 6, "k", 1, nullptr, 0, &options, nullptr),
            WARDEN_E_INVALID_ARGUMENT);
  options = at_;
  options.allow_early = 2;
  EXPECT_EQ(warden_complete(raw(), "upload", 6, "k", 1, &options, nullptr),
            WARDEN_E_INVALID_ARGUMENT);
  options = at_;
  options.reserved = 1;
  EXPECT_EQ(warden_complete(raw(), "upload", 6, "k", 1, &options, nullptr),
            WARDEN_E_INVALID_ARGUMENT);
  for (std::uint32_t durability = 0; durability < 4; ++durability) {
    options = at_;
    options.durability = durability;
    warden_result result = WARDEN_RESULT_INIT;
    const std::string key = numbered("d", durability);
    EXPECT_EQ(
        warden_track(raw(), "upload", 6, key.data(), key.size(), nullptr, 0, &options, &result),
        WARDEN_NEW);
    EXPECT_EQ(result.durability, WARDEN_DURABILITY_VOLATILE) << "a store without a path";
    EXPECT_EQ(result.lsn, 0u);
  }
}

TEST_F(Arguments, NullHandlesAreRefused) {
  warden_item item;
  warden_stats stats = WARDEN_STATS_INIT;
  warden_batch batch = WARDEN_BATCH_INIT;
  warden_scan* scan = nullptr;
  warden_consumer* consumer = nullptr;
  const std::uint64_t lease = 1;
  const std::function<std::int32_t()> calls[] = {
      [&] { return warden_open(nullptr, nullptr, nullptr, nullptr); },
      [&] { return warden_close(nullptr, 0); },
      [&] { return warden_clock_advance(nullptr, 0); },
      [&] { return warden_flow_define(nullptr, "", 0, nullptr, nullptr); },
      [&] { return warden_submit(nullptr, "f", 1, "k", 1, nullptr, 0, nullptr, nullptr); },
      [&] { return warden_track(nullptr, "f", 1, "k", 1, nullptr, 0, nullptr, nullptr); },
      [&] { return warden_exec(nullptr, "f", 1, "k", 1, nullptr, nullptr); },
      [&] { return warden_mark(nullptr, "f", 1, "k", 1, "s", 1, nullptr, nullptr); },
      [&] { return warden_touch(nullptr, "f", 1, "k", 1, nullptr, nullptr); },
      [&] { return warden_extend(nullptr, "f", 1, "k", 1, "r", 1, 0, 0, nullptr, nullptr); },
      [&] { return warden_complete(nullptr, "f", 1, "k", 1, nullptr, nullptr); },
      [&] { return warden_cancel(nullptr, "f", 1, "k", 1, nullptr, nullptr); },
      [&] { return warden_get(nullptr, "f", 1, "k", 1, &item, nullptr, 0, nullptr); },
      [&] { return warden_get(raw(), "upload", 6, "k", 1, nullptr, nullptr, 0, nullptr); },
      [&] { return warden_get(raw(), "upload", 6, "k", 1, &item, nullptr, 9, nullptr); },
      [&] { return warden_batch_run(nullptr, WARDEN_OP_TRACK, &batch, nullptr); },
      [&] { return warden_batch_run(raw(), WARDEN_OP_TRACK, nullptr, nullptr); },
      [&] { return warden_consumer_open(nullptr, "c", 1, nullptr, &consumer, nullptr); },
      [&] { return warden_consumer_open(raw(), "c", 1, nullptr, nullptr, nullptr); },
      [&] { return warden_consumer_open(raw(), nullptr, 1, nullptr, &consumer, nullptr); },
      [&] { return warden_consumer_open(raw(), "", 0, nullptr, &consumer, nullptr); },
      [&] { return warden_consumer_fd(nullptr); },
      [&] { return warden_consumer_poll(nullptr, 0, nullptr, 0, nullptr, 0, nullptr); },
      [&] { return warden_alert_ack(nullptr, &lease, 1); },
      [&] { return warden_alert_nack(nullptr, 1, 0); },
      [&] { return warden_alert_extend(nullptr, 1, kS); },
      [&] { return warden_consumer_wake(nullptr); },
      [&] { return warden_consumer_delete(nullptr, "c", 1); },
      [&] { return warden_consumer_delete(raw(), "nosuch", 6); },
      [&] { return warden_consumer_delete(raw(), nullptr, 1); },
      [&] { return warden_scan_open(nullptr, nullptr, &scan, nullptr); },
      [&] { return warden_scan_open(raw(), nullptr, nullptr, nullptr); },
      [&] { return warden_scan_next(nullptr, &item, 1, nullptr, 0, nullptr); },
      [&] { return warden_stats_get(nullptr, &stats); },
      [&] { return warden_stats_get(raw(), nullptr); },
  };
  int number = 0;
  for (const auto& call : calls) EXPECT_EQ(call(), WARDEN_E_INVALID_ARGUMENT) << number++;
  EXPECT_EQ(consumer, nullptr);
  warden_free(nullptr);
  warden_scan_close(nullptr);
  EXPECT_EQ(warden_consumer_close(nullptr), WARDEN_OK);
  Consumer c = store_.consumer("c");
  EXPECT_EQ(warden_consumer_poll(c.get(), 0, nullptr, 1, nullptr, 0, nullptr),
            WARDEN_E_INVALID_ARGUMENT);
  warden_alert alert;
  EXPECT_EQ(warden_consumer_poll(c.get(), 0, &alert, 1, nullptr, 1, nullptr),
            WARDEN_E_INVALID_ARGUMENT);
  EXPECT_EQ(warden_alert_ack(c.get(), nullptr, 1), WARDEN_E_INVALID_ARGUMENT);
  EXPECT_EQ(warden_alert_ack(c.get(), nullptr, 0), 0);
}

TEST_F(Arguments, AnOlderCallersOptionsHaveInitialValuesBeyondTheirEnd) {
  warden_item_options options = at_;
  options.struct_size = offsetof(warden_item_options, ttl_ns);
  options.ttl_ns = -5;  // beyond the end: as if it were not there
  options.due_count = 9;
  options.allow_early = 77;
  options.seq = 3;
  EXPECT_EQ(warden_submit(raw(), "upload", 6, "k", 1, nullptr, 0, &options, nullptr), WARDEN_NEW);
  EXPECT_EQ(store_.get_item("k").raw.seq, 3u);
}

TEST_F(Arguments, AnOlderCallersResultIsFilledAsFarAsItReaches) {
  warden_result result = WARDEN_RESULT_INIT;
  result.struct_size = offsetof(warden_result, token);
  result.token = 0x5555;
  result.late_ns = 0x7777;
  EXPECT_EQ(warden_track(raw(), "upload", 6, "k", 1, nullptr, 0, &at_, &result), WARDEN_NEW);
  EXPECT_NE(result.incarnation, 0u);
  EXPECT_EQ(result.token, 0x5555u);
  EXPECT_EQ(result.late_ns, 0x7777);
  EXPECT_EQ(result.struct_size, offsetof(warden_result, token));

  warden_stats stats = WARDEN_STATS_INIT;
  stats.struct_size = offsetof(warden_stats, live);
  stats.live = 99;
  EXPECT_EQ(warden_stats_get(raw(), &stats), WARDEN_OK);
  EXPECT_EQ(stats.submitted_total, 1u);
  EXPECT_EQ(stats.live, 99u);

  warden_flow_info info = WARDEN_FLOW_INFO_INIT;
  info.struct_size = offsetof(warden_flow_info, rules);
  info.rules = 1234;
  EXPECT_EQ(warden_flow_define(raw(), kUpload, std::strlen(kUpload), &info, nullptr), WARDEN_OK);
  EXPECT_EQ(info.stages, 5u);
  EXPECT_EQ(info.rules, 1234u);
}

TEST_F(Arguments, AnOlderCallersConsumerBatchAndFilterAreRead) {
  warden_consumer_options options = WARDEN_CONSUMER_OPTIONS_INIT;
  options.struct_size = offsetof(warden_consumer_options, lease_ns);
  options.lease_ns = -1;
  options.flow_len = 5;
  Consumer c = store_.consumer("c", &options);
  EXPECT_NE(c.get(), nullptr);
  warden_scan_filter filter = WARDEN_SCAN_FILTER_INIT;
  filter.struct_size = offsetof(warden_scan_filter, flow);
  filter.flow_len = 7;
  EXPECT_TRUE(store_.scan(&filter).empty());
  warden_batch batch = WARDEN_BATCH_INIT;
  batch.struct_size = offsetof(warden_batch, durability);
  batch.durability = 99;
  batch.reserved = 1;
  EXPECT_EQ(warden_batch_run(raw(), WARDEN_OP_TRACK, &batch, nullptr), 0);
}

TEST_F(Arguments, ANewerCallersTailIsIgnored) {
  struct Newer {
    warden_item_options known;
    std::uint64_t more[4];
  } newer{at_, {1, 2, 3, 4}};
  newer.known.struct_size = sizeof newer;
  EXPECT_EQ(warden_track(raw(), "upload", 6, "k", 1, nullptr, 0, &newer.known, nullptr),
            WARDEN_NEW);
}

TEST_F(Arguments, GetTellsWhatItNeeds) {
  store_.track("k", "payload");
  warden_item item;
  std::size_t need = 0;
  EXPECT_EQ(warden_get(raw(), "upload", 6, "k", 1, &item, nullptr, 0, &need),
            WARDEN_E_BUFFER_TOO_SMALL);
  ASSERT_GT(need, 4 * sizeof(warden_item_rule));
  std::vector<std::uint64_t> buffer(need / 8 + 1);
  EXPECT_EQ(warden_get(raw(), "upload", 6, "k", 1, &item, buffer.data(), need - 1, nullptr),
            WARDEN_E_BUFFER_TOO_SMALL);
  EXPECT_EQ(warden_get(raw(), "upload", 6, "k", 1, &item, buffer.data(), need, nullptr), WARDEN_OK);
  EXPECT_EQ(read_item(item, buffer.data()).payload, "payload");
  store_.complete("k");
  EXPECT_EQ(warden_get(raw(), "upload", 6, "k", 1, &item, nullptr, 0, &need), WARDEN_ALREADY_DONE)
      << "a tombstone has no bytes";
  EXPECT_EQ(need, 0u);
}

TEST_F(Arguments, APollWithTooSmallABufferLosesNothing) {
  Consumer c = store_.consumer("c");
  store_.track("a", std::string(100, 'a'), {.at = 0});
  store_.track("b", std::string(200, 'b'), {.at = 0});
  store_.advance(90 * kS);
  warden_alert alerts[8];
  char buffer[600];
  std::size_t need = 0;
  EXPECT_EQ(warden_consumer_poll(c.get(), 0, alerts, 8, buffer, 50, &need),
            WARDEN_E_BUFFER_TOO_SMALL);
  EXPECT_GT(need, 100u);
  EXPECT_LT(need, 300u);
  EXPECT_EQ(warden_consumer_poll(c.get(), 0, alerts, 8, nullptr, 0, nullptr),
            WARDEN_E_BUFFER_TOO_SMALL);
  // Room for the first alone: the second stays.
  EXPECT_EQ(warden_consumer_poll(c.get(), 0, alerts, 8, buffer, need, nullptr), 1);
  const Alert first = read_alert(alerts[0], buffer);
  EXPECT_EQ(first.raw.delivery, 1u) << "what did not fit was not handed out";
  EXPECT_EQ(warden_consumer_poll(c.get(), 0, alerts, 8, buffer, sizeof buffer, nullptr), 1);
  const Alert second = read_alert(alerts[0], buffer);
  EXPECT_NE(first.key, second.key);
  EXPECT_EQ(second.raw.delivery, 1u);
  EXPECT_EQ(warden_consumer_poll(c.get(), 0, alerts, 0, buffer, sizeof buffer, nullptr), 0);
}

TEST_F(Arguments, AScanWithTooSmallABufferLosesNothing) {
  for (const char* key : {"a", "b", "c"}) store_.track(key, std::string(100, *key));
  warden_scan* scan = nullptr;
  ASSERT_EQ(warden_scan_open(raw(), nullptr, &scan, nullptr), WARDEN_OK);
  warden_item items[8];
  std::uint64_t buffer[256];
  std::size_t need = 0;
  std::string seen;
  EXPECT_EQ(warden_scan_next(scan, items, 8, buffer, 8, &need), WARDEN_E_BUFFER_TOO_SMALL);
  EXPECT_EQ(warden_scan_next(scan, items, 8, nullptr, 0, nullptr), WARDEN_E_BUFFER_TOO_SMALL);
  for (;;) {
    const std::int32_t count = warden_scan_next(scan, items, 8, buffer, need + 16, nullptr);
    ASSERT_GE(count, 0);
    if (count == 0) break;
    EXPECT_EQ(count, 1) << "room for one alone";
    seen += read_item(items[0], buffer).key;
  }
  warden_scan_close(scan);
  std::sort(seen.begin(), seen.end());
  EXPECT_EQ(seen, "abc");
}

}  // namespace
}  // namespace warden::test
