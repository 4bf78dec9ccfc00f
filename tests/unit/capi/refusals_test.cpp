// SPDX-License-Identifier: Apache-2.0
//
// What is refused instead of ignored: structs that were never initialised, options
// that a verb has no use for, keys of the configuration that do not go together,
// names that are not text.
#include <functional>

#include "client.hpp"
#include "flow_texts.hpp"

namespace warden::test {
namespace {

class Refusals : public ::testing::Test {
 protected:
  void SetUp() override { store_.define(kUpload); }
  void TearDown() override { store_.expect_balance(); }
  warden_store* raw() { return store_.get(); }
  Store store_;
};

// Each struct with a size, zeroed as a caller leaves it who forgot the *_INIT macro.
TEST_F(Refusals, AStructThatWasNeverInitialised) {
  for (const std::uint32_t size : {0U, 3U}) {
    warden_item_options options{};
    options.struct_size = size;
    warden_item_options good = WARDEN_ITEM_OPTIONS_INIT;
    good.at_ns = 0;
    warden_result result{};
    result.struct_size = size;
    warden_stats stats{};
    stats.struct_size = size;
    warden_batch batch{};
    batch.struct_size = size;
    warden_error err{};
    err.struct_size = size;
    warden_scan_filter filter{};
    filter.struct_size = size;
    warden_config* config = nullptr;
    ASSERT_EQ(warden_config_new(&config), WARDEN_OK);
    warden_store* store = nullptr;
    warden_scan* scan = nullptr;
    warden_consumer* consumer = nullptr;
    const std::function<std::int32_t()> calls[] = {
        [&] { return warden_track(raw(), "upload", 6, "k", 1, nullptr, 0, &options, nullptr); },
        [&] { return warden_track(raw(), "upload", 6, "k", 1, nullptr, 0, &good, &result); },
        [&] { return warden_complete(raw(), "upload", 6, "k", 1, &options, nullptr); },
        [&] { return warden_stats_get(raw(), &stats); },
        [&] { return warden_batch_run(raw(), WARDEN_OP_TRACK, &batch, nullptr); },
        [&] { return warden_config_set(config, "clock", "manual", &err); },
        [&] { return warden_open(nullptr, config, &store, &err); },
        [&] { return warden_flow_define(raw(), kTimer, std::strlen(kTimer), nullptr, &err); },
        [&] { return warden_scan_open(raw(), nullptr, &scan, &err); },
        [&] { return warden_scan_open(raw(), &filter, &scan, nullptr); },
        [&] { return warden_consumer_open(raw(), "c", 1, nullptr, &consumer, &err); },
    };
    int number = 0;
    for (const auto& call : calls) EXPECT_EQ(call(), WARDEN_E_INVALID_ARGUMENT) << number++;
    warden_config_free(config);
    EXPECT_EQ(result.incarnation, 0u) << "nothing is written to it";
    EXPECT_EQ(err.message[0], '\0');
    EXPECT_EQ(store, nullptr);
    EXPECT_EQ(consumer, nullptr);
  }
  EXPECT_EQ(store_.stats().events, 0u);
  EXPECT_EQ(store_.stats().flows, 1u);
}

TEST_F(Refusals, ColdCallsNameTheStructThatWasNeverInitialised) {
  warden_error err = WARDEN_ERROR_INIT;
  warden_flow_info info{};
  EXPECT_EQ(warden_flow_define(raw(), kTimer, std::strlen(kTimer), &info, &err),
            WARDEN_E_INVALID_ARGUMENT);
  EXPECT_STREQ(err.message,
               "warden_flow_info: struct_size is 0; expected sizeof(warden_flow_info), as its "
               "*_INIT macro sets it");
  EXPECT_EQ(store_.stats().flows, 1u) << "nothing was defined";
  warden_consumer_options options{};
  warden_consumer* consumer = nullptr;
  EXPECT_EQ(warden_consumer_open(raw(), "c", 1, &options, &consumer, &err),
            WARDEN_E_INVALID_ARGUMENT);
  EXPECT_NE(std::string(err.message).find("warden_consumer_options: struct_size is 0"),
            std::string::npos);
  warden_scan_filter filter{};
  warden_scan* scan = nullptr;
  EXPECT_EQ(warden_scan_open(raw(), &filter, &scan, &err), WARDEN_E_INVALID_ARGUMENT);
  EXPECT_NE(std::string(err.message).find("warden_scan_filter: struct_size is 0"),
            std::string::npos);
  filter = WARDEN_SCAN_FILTER_INIT;
  filter.reserved = 1;
  EXPECT_EQ(warden_scan_open(raw(), &filter, &scan, &err), WARDEN_E_INVALID_ARGUMENT);
}

// An option on a verb that has no use for it: the same call without it is good.
TEST_F(Refusals, OptionsThatTheVerbHasNoUseFor) {
  const std::vector<Due> dues = {{"promised", 5}};
  store_.submit("s", "", {.at = 0});
  store_.track("k", "", {.at = 0});
  const std::uint64_t events = store_.stats().events;
  const Answer answers[] = {
      store_.track("new", "", {.at = 1, .ttl = kS}),
      store_.exec("s", {.at = 1, .ttl = kS}),
      store_.mark("k", "copied", {.at = 1, .ttl = kS}),
      store_.touch("k", {.at = 1, .ttl = kS}),
      store_.extend_to("k", "total", 5, {.at = 1, .ttl = kS}),
      store_.complete("k", {.at = 1, .ttl = kS}),
      store_.cancel("k", {.at = 1, .ttl = kS}),
      store_.submit("new", "", {.at = 1, .dues = dues}),
      store_.touch("k", {.at = 1, .dues = dues}),
      store_.extend_to("k", "total", 5, {.at = 1, .dues = dues}),
      store_.complete("k", {.at = 1, .dues = dues}),
      store_.cancel("k", {.at = 1, .dues = dues}),
      store_.submit("new", "", {.at = 1, .allow_early = true}),
      store_.track("new", "", {.at = 1, .allow_early = true}),
      store_.exec("s", {.at = 1, .allow_early = true}),
      store_.mark("k", "copied", {.at = 1, .allow_early = true}),
      store_.touch("k", {.at = 1, .allow_early = true}),
      store_.extend_to("k", "total", 5, {.at = 1, .allow_early = true}),
      store_.cancel("k", {.at = 1, .allow_early = true}),
  };
  int number = 0;
  for (const Answer& one : answers) EXPECT_EQ(one.code, WARDEN_E_INVALID_ARGUMENT) << number++;
  EXPECT_EQ(store_.stats().events, events) << "nothing was changed";
  EXPECT_EQ(store_.get_item("new").code, WARDEN_E_UNKNOWN_ITEM);
  EXPECT_EQ(store_.complete("k", {.at = 1}).code, WARDEN_ON_TIME);
}

TEST_F(Refusals, ABatchesCompletionWithAnArgumentOrDues) {
  store_.track("k", "", {.at = 0});
  warden_batch_due due = {0, 1, 5};
  warden_batch_entry entries[3] = {};
  for (warden_batch_entry& one : entries) {
    one.key_len = 1;
    one.at_ns = 1;
  }
  entries[0].arg_len = 1;
  entries[1].due_count = 1;
  warden_batch_result results[3] = {};
  warden_batch batch = WARDEN_BATCH_INIT;
  batch.count = 3;
  batch.flow = "upload";
  batch.flow_len = 6;
  batch.blob = "k";
  batch.blob_len = 1;
  batch.entries = entries;
  batch.dues = &due;
  batch.due_count = 1;
  batch.results = results;
  EXPECT_EQ(warden_batch_run(raw(), WARDEN_OP_COMPLETE, &batch, nullptr), 1);
  EXPECT_EQ(results[0].code, WARDEN_E_INVALID_ARGUMENT);
  EXPECT_EQ(results[1].code, WARDEN_E_INVALID_ARGUMENT);
  EXPECT_EQ(results[2].code, WARDEN_ON_TIME) << "the others go on";
}

TEST_F(Refusals, AnEarlyCompletionOfAnItemThatIsNamed) {
  EXPECT_EQ(store_.complete("k", {.at = 0, .incarnation = 7, .allow_early = true}).code,
            WARDEN_E_FENCED);
  EXPECT_EQ(store_.complete("k", {.at = 0, .token = 7, .allow_early = true}).code, WARDEN_E_FENCED);
  EXPECT_EQ(store_.stats().early, 0u);
  EXPECT_EQ(store_.track("k", "", {.at = 0}).code, WARDEN_NEW);
}

// Opens with these settings and closes it again; the message if it is refused.
std::string opened(Settings settings, std::int32_t expected) {
  warden_config* config = nullptr;
  EXPECT_EQ(warden_config_new(&config), WARDEN_OK);
  for (const auto& [key, value] : settings) {
    EXPECT_EQ(warden_config_set(config, key, value, nullptr), WARDEN_OK) << key;
  }
  warden_store* store = nullptr;
  warden_error err = WARDEN_ERROR_INIT;
  EXPECT_EQ(warden_open(nullptr, config, &store, &err), expected);
  warden_config_free(config);
  warden_free(store);
  return err.message;
}

TEST(Together, DedupeMaxGivesEachStripeATombstoneOrNone) {
  EXPECT_EQ(opened({{"dedupe_max", "15"}, {"stripes", "16"}}, WARDEN_E_OUT_OF_RANGE),
            "config: dedupe_max = '15': expected 0 for none at all, or at least one a stripe "
            "(stripes = 16)");
  EXPECT_NE(opened({{"dedupe_max", "4095"}}, WARDEN_E_OUT_OF_RANGE).find("stripes = 4096"),
            std::string::npos);
  opened({{"dedupe_max", "0"}}, WARDEN_OK);
  opened({{"dedupe_max", "4096"}}, WARDEN_OK);
  opened({{"dedupe_max", "16"}, {"stripes", "16"}}, WARDEN_OK);
}

TEST(Together, TheLeastDedupeMaxRemembersTheNewestKeyWhicheverItIs) {
  Store store{{"clock", "manual"}, {"stripes", "16"}, {"dedupe_max", "16"}};
  store.define(kTimer);
  for (int i = 0; i < 200; ++i) {
    const std::string key = numbered("k", i);
    store.track(key, "", {.at = 0});
    store.complete(key, {.at = 0});
    ASSERT_EQ(store.get_item(key).code, WARDEN_ALREADY_DONE) << i;
  }
  EXPECT_EQ(store.stats().tombstones, 16u);
  EXPECT_EQ(store.complete("early", {.at = 0, .allow_early = true}).code, WARDEN_RECORDED_EARLY);
}

TEST(Together, StartIsOfAManualClock) {
  EXPECT_EQ(opened({{"start", "5"}}, WARDEN_E_INVALID_ARGUMENT),
            "config: start = '5': expected clock = manual with it; the real clock starts where it "
            "is");
  opened({{"start", "5"}, {"clock", "manual"}}, WARDEN_OK);
}

TEST(Names, OfStagesThatComeAreText) {
  Store store;
  store.define("[flow]\nname = \"f\"\nstages = \"any\"\n");
  store.track("k");
  EXPECT_EQ(store.mark("k", "Zürich 北京").code, WARDEN_OK);
  for (const std::string_view bad :
       {std::string_view("a\nb"), std::string_view("a\0b", 3), std::string_view("\x7f"),
        std::string_view("caf\xe9"), std::string_view("a\xed\xa0\x80"),
        std::string_view("\x1b[1m")}) {
    EXPECT_EQ(store.mark("k", bad).code, WARDEN_E_INVALID_ARGUMENT);
  }
  EXPECT_EQ(store.get_item("k").stage, "Zürich 北京") << "a refused mark changes nothing";
  // On a closed list it is a stage that the list has not.
  store.define("[flow]\nname = \"g\"\nstages = [\"a\"]\n");
  store.track("k");
  EXPECT_EQ(store.mark("k", "a\n").code, WARDEN_E_UNKNOWN_STAGE);
}

TEST(Names, OfConsumersAreText) {
  Store store;
  warden_consumer* consumer = nullptr;
  warden_error err = WARDEN_ERROR_INIT;
  EXPECT_EQ(warden_consumer_open(store.get(), "pa\tger", 6, nullptr, &consumer, &err),
            WARDEN_E_INVALID_ARGUMENT);
  EXPECT_STREQ(err.message,
               "consumer: byte 2 of the name is a control character or not UTF-8; expected 1..255 "
               "bytes of printable UTF-8");
  EXPECT_EQ(consumer, nullptr);
}

}  // namespace
}  // namespace warden::test
